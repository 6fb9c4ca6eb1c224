package hub

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
