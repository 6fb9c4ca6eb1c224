package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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
