package hub

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A listing that could reach beyond the folder is refused before anything is fetched.
func TestNamesOfAListing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"../config.json", "/etc/passwd", "onnx/../../x", `..\x`, `onnx\model.onnx`, "a//b", "./x", "x/", "", ".", "..", "a\x00b", "a\nb", "a\x7fb", "C:/x", "x:y", "con", "onnx/NUL.json",
		"a/com1.onnx", "lpt¹.txt", "x.", "x ", "a./b", strings.Repeat("a", 121), strings.Repeat("a/", 120) + "b", "a/../config.json",
	} {
		s := serve(t, tiny())
		s.entries = append(s.tree(), entry(name, []byte("x")))
		o := s.options(t)
		_, err := Pull(t.Context(), o)
		assert.ErrorIs(t, err, ErrUntrusted, "%q", name)
		assert.Len(t, s.requests(""), 2, "%q", name)
		assert.Empty(t, names(t, o.Models), "%q", name)
	}
	assert.ErrorIs(t, checkPath("a\xffb"), ErrUntrusted, "JSON can't say it")
	for _, name := range []string{"config.json", "onnx/model.onnx", "a/.hidden", "..a", "console", "com10", "übung.json", "a b"} {
		assert.NoError(t, checkPath(name), name)
	}
}

func TestListingsThatCanNotBe(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(s *server)
		want   error
		words  string
	}{
		"twice": {func(s *server) {
			s.entries = append(s.tree(), entry("Config.json", nil), entry("license", nil), entry("LICENSE", nil))
		}, ErrUntrusted, "where case does not count"},
		"no digest": {func(s *server) {
			s.entries = append(s.tree(), map[string]any{"type": "file", "path": "vocab.json", "size": 1})
		}, ErrUntrusted, "no digest"},
		"a digest that is none": {func(s *server) {
			s.entries = append(s.tree(), map[string]any{"type": "file", "path": "vocab.json", "size": 1, "oid": "xyz"})
		}, ErrUntrusted, "no digest"},
		"an LFS digest that is none": {func(s *server) {
			s.entries = append(s.tree(), map[string]any{"type": "file", "path": "vocab.json", "size": 1, "oid": testCommit, "lfs": map[string]any{"oid": testCommit, "size": 1}})
		}, ErrUntrusted, "no digest"},
		"two sizes": {func(s *server) {
			e := entry("onnx/model.onnx", []byte("x"))
			e["size"] = 2
			s.entries = append(s.tree(), e)
		}, ErrUntrusted, "two sizes"},
		"below nothing": {func(s *server) {
			e := entry("vocab.json", []byte("x"))
			e["size"] = -1
			s.entries = append(s.tree(), e)
		}, ErrUntrusted, "the size of"},
		"beyond every disk": {func(s *server) {
			e := entry("vocab.json", []byte("x"))
			e["size"] = int64(1) << 62
			s.entries = append(s.tree(), e)
		}, ErrUntrusted, "the size of"},
		"too many": {func(s *server) {
			s.entries = s.tree()
			for i := range maxListed {
				s.entries = append(s.entries, entry(fmt.Sprintf("data/%d", i), nil))
			}
		}, ErrBound, "more than 20000 files"},
		"no graph":                   {func(s *server) { delete(s.files, encoderPath); delete(s.files, decoderPath) }, ErrUnsuitable, "no ONNX graph"},
		"no model":                   {func(s *server) { delete(s.files, "config.json") }, ErrUnsuitable, "config.json"},
		"a model that can't be read": {func(s *server) { s.files["config.json"] = []byte(`{"model_type": 7`) }, ErrUnsuitable, "can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tiny())
			tt.change(s)
			o := s.options(t)
			_, err := Pull(t.Context(), o)
			assert.ErrorIs(t, err, tt.want)
			assert.ErrorContains(t, err, tt.words)
			noBundle(t, o.Models)
		})
	}
}

func TestPagesOfAListing(t *testing.T) {
	t.Parallel()
	// page answers the tree in two pages, with a Link to the next.
	pages := func(s *server, link func(r *http.Request) string) {
		all := s.tree()
		s.on(func(w http.ResponseWriter, r *http.Request, _ string) bool {
			if !strings.Contains(r.URL.Path, "/tree/") {
				return false
			}
			if r.URL.Query().Get("cursor") == "two" {
				writeJSON(w, all[4:])
				return true
			}
			w.Header().Set("Link", link(r))
			writeJSON(w, all[:4])
			return true
		})
	}
	s := serve(t, tiny())
	pages(s, func(r *http.Request) string {
		return `<https://example.org/first>; rel="first", <` + s.hub.URL + r.URL.Path + `?recursive=true&cursor=two>; rel="next"`
	})
	o := s.options(t)
	_, err := Pull(t.Context(), o)
	require.NoError(t, err)
	s.whole(t, o.Models)

	n := 0
	for name, tt := range map[string]struct {
		link  func(r *http.Request) string
		words string
		asked int
	}{
		"in a circle":    {func(r *http.Request) string { return "<" + r.URL.RequestURI() + `>; rel="next"` }, "does not end", 1},
		"without an end": {func(r *http.Request) string { n++; return fmt.Sprintf(`<%s?cursor=%d>; rel="next"`, r.URL.Path, n) }, "does not end", maxPages},
		"elsewhere":      {func(*http.Request) string { return `<http://example.org/x>; rel="next"` }, "on another host", 1},
		"of a file":      {func(*http.Request) string { return `<file:///etc/passwd>; rel="next"` }, "on another host", 1},
	} {
		s := serve(t, tiny())
		s.entries = []map[string]any{}
		pages(s, tt.link)
		o := s.options(t)
		o.Token = "hf_secret"
		_, err := Pull(t.Context(), o)
		assert.ErrorIs(t, err, ErrUntrusted, name)
		assert.ErrorContains(t, err, tt.words, name)
		assert.Len(t, s.requests("/tree/"+testCommit), tt.asked, name)
	}
}

func TestAnswersThatAreNoHubs(t *testing.T) {
	t.Parallel()
	brackets := bytes.Repeat([]byte("["), 1<<18)
	gzipBomb := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		_, _ = io.CopyN(z, zero{}, maxPageSize+1<<20)
		_ = z.Close()
	}
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(brackets); err != nil {
				return
			}
		}
	}
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		words  string
	}{
		"a page":         {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "not what a hub answers"},
		"nothing":        {func(http.ResponseWriter, *http.Request) {}, "not what a hub answers"},
		"a number":       {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "7") }, "not what a hub answers"},
		"no commit":      {func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, map[string]any{"sha": "../../x"}) }, "names no commit"},
		"without an end": {endless, "more than 16777216 bytes"},
		"a gzip bomb":    {gzipBomb, "more than 16777216 bytes"},
	} {
		s := serve(t, tiny())
		s.on(func(w http.ResponseWriter, r *http.Request, _ string) bool { tt.answer(w, r); return true })
		_, err := Pull(t.Context(), s.options(t))
		assert.ErrorIs(t, err, ErrUntrusted, name)
		assert.ErrorContains(t, err, tt.words, name)
	}
}

// zero reads as zeros.
type zero struct{}

func (zero) Read(into []byte) (int, error) { clear(into); return len(into), nil }
