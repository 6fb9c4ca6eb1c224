package hub

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const testCommit = "0123456789abcdef0123456789abcdef01234567"

// server speaks a hub's paths. Files of LFS are on a second host, as they are in fact.
type server struct {
	hub, store *httptest.Server
	files      map[string][]byte
	// entries is the listing where it is not made of files, card the cardData.
	entries []map[string]any
	card    any
	// answer may take a request instead of the server; path is the file's, "" for others.
	// See on.
	answer func(w http.ResponseWriter, r *http.Request, path string) (done bool)

	mu     sync.Mutex
	idle   *sync.Cond
	active int
	seen   []seen
}

// on sets what takes requests instead of the server, and forgets what came before.
func (s *server) on(answer func(w http.ResponseWriter, r *http.Request, path string) (done bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	s.answer, s.seen = answer, nil
}

// settle waits for the handlers that still run: a client may have its answer before. The
// lock is held.
func (s *server) settle() {
	for s.active > 0 {
		s.idle.Wait()
	}
}

// seen is a request that came, and how many bytes of a body went.
type seen struct {
	store                       bool
	path, ranges, ifRange, auth string
	sent                        int64
}

func serve(t *testing.T, files map[string][]byte) *server {
	t.Helper()
	s := &server{files: files, card: map[string]any{"license": "apache-2.0", "language": []string{"en", "de"}}}
	s.idle = sync.NewCond(&s.mu)
	s.hub = httptest.NewServer(s.record(false, s.asHub))
	s.store = httptest.NewServer(s.record(true, s.asStore))
	t.Cleanup(func() { s.hub.Close(); s.store.Close() })
	return s
}

type counted struct {
	http.ResponseWriter
	sent int64
}

func (c *counted) Write(data []byte) (int, error) {
	n, err := c.ResponseWriter.Write(data)
	c.sent += int64(n)
	return n, err
}

func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// record keeps what comes; the server's file paths begin with it.
func (s *server) record(store bool, handle func(http.ResponseWriter, *http.Request, string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := ""
		for _, prefix := range []string{"/acme/tiny/resolve/" + testCommit + "/", "/store/"} {
			if p, ok := strings.CutPrefix(r.URL.Path, prefix); ok {
				path = p
			}
		}
		c := &counted{ResponseWriter: w}
		s.mu.Lock()
		s.active++
		answer := s.answer
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.active--
			s.idle.Broadcast()
			s.seen = append(s.seen, seen{store, r.URL.Path, r.Header.Get("Range"), r.Header.Get("If-Range"), r.Header.Get("Authorization"), c.sent})
		}()
		if answer == nil || !answer(c, r, path) {
			handle(c, r, path)
		}
	})
}

// requests gives those since on whose path ends in suffix.
func (s *server) requests(suffix string) []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	return slices.DeleteFunc(slices.Clone(s.seen), func(r seen) bool { return !strings.HasSuffix(r.path, suffix) })
}

func (s *server) asHub(w http.ResponseWriter, r *http.Request, path string) {
	switch {
	case r.URL.Path == "/api/models/acme/tiny/revision/main":
		writeJSON(w, map[string]any{"id": "acme/tiny", "sha": testCommit, "cardData": s.card, "tags": []string{"license:mit"}, "siblings": []any{}})
	case r.URL.Path == "/api/models/acme/tiny/tree/"+testCommit && r.URL.Query().Get("recursive") == "true":
		if s.entries == nil {
			writeJSON(w, s.tree())
			return
		}
		writeJSON(w, s.entries)
	case s.files[path] != nil && isLFS(path):
		w.Header().Set("X-Repo-Commit", testCommit)
		w.Header().Set("X-Linked-Size", fmt.Sprint(len(s.files[path])))
		w.Header().Set("X-Linked-ETag", `"`+sha256Of(s.files[path])+`"`)
		http.Redirect(w, r, s.store.URL+"/store/"+path+"?signature=secret", http.StatusFound)
	case s.files[path] != nil:
		w.Header().Set("X-Repo-Commit", testCommit)
		s.asStore(w, r, path)
	default:
		http.NotFound(w, r)
	}
}

func (s *server) asStore(w http.ResponseWriter, r *http.Request, path string) {
	w.Header().Set("ETag", `"`+sha256Of(s.files[path])[:16]+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.files[path]))
}

func isLFS(path string) bool {
	return strings.Contains(path, ".onnx") || strings.HasSuffix(path, ".spm")
}

func (s *server) tree() []map[string]any {
	entries := []map[string]any{{"type": "directory", "path": "onnx", "oid": testCommit, "size": 0}}
	for _, path := range slices.Sorted(maps.Keys(s.files)) {
		entries = append(entries, entry(path, s.files[path]))
	}
	return entries
}

// entry lists a file.
func entry(path string, content []byte) map[string]any {
	e := map[string]any{"type": "file", "path": path, "size": len(content), "oid": blobOf(content)}
	if isLFS(path) {
		e["oid"] = testCommit
		e["lfs"] = map[string]any{"oid": sha256Of(content), "size": len(content), "pointerSize": 130}
	}
	return e
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func sha256Of(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func blobOf(content []byte) string {
	sum := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(content)), content...))
	return hex.EncodeToString(sum[:])
}

// graph is content that a cut can be seen in.
func graph(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i>>8) ^ byte(i*7)
	}
	return data
}

const testConfig = `{"model_type": "marian", "pad_token_id": 1, "eos_token_id": 0, "vocab_size": 9}`

// tiny is a small repository: the bundle that is wanted of it, and other things.
func tiny() map[string][]byte {
	return map[string][]byte{
		"config.json": []byte(testConfig), "source.spm": graph(3000), "target.spm": graph(2000), "README.md": []byte("---\nlicense: apache-2.0\n---\n"),
		"LICENSE": []byte("of the model"), "onnx/encoder_model.onnx": graph(300_000), "onnx/decoder_model_merged.onnx": graph(200_000),
		".gitattributes": []byte("*"), "pytorch_model.bin": graph(100), "model.safetensors": graph(100), "logo.png": graph(50),
	}
}

const (
	encoderPath = "onnx/encoder_model.onnx"
	decoderPath = "onnx/decoder_model_merged.onnx"
)

// options are those of a pull from s into a folder of its own, without real pauses.
func (s *server) options(t *testing.T) Options {
	t.Helper()
	return Options{Models: t.TempDir(), Repository: Repository{Owner: "acme", Name: "tiny"}, From: s.hub.URL, Attempts: 3,
		wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
}

// names gives all that is below dir, folders with a slash.
func names(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if path == dir || err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if e.IsDir() {
			relative += "/"
		}
		all = append(all, filepath.ToSlash(relative))
		return err
	}))
	return all
}

// noBundle asserts that a failed pull left nothing that a reader could take for a bundle.
func noBundle(t *testing.T, models string) {
	t.Helper()
	entries, err := os.ReadDir(models)
	require.NoError(t, err)
	for _, e := range entries {
		assert.True(t, strings.HasPrefix(e.Name(), "."), "%s is visible", e.Name())
		assert.False(t, isBundle(filepath.Join(models, e.Name())), "%s looks like a bundle", e.Name())
	}
}
