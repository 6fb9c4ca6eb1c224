package hub

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/bundle"
)

// write makes a file below dir.
func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	at := filepath.Join(dir, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
	require.NoError(t, os.WriteFile(at, content, 0o644))
}

func local(t *testing.T, from string) Options {
	t.Helper()
	return Options{Models: t.TempDir(), Repository: Repository{Owner: "acme", Name: "tiny"}, From: from}
}

func TestABundleOfAFolder(t *testing.T) {
	t.Parallel()
	for _, from := range []string{testkit.Shared(t, "models", "random", "t5-random"), filepath.Join("..", "..", "models", "translate-mini")} {
		o := local(t, from)
		got, err := Pull(t.Context(), o)
		require.NoError(t, err)
		assert.Equal(t, got.Size, got.Fetched)
		b, err := bundle.Open(filepath.Join(o.Models, "tiny"))
		require.NoError(t, err)
		checks, err := b.Check()
		require.NoError(t, err)
		for _, c := range checks {
			assert.Equal(t, "ok", c.Digest, c.Path)
		}
		m, err := b.Manifest()
		require.NoError(t, err)
		assert.Equal(t, &bundle.Source{Base: "folder", Repository: "acme/tiny"}, m.Source)
		for _, name := range names(t, from) {
			assert.Contains(t, names(t, b.Dir), name)
		}
	}
}

// A bundle that was pulled keeps where it came from when it is copied.
func TestACopyOfAPulledBundle(t *testing.T) {
	t.Parallel()
	s := serve(t, tiny())
	o := s.options(t)
	_, err := Pull(t.Context(), o)
	require.NoError(t, err)
	second := local(t, filepath.Join(o.Models, "tiny"))
	got, err := Pull(t.Context(), second)
	require.NoError(t, err)
	assert.Equal(t, testCommit, got.Commit)
	m, err := got.Bundle.Manifest()
	require.NoError(t, err)
	assert.Equal(t, "Apache-2.0", m.Licence)
	assert.Equal(t, []string{"de", "en"}, m.Languages)
	s.whole(t, second.Models)
}

func TestABrokenFolder(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  error
		words string
	}{
		"other bytes":    {func(t *testing.T, dir string) { write(t, dir, encoderPath, make([]byte, 300_000)) }, ErrUntrusted, "SHA-256"},
		"a cut":          {func(t *testing.T, dir string) { write(t, dir, encoderPath, graph(9)) }, ErrUntrusted, "is 9 instead of 300000"},
		"a missing file": {func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "source.spm"))) }, ErrUntrusted, "is not in the folder"},
		"no manifest":    {func(t *testing.T, dir string) { write(t, dir, "manifest.json", []byte(`{"files": 1}`)) }, ErrUntrusted, "manifest can't be read"},
		"a path out of it": {func(t *testing.T, dir string) {
			write(t, dir, "manifest.json", []byte(`{"files": {"../../etc/passwd": {"size": 1, "sha256": "00"}}}`))
		}, ErrUntrusted, "is not in the folder"},
		"a link": {func(t *testing.T, dir string) {
			require.NoError(t, os.Symlink("/etc/hostname", filepath.Join(dir, "vocab.json")))
		}, ErrUntrusted, "is a link"},
		"no graphs": {func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "onnx")))
			write(t, dir, "manifest.json", []byte(`{}`))
		}, ErrUnsuitable, "no ONNX graph"},
		"no config": {func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "config.json"))) }, ErrMissing, "neither a bundle"},
	} {
		s := serve(t, tiny())
		o := s.options(t)
		_, err := Pull(t.Context(), o)
		require.NoError(t, err)
		from := filepath.Join(o.Models, "tiny")
		tt.spoil(t, from)
		o = local(t, from)
		_, err = Pull(t.Context(), o)
		assert.ErrorIs(t, err, tt.want, name)
		assert.ErrorContains(t, err, tt.words, name)
		noBundle(t, o.Models)
	}
}

// cache lays files out as a hub's own library keeps them.
func cache(t *testing.T, files map[string][]byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	repository := filepath.Join(dir, "models--acme--tiny")
	write(t, repository, "refs/main", []byte(testCommit+"\n"))
	for name, content := range files {
		digest := blobOf(content)
		if isLFS(name) {
			digest = sha256Of(content)
		}
		write(t, repository, "blobs/"+digest, content)
		link := filepath.Join(repository, "snapshots", testCommit, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(link), 0o755))
		up := strings.Repeat("../", strings.Count(path.Join("snapshots", testCommit, name), "/"))
		require.NoError(t, os.Symlink(up+"blobs/"+digest, link))
	}
	return dir
}

func TestAHubsCache(t *testing.T) {
	t.Parallel()
	s := &server{files: tiny()}
	dir := cache(t, s.files)
	for _, from := range []string{dir, filepath.Join(dir, "models--acme--tiny")} {
		for _, revision := range []string{"", "main", testCommit} {
			o := local(t, from)
			o.Repository.Revision = revision
			got, err := Pull(t.Context(), o)
			require.NoError(t, err)
			assert.Equal(t, testCommit, got.Commit)
			s.whole(t, o.Models)
			m, err := got.Bundle.Manifest()
			require.NoError(t, err)
			assert.Equal(t, "Apache-2.0", m.Licence)
		}
	}
	for revision, words := range map[string]string{"v1": "has no revision v1", strings.Repeat("a", 40): "has no files"} {
		o := local(t, dir)
		o.Repository.Revision = revision
		_, err := Pull(t.Context(), o)
		assert.ErrorIs(t, err, ErrMissing)
		assert.ErrorContains(t, err, words)
	}
	o := local(t, dir)
	o.Repository.Name = "other"
	_, err := Pull(t.Context(), o)
	assert.ErrorIs(t, err, ErrMissing)
}

func TestABrokenCache(t *testing.T) {
	t.Parallel()
	files := tiny()
	snapshot := filepath.Join("models--acme--tiny", "snapshots", testCommit)
	relink := func(target string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			link := filepath.Join(dir, snapshot, "LICENSE")
			require.NoError(t, os.Remove(link))
			require.NoError(t, os.Symlink(target, link))
		}
	}
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, dir string)
		words string
	}{
		"a large blob of other bytes": {func(t *testing.T, dir string) {
			write(t, dir, "models--acme--tiny/blobs/"+sha256Of(files[encoderPath]), make([]byte, 300_000))
		}, "SHA-256"},
		"a small blob of other bytes": {func(t *testing.T, dir string) {
			write(t, dir, "models--acme--tiny/blobs/"+blobOf(files["LICENSE"]), []byte("of the mudel"))
		}, "SHA-1"},
		"a link out of it":         {relink("/etc/hostname"), "is a link"},
		"a link far out of it":     {relink("../../../../blobs/x"), "is a link"},
		"a link to another folder": {relink("../../refs/main"), "is a link"},
		"a link to nothing":        {relink("../../blobs/nothing"), "copy the folder anew"},
	} {
		dir := cache(t, files)
		tt.spoil(t, dir)
		o := local(t, dir)
		_, err := Pull(t.Context(), o)
		assert.ErrorIs(t, err, ErrUntrusted, name)
		assert.ErrorContains(t, err, tt.words, name)
		noBundle(t, o.Models)
	}
}

func TestACopyThatIsCancelled(t *testing.T) {
	t.Parallel()
	s := &server{files: tiny()}
	o := local(t, cache(t, s.files))
	for at := 1; ; at++ {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		o.Progress = func(Progress) {
			if n++; n == at {
				cancel()
			}
		}
		_, err := Pull(ctx, o)
		cancel()
		if err == nil {
			// The last step of all comes too late to end it.
			assert.Greater(t, at, 7)
			break
		}
		require.ErrorIs(t, err, context.Canceled)
		noBundle(t, o.Models)
	}
	s.whole(t, o.Models)
}

func TestReadCard(t *testing.T) {
	t.Parallel()
	for readme, want := range map[string]cardData{
		"---\nlicense: mit\nlanguage:\n- en\n- no\n- de\n---\n# A model": {words{"mit"}, words{"en", "no", "de"}},
		"---\r\nlicense: [mit, cc0-1.0]\r\nlanguage: fr\r\n---\r\n":      {words{"mit", "cc0-1.0"}, words{"fr"}},
		"---\nlicense: {a: b}\nlanguage: 7\nother: [1]\n---\n":           {},
		"---\nlicense: mit\n":    {},
		"---\nlicense: [\n---\n": {},
		"# A model":              {},
		"":                       {},
		"---\na: &a [x, x]\nb: &b [*a, *a]\nlicense: *b\n---\n": {},
	} {
		assert.Equal(t, want, readCard([]byte(readme)), "%q", readme)
	}
}
