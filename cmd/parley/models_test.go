package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/hub"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

// hubOf speaks a hub's paths for the files of a folder, as acme/tiny. Who asks with a token
// must ask with this one.
func hubOf(t *testing.T, dir, token string) string {
	t.Helper()
	files := os.DirFS(dir)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "" && got != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/api/models/acme/tiny/revision/main":
			_ = json.NewEncoder(w).Encode(map[string]any{"sha": commit, "cardData": map[string]any{"license": "cc-by-4.0"}})
		case "/api/models/acme/tiny/tree/" + commit:
			entries := []map[string]any{}
			assert.NoError(t, fs.WalkDir(files, ".", func(path string, e fs.DirEntry, err error) error {
				if err != nil || e.IsDir() {
					return err
				}
				content, err := fs.ReadFile(files, path)
				sum := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(content)), content...))
				entries = append(entries, map[string]any{"type": "file", "path": path, "size": len(content), "oid": hex.EncodeToString(sum[:])})
				return err
			}))
			_ = json.NewEncoder(w).Encode(entries)
		default:
			http.StripPrefix("/acme/tiny/resolve/"+commit, http.FileServerFS(files)).ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestModelsArePulledListedVerifiedAndRemoved(t *testing.T) {
	t.Setenv("HF_TOKEN", "hf_mine")
	t.Setenv("HF_ENDPOINT", hubOf(t, testkit.Shared(t, "models", "random", "marian-random"), "hf_mine"))
	models := filepath.Join(t.TempDir(), "models")
	out, err := parley(t, "models", "pull", "acme/tiny", "--models", models, "--as", "mine")
	require.NoError(t, err)
	assert.Contains(t, out, "mine: marian, fp32, ")
	assert.Contains(t, out, "licence CC-BY-4.0, in "+filepath.Join(models, "mine"))
	_, err = parley(t, "models", "pull", "acme/tiny", "--models", models, "--as", "mine")
	assert.ErrorContains(t, err, "pull acme/tiny: the bundle exists: ")
	_, err = parley(t, "models", "pull", "acme/tiny", "--models", models, "--as", "mine", "--replace")
	assert.NoError(t, err)
	_, err = parley(t, "models", "pull", "acme/copy", "--models", models, "--from", filepath.Join(models, "mine"))
	require.NoError(t, err)

	out, err = parley(t, "models", "list", "--models", models)
	require.NoError(t, err)
	lines := strings.Split(out, "\n")
	require.Len(t, lines, 3)
	assert.Equal(t, strings.Fields("NAME KIND WORK PRECISION SIZE MEMORY LICENCE LANGUAGES FOLDER"), strings.Fields(lines[0]))
	row := strings.Fields(lines[2])
	assert.Equal(t, []string{"mine", "marian", "translate", "fp32"}, row[:4])
	assert.Equal(t, []string{"CC-BY-4.0", "-", filepath.Join(models, "mine")}, row[len(row)-3:])

	out, err = parley(t, "models", "verify", "--models", models, "--onnxruntime-lib", testkit.ONNX(t))
	require.NoError(t, err)
	assert.Contains(t, out, "2 of 2 bundles are as they should be")

	_, err = parley(t, "models", "rm", "mine", "none", "--models", models, "--yes")
	assert.ErrorContains(t, err, "there is no bundle none")
	assert.DirExists(t, filepath.Join(models, "mine"), "one was removed though another could not be")
	_, err = parley(t, "models", "rm", "mine", "--models", models)
	assert.ErrorContains(t, err, "give --yes")
	out, err = parley(t, "models", "rm", "mine", "copy", "--models", models, "--yes")
	require.NoError(t, err)
	assert.Equal(t, "removed mine\nremoved copy", out)
	entries, err := os.ReadDir(models)
	require.NoError(t, err)
	assert.Empty(t, entries)
	_, err = parley(t, "models", "verify", "--models", models)
	assert.ErrorContains(t, err, "parley models pull")
}

func TestModelsListAsJSON(t *testing.T) {
	models := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(models, "translate-mini"), os.DirFS(filepath.Join("..", "..", "models", "translate-mini"))))
	require.NoError(t, os.Mkdir(filepath.Join(models, "broken"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(models, "broken", "config.json"), []byte("{"), 0o644))
	out, err := parley(t, "models", "list", "--models", models, "--json")
	require.NoError(t, err)
	var got []map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &got), out)
	require.Len(t, got, 2)
	assert.Contains(t, got[0]["error"], "config.json")
	assert.Equal(t, filepath.Join(models, "broken"), got[0]["folder"])
	delete(got[1], "size")
	assert.Equal(t, map[string]any{"name": "translate-mini", "kind": "marian", "work": "translate", "precision": "fp32", "memory": float64((8769606+10748224)/100*250 + 64<<20),
		"licence": "CC-BY-4.0", "languages": []any{"de", "en", "es", "fr"}, "folder": filepath.Join(models, "translate-mini")}, got[1])
	out, err = parley(t, "models", "list", "--models", models)
	require.NoError(t, err)
	assert.Contains(t, out, "broken          broken  -")
	assert.Contains(t, out, "\n"+filepath.Join(models, "broken")+": the model is broken: ")
	assert.Contains(t, out, "de,en,es,fr")
	assert.Contains(t, out, "21.4 MB")
}

// The token of HF_TOKEN is for the usual hub, not for a mirror that is named for once.
func TestTheTokenOfAPull(t *testing.T) {
	t.Setenv("HF_TOKEN", "hf_mine")
	mirror := hubOf(t, testkit.Shared(t, "models", "random", "gpt2-random"), "hf_mirror")
	pull := func(more ...string) error {
		_, err := parley(t, append([]string{"models", "pull", "acme/tiny", "--models", t.TempDir(), "--from", mirror}, more...)...)
		return err
	}
	assert.NoError(t, pull())
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("hf_mirror\n"), 0o600))
	assert.NoError(t, pull("--token-file", file))
	require.NoError(t, os.WriteFile(file, []byte("hf_other"), 0o600))
	assert.ErrorContains(t, pull("--token-file", file), "check the token")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	assert.ErrorContains(t, pull("--token-file", file), "is empty")
	assert.ErrorContains(t, pull("--token-file", file+"x"), "read the token")
	assert.ErrorContains(t, pull("--precision", "q4"), "whole are: fp32")
	assert.ErrorContains(t, pull("--max-bytes", "1000"), "--max-bytes")
	assert.ErrorContains(t, pull("--max-files", "1"), "--max-files")
}

func TestProgressInLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := newProgress(&out)
	for _, at := range []hub.Progress{
		{Status: hub.StatusListing}, {Status: hub.StatusDownloading, File: "a", Total: 1_500_000}, {Status: hub.StatusDownloading, File: "a", Completed: 10, Total: 1_500_000},
		{Status: hub.StatusVerifying, File: "a", Completed: 500_000, Total: 1_500_000}, {Status: hub.StatusDownloading, File: "b", Completed: 500_000, Total: 1_500_000},
		{Status: hub.StatusDownloading, File: "b", Completed: 1_200_000, Total: 1_500_000}, {Status: hub.StatusDone, Completed: 1_500_000, Total: 1_500_000},
	} {
		p.show(at)
	}
	p.end()
	assert.Equal(t, "  0 % of 1.5 MB: a\n 33 % of 1.5 MB: b\n 80 % of 1.5 MB: b\n", out.String())
}

func TestProgressAsABar(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := newProgress(&out)
	p.onTerminal = true
	p.show(hub.Progress{Status: hub.StatusListing})
	assert.Empty(t, out.String())
	p.show(hub.Progress{Status: hub.StatusDownloading, File: "onnx/model.onnx", Completed: 750_000, Total: 1_500_000})
	assert.Contains(t, out.String(), "downloading onnx/model.onnx")
	assert.Contains(t, out.String(), "50%")
	p.show(hub.Progress{Status: hub.StatusDownloading, File: "onnx/model.onnx", Total: 1_500_000})
	p.end()
}

func TestRemovalAsks(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, "y": true, "n\n": false, "\n": false, "": false, "yess\n": false} {
		var out bytes.Buffer
		got, err := agrees(strings.NewReader(answer), &out, []string{"one", "two"})
		require.NoError(t, err)
		assert.Equal(t, want, got, "%q", answer)
		assert.Equal(t, "Remove one, two? [y/N] ", out.String())
	}
}

func TestByteSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{-1: "-", 0: "-", 999: "999 B", 1000: "1.0 kB", 99_940: "99.9 kB", 99_960: "100 kB", 999_600: "1.0 MB", 20_000_000_000: "20.0 GB", 1 << 62: "4611686 TB"} {
		assert.Equal(t, want, byteSize(n))
	}
	assert.Equal(t, "a,b,c,d,e,f +2", shortList(strings.Split("a b c d e f g h", " ")))
}
