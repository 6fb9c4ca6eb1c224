package server

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"parley/internal/auth"
)

// limitedTo gives what a body of so many bytes is answered, and how much of it was read.
func (s *Server) limitedTo(t *testing.T, size int64, told bool, v *auth.Viewer) (status int, read int64) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", io.LimitReader(zeros{}, size))
	r.ContentLength = -1
	if told {
		r.ContentLength = size
	}
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	r.Header.Set("GraphQL-Require-Preflight", "1")
	if v != nil {
		r = r.WithContext(auth.With(r.Context(), *v))
	}
	w := httptest.NewRecorder()
	s.limitBody(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if read, err = io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	})).ServeHTTP(w, r)
	return w.Code, read
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestOnlySignedInPeopleSendLongBodies(t *testing.T) {
	t.Parallel()
	s := &Server{}
	person, key := &auth.Viewer{ID: "user_1", Role: auth.RoleUser}, &auth.Viewer{ID: "user_1", Role: auth.RoleService, Key: "key_1"}
	for _, c := range []struct {
		v     *auth.Viewer
		limit int64
	}{{nil, maxUpload}, {key, maxUpload}, {person, maxBulk}} {
		for _, told := range []bool{true, false} {
			status, read := s.limitedTo(t, c.limit, told, c.v)
			require.Equal(t, []any{http.StatusOK, c.limit}, []any{status, read})
			status, read = s.limitedTo(t, c.limit+1, told, c.v)
			require.Equal(t, http.StatusRequestEntityTooLarge, status)
			if told {
				require.Zero(t, read)
			} else {
				require.LessOrEqual(t, read, c.limit)
			}
		}
	}
	require.Zero(t, s.bulk.all)
	require.Empty(t, s.bulk.by, "places are given back")
}

func TestFewLongBodiesAreTakenAtATime(t *testing.T) {
	t.Parallel()
	s := &Server{}
	var leave []func()
	take := func(account string) bool {
		f, ok := s.bulk.enter(account)
		if ok {
			leave = append(leave, f)
		}
		return ok
	}
	person := func(id string) *auth.Viewer { return &auth.Viewer{ID: id, Role: auth.RoleUser} }
	require.True(t, take("a"))
	require.True(t, take("a"))
	status, read := s.limitedTo(t, maxUpload+1, true, person("a"))
	require.Equal(t, []any{http.StatusServiceUnavailable, int64(0)}, []any{status, read}, "the account has two")
	status, _ = s.limitedTo(t, maxUpload, true, person("a"))
	require.Equal(t, http.StatusOK, status, "short ones need no place")
	for _, id := range []string{"b", "b", "c", "c", "d", "d"} {
		require.True(t, take(id))
	}
	status, _ = s.limitedTo(t, maxUpload+1, false, person("e"))
	require.Equal(t, http.StatusServiceUnavailable, status, "the process has eight")
	leave[7]()
	status, _ = s.limitedTo(t, maxUpload+1, true, person("e"))
	require.Equal(t, http.StatusOK, status)
}

func TestASpoolHoldsLittleInMemory(t *testing.T) {
	t.Parallel()
	s := &spool{}
	defer s.close()
	contents := []string{"small", strings.Repeat("a", spoolMemory), strings.Repeat("b", 3*spoolMemory), "", strings.Repeat("c", 10)}
	files := make([]held, len(contents))
	for i, c := range contents {
		var err error
		files[i], err = s.add(iotest.HalfReader(strings.NewReader(c)))
		require.NoError(t, err)
	}
	require.Equal(t, int64(15), s.held)
	require.Equal(t, int64(4*spoolMemory), s.end)
	_, err := os.Stat(s.disk.Name())
	require.ErrorIs(t, err, os.ErrNotExist, "nothing is left behind, however the process ends")
	for range 2 {
		for i, c := range contents {
			data, err := io.ReadAll(files[i].open())
			require.NoError(t, err)
			require.True(t, bytes.Equal([]byte(c), data), i)
			require.Equal(t, int64(len(c)), files[i].size)
		}
	}
}

func TestASpoolTellsItsDiskFromItsReader(t *testing.T) {
	t.Parallel()
	s := &spool{}
	defer s.close()
	broken := errors.New("broken")
	_, err := s.add(io.MultiReader(strings.NewReader(strings.Repeat("a", 2*spoolMemory)), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, errDisk)
	require.NoError(t, s.disk.Close())
	_, err = s.add(strings.NewReader(strings.Repeat("a", 2*spoolMemory)))
	require.ErrorIs(t, err, errDisk)
}
