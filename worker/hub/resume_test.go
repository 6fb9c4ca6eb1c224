package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/worker/bundle"
)

const keptBytes = 123_456

// cutOnce answers the first request for a file with its beginning and breaks off.
func (s *server) cutOnce(path string) func(http.ResponseWriter, *http.Request, string) bool {
	cut := false
	return func(w http.ResponseWriter, r *http.Request, at string) bool {
		if cut || at != path || !strings.HasPrefix(r.URL.Path, "/store/") {
			return false
		}
		cut = true
		w.Header().Set("ETag", `"`+sha256Of(s.files[path])[:16]+`"`)
		w.Header().Set("Content-Length", fmt.Sprint(len(s.files[path])))
		_, _ = w.Write(s.files[path][:keptBytes])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// whole asserts that the bundle is there and right.
func (s *server) whole(t *testing.T, models string) {
	t.Helper()
	b, err := bundle.Open(filepath.Join(models, "tiny"))
	require.NoError(t, err)
	checks, err := b.Check()
	require.NoError(t, err)
	assert.Len(t, checks, 7)
	for _, c := range checks {
		assert.Equal(t, "ok", c.Digest)
		content, err := os.ReadFile(filepath.Join(b.Dir, filepath.FromSlash(c.Path)))
		require.NoError(t, err)
		assert.Equal(t, s.files[c.Path], content, c.Path)
	}
	assert.Len(t, names(t, models), 10, "something is left")
}

func TestACutIsResumedWithinAPull(t *testing.T) {
	t.Parallel()
	s := serve(t, tiny())
	s.on(s.cutOnce(encoderPath))
	o := s.options(t)
	_, err := Pull(t.Context(), o)
	require.NoError(t, err)
	s.whole(t, o.Models)
	got := s.requests("/store/" + encoderPath)
	require.Len(t, got, 2)
	assert.Equal(t, "bytes=123456-", got[1].ranges)
	assert.Equal(t, `"`+sha256Of(s.files[encoderPath])[:16]+`"`, got[1].ifRange)
	assert.EqualValues(t, 300_000, got[0].sent+got[1].sent, "more than the rest was fetched")
}

// leftCut leaves a models folder as a pull leaves it that was cut off in the encoder, the
// last file, and killed.
func leftCut(t *testing.T, s *server) Options {
	t.Helper()
	o := s.options(t)
	o.Attempts = 1
	s.on(s.cutOnce(encoderPath))
	_, err := Pull(t.Context(), o)
	require.ErrorIs(t, err, ErrUnreachable)
	require.ErrorContains(t, err, "run the command again")
	noBundle(t, o.Models)
	s.on(nil)
	o.Attempts = 3
	return o
}

func TestALaterPullResumes(t *testing.T) {
	t.Parallel()
	s := serve(t, tiny())
	o := leftCut(t, s)
	o.free = func(string) (int64, error) { return (300_000 - keptBytes) * 11 / 10, nil }
	// A killed process leaves its lock's file.
	require.NoError(t, os.WriteFile(filepath.Join(o.Models, ".pull-tiny.lock"), nil, 0o644))
	got, err := Pull(t.Context(), o)
	require.NoError(t, err)
	s.whole(t, o.Models)
	assert.EqualValues(t, 300_000-keptBytes, got.Fetched)
	for _, r := range s.requests("") {
		assert.True(t, strings.HasPrefix(r.path, "/api/") || strings.HasSuffix(r.path, encoderPath), "%s was fetched again", r.path)
	}
	store := s.requests("/store/" + encoderPath)
	require.Len(t, store, 1)
	assert.EqualValues(t, 300_000-keptBytes, store[0].sent)
}

func TestWhatIsLeftIsNotTrusted(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, place string){
		"a finished file": func(t *testing.T, place string) {
			require.NoError(t, os.WriteFile(filepath.Join(place, "tiny", "LICENSE"), []byte("of the mudel"), 0o644))
		},
		"a part": func(t *testing.T, place string) {
			require.NoError(t, os.WriteFile(filepath.Join(place, partName(File{Path: encoderPath})), graph(9)[1:], 0o644))
		},
		"a part that is too long": func(t *testing.T, place string) {
			require.NoError(t, os.WriteFile(filepath.Join(place, partName(File{Path: encoderPath})), graph(300_001), 0o644))
		},
		"a part that is whole and wrong": func(t *testing.T, place string) {
			require.NoError(t, os.WriteFile(filepath.Join(place, partName(File{Path: encoderPath})), make([]byte, 300_000), 0o644))
		},
		"a part without an ETag": func(t *testing.T, place string) {
			require.NoError(t, os.Remove(filepath.Join(place, partName(File{Path: encoderPath})+etagSuffix)))
		},
		"a huge ETag": func(t *testing.T, place string) {
			require.NoError(t, os.WriteFile(filepath.Join(place, partName(File{Path: encoderPath})+etagSuffix), make([]byte, 1<<20), 0o644))
		},
		"other files": func(t *testing.T, place string) {
			require.NoError(t, os.WriteFile(filepath.Join(place, "tiny", "onnx", "other.onnx"), nil, 0o644))
			require.NoError(t, os.Symlink("/etc", filepath.Join(place, "tiny", "etc")))
		},
		"a link out of the folder": func(t *testing.T, place string) {
			outside := t.TempDir()
			t.Cleanup(func() { assert.NoFileExists(t, filepath.Join(outside, "encoder_model.onnx")) })
			require.NoError(t, os.RemoveAll(filepath.Join(place, "tiny", "onnx")))
			require.NoError(t, os.Symlink(outside, filepath.Join(place, "tiny", "onnx")))
		},
		"a place of another commit": func(t *testing.T, place string) {
			require.NoError(t, os.MkdirAll(filepath.Join(filepath.Dir(place), ".pull-tiny-0123456789ab", "tiny"), 0o755))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tiny())
			o := leftCut(t, s)
			places, err := filepath.Glob(filepath.Join(o.Models, ".pull-tiny-*"))
			require.NoError(t, err)
			require.Len(t, places, 1)
			spoil(t, places[0])
			_, err = Pull(t.Context(), o)
			require.NoError(t, err)
			s.whole(t, o.Models)
		})
	}
}

// A place of a bundle with a longer name is another's.
func TestPlacesOfOthersStay(t *testing.T) {
	t.Parallel()
	s := serve(t, tiny())
	o := s.options(t)
	for _, other := range []string{".pull-tiny-two-0123456789ab", ".pull-tinyer-0123456789ab", ".removed-tiny-2-77"} {
		require.NoError(t, os.Mkdir(filepath.Join(o.Models, other), 0o755))
	}
	_, err := Pull(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, Remove(o.Models, "tiny"))
	assert.Equal(t, []string{".pull-tiny-two-0123456789ab/", ".pull-tinyer-0123456789ab/", ".removed-tiny-2-77/"}, names(t, o.Models))
}

// Servers that answer a range in their own way: what comes is right or begins anew.
func TestAnswersToARange(t *testing.T) {
	t.Parallel()
	part := func(s *server, w http.ResponseWriter, contentRange, etag string, body []byte) {
		w.Header().Set("Content-Range", contentRange)
		if etag != "" {
			w.Header().Set("ETag", etag)
		}
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(body)
	}
	for name, tt := range map[string]struct {
		answer func(s *server, w http.ResponseWriter)
		// requests is how many the encoder takes at the store.
		requests int
	}{
		"no ranges": {func(s *server, w http.ResponseWriter) { _, _ = w.Write(s.files[encoderPath]) }, 1},
		"another ETag, new": {func(s *server, w http.ResponseWriter) {
			w.Header().Set("ETag", `"new"`)
			_, _ = w.Write(s.files[encoderPath])
		}, 1},
		"another ETag, part": {func(s *server, w http.ResponseWriter) {
			part(s, w, "bytes 123456-299999/300000", `"new"`, s.files[encoderPath][keptBytes:])
		}, 2},
		"no total": {func(s *server, w http.ResponseWriter) {
			part(s, w, "bytes 123456-299999/*", "", s.files[encoderPath][keptBytes:])
		}, 1},
		"from elsewhere": {func(s *server, w http.ResponseWriter) { part(s, w, "bytes 0-299999/300000", "", s.files[encoderPath]) }, 2},
		"to elsewhere": {func(s *server, w http.ResponseWriter) {
			part(s, w, "bytes 123456-200000/300000", "", s.files[encoderPath][keptBytes:200_001])
		}, 2},
		"of another size": {func(s *server, w http.ResponseWriter) {
			part(s, w, "bytes 123456-299999/400000", "", s.files[encoderPath][keptBytes:])
		}, 2},
		"no Content-Range": {func(s *server, w http.ResponseWriter) { part(s, w, "", "", s.files[encoderPath][keptBytes:]) }, 2},
		"nonsense": {func(s *server, w http.ResponseWriter) {
			part(s, w, "bytes 99999999999999999999-1/2", "", s.files[encoderPath][keptBytes:])
		}, 2},
		"other bytes": {func(s *server, w http.ResponseWriter) {
			part(s, w, "bytes 123456-299999/300000", "", graph(300_000-keptBytes))
		}, 2},
		"416": {func(_ *server, w http.ResponseWriter) { w.WriteHeader(http.StatusRequestedRangeNotSatisfiable) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tiny())
			o := leftCut(t, s)
			s.on(func(w http.ResponseWriter, r *http.Request, path string) bool {
				mine := path == encoderPath && strings.HasPrefix(r.URL.Path, "/store/") && r.Header.Get("Range") != ""
				if mine {
					tt.answer(s, w)
				}
				return mine
			})
			_, err := Pull(t.Context(), o)
			require.NoError(t, err)
			s.whole(t, o.Models)
			assert.Len(t, s.requests("/store/"+encoderPath), tt.requests)
		})
	}
}

// A server that goes silent is left for another attempt, which goes on.
func TestASilentServer(t *testing.T) {
	t.Parallel()
	for _, silent := range []string{"before the header", "in the body"} {
		s := serve(t, tiny())
		o := s.options(t)
		o.Stall = 200 * time.Millisecond
		first := true
		s.on(func(w http.ResponseWriter, r *http.Request, path string) bool {
			if path != encoderPath || !strings.HasPrefix(r.URL.Path, "/store/") || !first {
				return false
			}
			first = false
			if silent == "in the body" {
				w.Header().Set("ETag", `"`+sha256Of(s.files[path])[:16]+`"`)
				_, _ = w.Write(s.files[path][:keptBytes])
				_ = http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
			return true
		})
		_, err := Pull(t.Context(), o)
		require.NoError(t, err, silent)
		s.whole(t, o.Models)
		got := s.requests("/store/" + encoderPath)
		require.Len(t, got, 2, silent)
		assert.Equal(t, silent == "in the body", got[1].ranges != "", silent)
	}
	s := serve(t, tiny())
	o := s.options(t)
	o.Stall = 50 * time.Millisecond
	s.on(func(_ http.ResponseWriter, r *http.Request, _ string) bool {
		<-r.Context().Done()
		return true
	})
	_, err := Pull(t.Context(), o)
	assert.ErrorIs(t, err, ErrUnreachable)
	assert.ErrorContains(t, err, "sends nothing")
	assert.Len(t, s.requests("/main"), 3)
}

// A slow server is no silent one: every byte counts.
func TestASlowServer(t *testing.T) {
	t.Parallel()
	s := serve(t, tiny())
	o := s.options(t)
	came := make(chan struct{}, 100)
	o.Progress = func(p Progress) {
		if p.File == "LICENSE" && p.Status == StatusDownloading {
			came <- struct{}{}
		}
	}
	s.on(func(w http.ResponseWriter, _ *http.Request, path string) bool {
		if path != "LICENSE" {
			return false
		}
		<-came
		for _, b := range s.files[path] {
			_, _ = w.Write([]byte{b})
			_ = http.NewResponseController(w).Flush()
		}
		return true
	})
	_, err := Pull(t.Context(), o)
	require.NoError(t, err)
	s.whole(t, o.Models)
	assert.Len(t, s.requests("/LICENSE"), 1)
}

func TestPausesGrowAndEndWithTheContext(t *testing.T) {
	t.Parallel()
	s := serve(t, tiny())
	s.on(func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	})
	o := s.options(t)
	o.Attempts = 8
	var pauses []time.Duration
	o.wait = func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil }
	_, err := Pull(t.Context(), o)
	assert.ErrorIs(t, err, ErrUnreachable)
	assert.ErrorContains(t, err, "502")
	require.Len(t, pauses, 7)
	for i, longest := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		assert.LessOrEqual(t, pauses[i], longest*time.Second)
		assert.GreaterOrEqual(t, pauses[i], longest*time.Second*3/4)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the worker stops")
	o.wait = func(ctx context.Context, d time.Duration) error { cancel(why); return pause(ctx, d) }
	_, err = Pull(ctx, o)
	assert.ErrorIs(t, err, why)
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "-3": 0, "soon": 0, "Mon, 02 Jan 2006 15:04:05 GMT": 0} {
		assert.Equal(t, want, retryAfter(value), value)
	}
	assert.Greater(t, retryAfter("99999999999"), time.Hour)
	assert.Greater(t, retryAfter(time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)), 50*time.Minute)

	s := serve(t, tiny())
	answers := []string{"20", "0", "3600"}
	s.on(func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		if len(answers) == 0 {
			return false
		}
		w.Header().Set("Retry-After", answers[0])
		answers = answers[1:]
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, "slow down")
		return true
	})
	o := s.options(t)
	o.Attempts = 5
	var pauses []time.Duration
	o.wait = func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil }
	_, err := Pull(t.Context(), o)
	assert.ErrorIs(t, err, ErrUnreachable)
	assert.ErrorContains(t, err, "429")
	assert.ErrorContains(t, err, "wait for 1h0m0s")
	require.Len(t, pauses, 2)
	assert.Equal(t, 20*time.Second, pauses[0])
	assert.Less(t, pauses[1], 3*time.Second)
	_, err = Pull(t.Context(), o)
	require.NoError(t, err)
	s.whole(t, o.Models)
}

// A server that always breaks off is given up, and one that comes further every time is not.
func TestAServerThatBreaksOff(t *testing.T) {
	t.Parallel()
	const step = goodDeal + 5
	for _, ranges := range []bool{true, false} {
		s := serve(t, tiny())
		s.files[encoderPath] = graph(6 * goodDeal)
		s.on(func(w http.ResponseWriter, r *http.Request, path string) bool {
			if path != encoderPath || !strings.HasPrefix(r.URL.Path, "/store/") {
				return false
			}
			content, from := s.files[path], 0
			if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil && ranges {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
				w.WriteHeader(http.StatusPartialContent)
			} else {
				from = 0
			}
			_, _ = w.Write(content[from:min(from+step, len(content))])
			_ = http.NewResponseController(w).Flush()
			if from+step < len(content) {
				panic(http.ErrAbortHandler)
			}
			return true
		})
		o := s.options(t)
		_, err := Pull(t.Context(), o)
		if ranges {
			require.NoError(t, err)
			assert.Len(t, s.requests("/store/"+encoderPath), 6)
			continue
		}
		assert.ErrorIs(t, err, ErrUnreachable)
		assert.Len(t, s.requests("/store/"+encoderPath), 3)
	}
}

// What our own disk refuses is not asked for again.
func TestADiskThatFails(t *testing.T) {
	t.Parallel()
	s := serve(t, tiny())
	o, err := s.options(t).withDefaults()
	require.NoError(t, err)
	from, err := openSource(o)
	require.NoError(t, err)
	l, err := from.list(t.Context())
	require.NoError(t, err)
	place, err := openPlace(o.Models, "tiny", placeKey(l))
	require.NoError(t, err)
	defer place.close()
	f := File{Path: encoderPath, Size: 300_000, SHA256: sha256Of(s.files[encoderPath])}
	part, err := place.openPart(f, func(int64) {})
	require.NoError(t, err)
	require.NoError(t, part.file.Close())
	err = from.fetch(t.Context(), f, part)
	assert.ErrorIs(t, err, os.ErrClosed)
	assert.Len(t, s.requests("/store/"+encoderPath), 1)

	err = onDisk(&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})
	assert.ErrorIs(t, err, ErrSpace)
	assert.ErrorContains(t, err, "make room and run the command again")
}
