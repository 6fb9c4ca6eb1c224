package testkit

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the name of a git blob
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// MirrorCommit is the commit of a Mirror's repository.
const MirrorCommit = "0123456789abcdef0123456789abcdef01234567"

// Mirror speaks the paths of a models hub on the loopback, for one repository.
type Mirror struct {
	URL string
	// Repository is its OWNER/NAME.
	Repository string
	files      map[string][]byte

	mu    sync.Mutex
	sent  map[string]int64
	lies  map[string]bool
	holds map[string]*hold
}

// hold stops a file's bytes.
type hold struct {
	after    int64
	reached  chan struct{}
	released chan struct{}
	once     sync.Once
}

// NewMirror serves the files of a bundle's folder as the repository acme/NAME.
func NewMirror(t testing.TB, dir string) *Mirror {
	t.Helper()
	m := &Mirror{
		Repository: "acme/" + filepath.Base(dir), files: map[string][]byte{},
		sent: map[string]int64{}, lies: map[string]bool{}, holds: map[string]*hold{},
	}
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || path == "manifest.json" {
			return err
		}
		m.files[path], err = os.ReadFile(filepath.Join(dir, path))
		return err
	}))
	server := httptest.NewServer(http.HandlerFunc(m.serve))
	t.Cleanup(func() {
		m.mu.Lock()
		for _, h := range m.holds {
			h.release()
		}
		m.mu.Unlock()
		server.CloseClientConnections()
		server.Close()
	})
	m.URL = server.URL
	return m
}

// Lie makes the mirror send other bytes for a file than it lists.
func (m *Mirror) Lie(path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lies[path] = true
}

// Hold makes the mirror send no more than so many bytes of a file until release is
// called; reached is closed when it has.
func (m *Mirror) Hold(path string, after int64) (reached <-chan struct{}, release func()) {
	h := &hold{after: after, reached: make(chan struct{}), released: make(chan struct{})}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.holds[path] = h
	return h.reached, h.release
}

func (h *hold) release() {
	h.once.Do(func() { close(h.released) })
}

// Sent is how many bytes of a file went out.
func (m *Mirror) Sent(path string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sent[path]
}

func (m *Mirror) serve(w http.ResponseWriter, r *http.Request) {
	path, isFile := strings.CutPrefix(r.URL.Path, "/"+m.Repository+"/resolve/"+MirrorCommit+"/")
	switch {
	case r.URL.Path == "/api/models/"+m.Repository+"/revision/main":
		_ = json.NewEncoder(w).Encode(map[string]any{"id": m.Repository, "sha": MirrorCommit, "cardData": map[string]any{"license": "mit"}})
	case r.URL.Path == "/api/models/"+m.Repository+"/tree/"+MirrorCommit:
		_ = json.NewEncoder(w).Encode(m.tree())
	case isFile && m.files[path] != nil:
		m.file(w, r, path)
	default:
		http.NotFound(w, r)
	}
}

func (m *Mirror) tree() []map[string]any {
	entries := []map[string]any{}
	for path, content := range m.files {
		sum := sha256.Sum256(content)
		blob := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(content)), content...)) //nolint:gosec // as git names it
		e := map[string]any{"type": "file", "path": path, "size": len(content), "oid": hex.EncodeToString(blob[:])}
		if strings.Contains(path, ".onnx") {
			e["oid"], e["lfs"] = MirrorCommit, map[string]any{"oid": hex.EncodeToString(sum[:]), "size": len(content), "pointerSize": 130}
		}
		entries = append(entries, e)
	}
	return entries
}

func (m *Mirror) file(w http.ResponseWriter, r *http.Request, path string) {
	m.mu.Lock()
	content, held := m.files[path], m.holds[path]
	if m.lies[path] {
		content = bytes.Clone(content)
		content[len(content)/2] ^= 0xff
	}
	m.mu.Unlock()
	w.Header().Set("X-Repo-Commit", MirrorCommit)
	w.Header().Set("ETag", `"`+path+`"`)
	http.ServeContent(&metered{ResponseWriter: w, m: m, path: path, held: held, done: r.Context().Done()}, r, "", time.Time{}, bytes.NewReader(content))
}

// metered counts what goes out, and stops where it is held.
type metered struct {
	http.ResponseWriter
	m    *Mirror
	path string
	held *hold
	done <-chan struct{}
	gone int64
}

func (w *metered) Write(data []byte) (n int, err error) {
	for len(data) > 0 && err == nil {
		part := data
		if w.held != nil && w.gone+int64(len(part)) > w.held.after {
			part = part[:max(0, w.held.after-w.gone)]
		}
		if len(part) == 0 {
			w.wait()
			continue
		}
		var sent int
		sent, err = w.ResponseWriter.Write(part)
		n, data, w.gone = n+sent, data[sent:], w.gone+int64(sent)
		w.m.mu.Lock()
		w.m.sent[w.path] += int64(sent)
		w.m.mu.Unlock()
	}
	return n, err
}

// wait tells that the place is reached, and goes on once it may or nobody reads.
func (w *metered) wait() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
	select {
	case <-w.held.reached:
	default:
		close(w.held.reached)
	}
	select {
	case <-w.held.released:
	case <-w.done:
	}
	w.held = nil
}
