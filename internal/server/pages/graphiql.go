package pages

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
)

// dist is what `make web` builds from web/graphiql.
//
//go:embed dist
var dist embed.FS

// graphiqlPolicy lets GraphiQL run as it is: scripts, workers and connections
// (the websocket is covered by 'self') of this server only, Monaco's inline
// styles, and fonts and icons that are inlined in the style sheet.
const graphiqlPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"font-src 'self' data:; img-src 'self' data:; connect-src 'self'; worker-src 'self'"

// GraphiQL serves the page at /graphiql and its assets below /graphiql/. Assets
// have content hashes in their names and may be kept for ever; the page itself is
// asked for again each time. The error says that the embedded files are not a
// GraphiQL build.
func GraphiQL() (http.Handler, error) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, fmt.Errorf("open the embedded files: %w", err)
	}
	assets, err := loadAssets(files)
	if err != nil {
		return nil, err
	}
	if assets["index.html"] == nil {
		return nil, fmt.Errorf("no index.html is embedded: run `make web`")
	}
	return graphiql(assets), nil
}

type graphiql map[string]*asset

func (g graphiql) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/graphiql"), "/")
	switch {
	case r.URL.Path == "/graphiql/" || name == "index.html":
		http.Redirect(w, r, "/graphiql", http.StatusMovedPermanently)
		return
	case name == "":
		name = "index.html"
	}
	found := g[name]
	if found == nil {
		http.NotFound(w, r)
		return
	}
	secure(w.Header(), graphiqlPolicy)
	if strings.HasPrefix(name, "assets/") {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		w.Header().Set("Cache-Control", "no-cache")
	}
	found.serve(w, r)
}

// asset is one embedded file. Its compressed form is made when it is first
// asked for.
type asset struct {
	contentType string
	etag        string
	plain       []byte
	zipped      func() []byte
}

func loadAssets(files fs.FS) (map[string]*asset, error) {
	assets := map[string]*asset{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		assets[name] = &asset{
			contentType: contentType(name),
			etag:        `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
			plain:       content,
			zipped:      sync.OnceValue(func() []byte { return zip(content) }),
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the embedded files: %w", err)
	}
	return assets, nil
}

// contentType does not ask the machine's table of types, which differs from
// machine to machine.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".md":
		return "text/plain; charset=utf-8"
	case ".ttf":
		return "font/ttf"
	}
	return "application/octet-stream"
}

func zip(content []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	// Writing to a buffer can't fail.
	_, _ = w.Write(content)
	_ = w.Close()
	return out.Bytes()
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("ETag", a.etag)
	h.Set("Vary", "Accept-Encoding")
	if r.Header.Get("If-None-Match") == a.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", a.contentType)
	body := a.plain
	if len(body) > 1024 && acceptsGzip(r) {
		body = a.zipped()
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method != http.MethodHead {
		// A client that went away is nobody's fault.
		_, _ = w.Write(body)
	}
}

// acceptsGzip reads Accept-Encoding as browsers write it; "gzip;q=0" refuses.
func acceptsGzip(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		coding, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
		if coding == "gzip" {
			return strings.Trim(strings.TrimPrefix(strings.TrimSpace(quality), "q="), "0.") != "" || quality == ""
		}
	}
	return false
}
