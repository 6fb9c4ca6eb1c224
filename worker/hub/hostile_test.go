package hub

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever a server sends for a file, nothing wrong becomes a bundle.
func TestWrongContent(t *testing.T) {
	t.Parallel()
	zeros := func(size int) []byte { return make([]byte, size) }
	gzipped := func(data []byte) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, _ = z.Write(data)
		_ = z.Close()
		return out.Bytes()
	}
	send := func(body []byte, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			_, _ = w.Write(body)
		}
	}
	// streamed bodies tell no length.
	streamed := func(body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(body)
		}
	}
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(graph(1 << 16)); err != nil {
				return
			}
		}
	}
	license := tiny()["LICENSE"]
	for name, tt := range map[string]struct {
		path   string
		answer http.HandlerFunc
		want   error
		words  string
	}{
		"a large file of other bytes":  {encoderPath, send(zeros(300_000)), ErrUntrusted, "SHA-256"},
		"a small file of other bytes":  {"LICENSE", send([]byte("of the mudel")), ErrUntrusted, "SHA-1"},
		"a short body with its length": {encoderPath, send(graph(299_999), "Content-Length", "299999"), ErrUntrusted, "is 299999 instead of 300000"},
		"a long body with its length":  {encoderPath, send(graph(300_001), "Content-Length", "300001"), ErrUntrusted, "is 300001 instead of 300000"},
		"a short body":                 {encoderPath, streamed(graph(299_999)), ErrUnreachable, "after 299999 of 300000 bytes"},
		"a long body":                  {encoderPath, streamed(append(graph(300_000), 0)), ErrUntrusted, "longer than its 300000"},
		"a body without an end":        {"LICENSE", endless, ErrUntrusted, "longer than its 12"},
		"a large body without an end":  {encoderPath, endless, ErrUntrusted, "longer than its 300000"},
		"nothing":                      {"LICENSE", streamed(nil), ErrUnreachable, "after 0 of 12 bytes"},
		"gzip that was not asked for":  {"LICENSE", send(gzipped(license), "Content-Encoding", "gzip"), ErrUntrusted, "comes compressed"},
		"gzip without a word":          {"LICENSE", streamed(gzipped(license)), ErrUntrusted, "longer than"},
		"another encoding":             {"LICENSE", send(license, "Content-Encoding", "br"), ErrUntrusted, "(br)"},
		"a range without a question": {"LICENSE", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-11/12")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(license)
		}, ErrUntrusted, "was not asked for"},
		"another commit": {"LICENSE", send(license, "X-Repo-Commit", strings.Repeat("f", 40)), ErrUntrusted, "comes from the commit fff"},
		"another size":   {encoderPath, send(nil, "X-Linked-Size", "7"), ErrUntrusted, "is 7 instead of 300000"},
		"another digest": {encoderPath, send(nil, "X-Linked-ETag", `"`+strings.Repeat("0", 64)+`"`), ErrUntrusted, "is 0000"},
		"a page":         {"LICENSE", send([]byte("<html>"), "Content-Type", "text/html"), ErrUntrusted, "is 6 instead of 12"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tiny())
			s.on(func(w http.ResponseWriter, r *http.Request, path string) bool {
				// The store is asked for large files, the hub for small ones and with X- headers.
				mine := path == tt.path && (strings.HasPrefix(r.URL.Path, "/store/") || !isLFS(path) || strings.HasPrefix(name, "another"))
				if mine {
					tt.answer(w, r)
				}
				return mine
			})
			o := s.options(t)
			_, err := Pull(t.Context(), o)
			assert.ErrorIs(t, err, tt.want)
			assert.ErrorContains(t, err, tt.words)
			noBundle(t, o.Models)
			s.on(nil)
			_, err = Pull(t.Context(), o)
			require.NoError(t, err, "a pull after it")
			s.whole(t, o.Models)
		})
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		location func(r *http.Request) string
		words    string
	}{
		"in a circle":      {func(r *http.Request) string { return r.URL.Path }, "more than 10 times"},
		"to a file":        {func(*http.Request) string { return "file:///etc/passwd" }, `of the kind "file"`},
		"to ftp":           {func(*http.Request) string { return "ftp://example.org/x" }, `of the kind "ftp"`},
		"to data":          {func(*http.Request) string { return "data:text/plain,of%20the%20model" }, `of the kind "data"`},
		"to nowhere":       {func(*http.Request) string { return "" }, "to nowhere"},
		"to nonsense":      {func(*http.Request) string { return "http://[::1" }, "to nowhere"},
		"to a hostless":    {func(*http.Request) string { return "http:///x" }, "not followed"},
		"to itself, aside": {func(r *http.Request) string { return r.URL.Path + "?" + r.URL.RawQuery + "x" }, "more than 10 times"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tiny())
			s.on(func(w http.ResponseWriter, r *http.Request, path string) bool {
				if path == "LICENSE" {
					w.Header()["Location"] = []string{tt.location(r)}
					w.WriteHeader(http.StatusFound)
				}
				return path == "LICENSE"
			})
			o := s.options(t)
			_, err := Pull(t.Context(), o)
			assert.ErrorIs(t, err, ErrUntrusted)
			assert.ErrorContains(t, err, tt.words)
			noBundle(t, o.Models)
			assert.LessOrEqual(t, len(s.requests("/LICENSE")), maxRedirects)
		})
	}
}

// From an encrypted hub no redirect leads to one without.
func TestRedirectsKeepTheEncryption(t *testing.T) {
	t.Parallel()
	s := serve(t, tiny())
	front := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, s.hub.URL+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	}))
	defer front.Close()
	o, err := s.options(t).withDefaults()
	require.NoError(t, err)
	o.From = front.URL
	from, err := openSource(o)
	require.NoError(t, err)
	from.(*remote).transport = front.Client().Transport.(*http.Transport)
	_, err = from.list(t.Context())
	assert.ErrorIs(t, err, ErrUntrusted)
	assert.ErrorContains(t, err, `of the kind "http"`)
	assert.Empty(t, s.requests(""))

	_, err = Pull(t.Context(), o)
	assert.ErrorIs(t, err, ErrUnreachable, "an unknown certificate was accepted")
	assert.ErrorContains(t, err, "certificate")
}

// A repository that was renamed answers with a redirect on the same host, where the token
// may follow.
func TestARenamedRepository(t *testing.T) {
	t.Parallel()
	s := serve(t, tiny())
	o := s.options(t)
	o.Repository.Name, o.As, o.Token = "former", "tiny", "hf_secret"
	s.on(func(w http.ResponseWriter, r *http.Request, _ string) bool {
		to, is := strings.CutPrefix(r.URL.Path, "/api/models/acme/former")
		if file, isFile := strings.CutPrefix(r.URL.Path, "/acme/former"); isFile {
			w.Header().Set("Location", "/acme/tiny"+file)
			w.WriteHeader(http.StatusTemporaryRedirect)
			return true
		}
		if is {
			w.Header().Set("Location", "/api/models/acme/tiny"+to+"?"+r.URL.RawQuery)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
		return is
	})
	_, err := Pull(t.Context(), o)
	require.NoError(t, err)
	s.whole(t, o.Models)
	for _, r := range s.requests("") {
		assert.Equal(t, !r.store, r.auth != "", r.path)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		token  string
		want   error
		words  string
		asked  int
	}{
		{401, "", ErrDenied, "give a token with --token-file or HF_TOKEN", 1},
		{401, "hf_x", ErrDenied, "check the token", 1},
		{403, "hf_x", ErrDenied, "ask for access", 1},
		{404, "", ErrMissing, "check the owner, the name and the revision", 1},
		{410, "", ErrMissing, "there is no acme/tiny", 1},
		{400, "", ErrUnreachable, "look whether the address is a hub's", 1},
		{429, "", ErrUnreachable, "gave up after 3 attempts", 3},
		{503, "", ErrUnreachable, "answers 503 (Gated \"x\")", 3},
	} {
		for _, where := range []string{"/main", "/tree/" + testCommit, "/LICENSE"} {
			s := serve(t, tiny())
			s.on(func(w http.ResponseWriter, r *http.Request, _ string) bool {
				mine := strings.HasSuffix(r.URL.Path, where)
				if mine {
					w.Header().Set("X-Error-Message", "Gated \"x\"\u0085")
					w.WriteHeader(tt.status)
					_, _ = w.Write(make([]byte, 1<<16))
				}
				return mine
			})
			o := s.options(t)
			o.Token = tt.token
			_, err := Pull(t.Context(), o)
			assert.ErrorIs(t, err, tt.want, "%d at %s", tt.status, where)
			assert.ErrorContains(t, err, tt.words, where)
			assert.NotContains(t, err.Error(), "\u0085")
			assert.NotContains(t, err.Error(), "hf_x")
			assert.Len(t, s.requests(where), tt.asked)
			noBundle(t, o.Models)
		}
	}
	s := serve(t, tiny())
	failures := 2
	s.on(func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		if failures--; failures >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return failures >= 0
	})
	o := s.options(t)
	_, err := Pull(t.Context(), o)
	require.NoError(t, err, "5xx, then fine")
	s.whole(t, o.Models)
}

func TestErrorsTellNoSignature(t *testing.T) {
	t.Parallel()
	s := serve(t, tiny())
	s.store.Close()
	_, err := Pull(t.Context(), s.options(t))
	assert.ErrorIs(t, err, ErrUnreachable)
	assert.ErrorContains(t, err, "/store/")
	assert.NotContains(t, err.Error(), "secret")
}

// What a model's card says is of every shape.
func TestLicencesAndLanguagesOfACard(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		card      any
		licence   string
		languages []string
	}{
		{map[string]any{"license": "mit", "language": "fr"}, "MIT", []string{"fr"}},
		{map[string]any{"license": []string{"cc-by-nc-4.0", "other"}, "language": []any{"en", false, nil, 7}}, "CC-BY-NC-4.0 AND other", []string{"en"}},
		{map[string]any{"license": "openrail++"}, "openrail++", nil},
		{map[string]any{"license": 7, "language": map[string]any{"x": 1}}, "MIT", nil},
		{nil, "MIT", nil},
		{map[string]any{"license": "x\x1b[31m" + strings.Repeat("y", 1000)}, "x[31m" + strings.Repeat("y", 195), nil},
	} {
		s := serve(t, tiny())
		s.card = tt.card
		got, err := Pull(t.Context(), s.options(t))
		require.NoError(t, err)
		m, err := got.Bundle.Manifest()
		require.NoError(t, err)
		assert.Equal(t, tt.licence, m.Licence)
		assert.Equal(t, tt.languages, m.Languages)
	}
}
