package hub

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/bundle"
)

func TestAnHonestHub(t *testing.T) {
	t.Parallel()
	s := serve(t, tiny())
	o := s.options(t)
	o.Token = "hf_secret"
	var told []Progress
	o.Progress = func(p Progress) { told = append(told, p) }
	got, err := Pull(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, []string{"tiny/", "tiny/LICENSE", "tiny/README.md", "tiny/config.json", "tiny/manifest.json", "tiny/onnx/", "tiny/onnx/decoder_model_merged.onnx",
		"tiny/onnx/encoder_model.onnx", "tiny/source.spm", "tiny/target.spm"}, names(t, o.Models))
	content, err := os.ReadFile(filepath.Join(o.Models, "tiny", encoderPath))
	require.NoError(t, err)
	assert.Equal(t, s.files[encoderPath], content)

	m, err := got.Bundle.Manifest()
	require.NoError(t, err)
	assert.Equal(t, &bundle.Source{Base: s.hub.URL, Repository: "acme/tiny", Commit: testCommit}, m.Source)
	assert.Equal(t, "Apache-2.0", m.Licence)
	assert.Equal(t, bundle.KindMarian, m.Kind)
	assert.Equal(t, []string{"de", "en"}, m.Languages)
	assert.Equal(t, "fp32", m.Precision)
	assert.EqualValues(t, 500_000/100*250+64<<20, m.Memory)
	assert.False(t, m.PulledAt.IsZero())
	assert.Equal(t, bundle.FileRecord{Size: 300_000, SHA256: sha256Of(s.files[encoderPath])}, m.Files[encoderPath])
	assert.Len(t, m.Files, 7)
	_, err = got.Bundle.Check()
	assert.NoError(t, err)

	assert.Equal(t, 7, got.Files)
	assert.Equal(t, got.Size, got.Fetched)
	assert.Equal(t, Progress{Status: StatusListing}, told[0])
	assert.Equal(t, Progress{Status: StatusDone, Completed: got.Size, Total: got.Size}, told[len(told)-1])
	for i := range told[1:] {
		assert.LessOrEqual(t, told[i].Completed, told[i+1].Completed)
	}
	for _, r := range s.requests("") {
		if r.store {
			assert.Empty(t, r.auth, "the token went to another host, for %s", r.path)
		} else {
			assert.Equal(t, "Bearer hf_secret", r.auth)
		}
	}
}

// A real bundle comes over the wire and is what its reader wants.
func TestARealBundle(t *testing.T) {
	t.Parallel()
	for folder, kind := range map[string]bundle.Kind{"marian-random": bundle.KindMarian, "bert-random": bundle.KindEmbedding, "clip-random": bundle.KindCLIP, "lcm-random": bundle.KindDiffusion, "qwen2-random": bundle.KindCausal} {
		dir := testkit.Shared(t, "models", "random", folder)
		files := map[string][]byte{}
		for _, name := range names(t, dir) {
			if !strings.HasSuffix(name, "/") {
				content, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				files[name] = content
			}
		}
		s := serve(t, files)
		o := s.options(t)
		o.As = folder
		_, err := Pull(t.Context(), o)
		require.NoError(t, err, folder)
		b, err := bundle.Open(filepath.Join(o.Models, folder))
		require.NoError(t, err)
		assert.Equal(t, kind, b.Kind)
		checks, err := b.Check()
		assert.NoError(t, err)
		for _, c := range checks {
			assert.Equal(t, "ok", c.Digest, c.Path)
		}
		missing := []string{}
		for name := range files {
			if _, err := os.Stat(filepath.Join(b.Dir, name)); err != nil && !strings.HasPrefix(name, "vae_encoder/") {
				missing = append(missing, name)
			}
		}
		assert.Empty(t, missing, folder)
		dirs, err := bundle.List(o.Models)
		assert.NoError(t, err)
		assert.Equal(t, []string{filepath.Join(o.Models, folder)}, dirs)
	}
}

func TestABundleThatIsThere(t *testing.T) {
	t.Parallel()
	s := serve(t, tiny())
	o := s.options(t)
	_, err := Pull(t.Context(), o)
	require.NoError(t, err)
	before := len(s.requests(""))
	_, err = Pull(t.Context(), o)
	assert.ErrorIs(t, err, ErrExists)
	assert.ErrorContains(t, err, "--replace")
	assert.Len(t, s.requests(""), before, "the hub was asked all the same")

	s.files["LICENSE"] = []byte("another")
	o.Replace = true
	_, err = Pull(t.Context(), o)
	require.NoError(t, err)
	content, err := os.ReadFile(filepath.Join(o.Models, "tiny", "LICENSE"))
	require.NoError(t, err)
	assert.Equal(t, "another", string(content))
	assert.Len(t, names(t, o.Models), 10, "something is left")

	o.As = "notes"
	require.NoError(t, os.MkdirAll(filepath.Join(o.Models, "notes", "of mine"), 0o755))
	_, err = Pull(t.Context(), o)
	assert.ErrorIs(t, err, ErrExists, "a folder that is no bundle was replaced")
	o.As = "link"
	require.NoError(t, os.Symlink("tiny", filepath.Join(o.Models, "link")))
	_, err = Pull(t.Context(), o)
	assert.ErrorIs(t, err, ErrExists, "a link was replaced")
	assert.ErrorContains(t, err, "remove the link")
}

func TestAPullThatFailsKeepsTheOldBundle(t *testing.T) {
	t.Parallel()
	s := serve(t, tiny())
	o := s.options(t)
	_, err := Pull(t.Context(), o)
	require.NoError(t, err)
	s.on(func(w http.ResponseWriter, _ *http.Request, path string) bool {
		if path == encoderPath {
			http.Error(w, "gone", http.StatusNotFound)
		}
		return path == encoderPath
	})
	o.Replace = true
	_, err = Pull(t.Context(), o)
	assert.ErrorIs(t, err, ErrMissing)
	b, err := bundle.Open(filepath.Join(o.Models, "tiny"))
	require.NoError(t, err)
	_, err = b.Check()
	assert.NoError(t, err)
}

func TestTwoPullsAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, tiny())
	o := s.options(t)
	inside, release := make(chan struct{}), make(chan struct{})
	s.on(func(_ http.ResponseWriter, r *http.Request, path string) bool {
		if path == decoderPath && strings.HasPrefix(r.URL.Path, "/store/") {
			close(inside)
			<-release
		}
		return false
	})
	ended := make(chan error)
	go func() {
		_, err := Pull(t.Context(), o)
		ended <- err
	}()
	<-inside
	_, err := Pull(t.Context(), o)
	assert.ErrorIs(t, err, ErrBusy)
	assert.ErrorContains(t, err, "wait for it")
	noBundle(t, o.Models)
	close(release)
	assert.NoError(t, <-ended)
	unlock, err := lock(o.Models, "tiny")
	require.NoError(t, err, "the lock outlived the pull")
	assert.ErrorIs(t, Remove(o.Models, "tiny"), ErrBusy)
	unlock()
	assert.NoError(t, Remove(o.Models, "tiny"))
}

// A pull may end at every request and goes on from there; nothing is fetched twice but
// what was under way.
func TestAPullThatIsCancelledAnywhereGoesOn(t *testing.T) {
	t.Parallel()
	s := serve(t, tiny())
	o := s.options(t)
	for at := 1; ; at++ {
		require.Less(t, at, 50)
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int32
		s.on(func(http.ResponseWriter, *http.Request, string) bool {
			if int(n.Add(1)) == at {
				cancel()
			}
			return false
		})
		_, err := Pull(ctx, o)
		cancel()
		if err == nil {
			assert.Greater(t, at, 2)
			break
		}
		assert.ErrorIs(t, err, context.Canceled)
		noBundle(t, o.Models)
	}
	b, err := bundle.Open(filepath.Join(o.Models, "tiny"))
	require.NoError(t, err)
	_, err = b.Check()
	assert.NoError(t, err)
	assert.Len(t, names(t, o.Models), 10, "something is left")
}

func TestABoundOrADiskThatIsTooSmall(t *testing.T) {
	t.Parallel()
	s := serve(t, tiny())
	small := func(n int64) func(string) (int64, error) { return func(string) (int64, error) { return n, nil } }
	for name, tt := range map[string]struct {
		change func(*Options)
		want   error
		words  string
	}{
		"files": {func(o *Options) { o.MaxFiles = 6 }, ErrBound, "--max-files"},
		"bytes": {func(o *Options) { o.MaxBytes = 500_000 }, ErrBound, "--max-bytes"},
		"disk":  {func(o *Options) { o.free = small(510_000) }, ErrSpace, "make room"},
	} {
		o := s.options(t)
		tt.change(&o)
		_, err := Pull(t.Context(), o)
		assert.ErrorIs(t, err, tt.want, name)
		assert.ErrorContains(t, err, tt.words, name)
		noBundle(t, o.Models)
	}
	for _, r := range s.requests("") {
		assert.True(t, strings.HasPrefix(r.path, "/api/"), "%s was fetched", r.path)
	}
	o := s.options(t)
	o.free = small(600_000)
	_, err := Pull(t.Context(), o)
	assert.NoError(t, err)
}

func TestWhatCanNotBePulled(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "tiny", "acme/", "/tiny", "acme/tiny/more", "acme/../etc", "../tiny", "acme/tiny@", "acme/tiny@../x", "acme/ti ny", "acme/tiny@a b", "acme/.tiny", "a\x00/b"} {
		_, err := ParseRepository(text)
		assert.ErrorIs(t, err, ErrRequest, "%q", text)
	}
	r, err := ParseRepository("acme/tiny@refs/pr/1")
	assert.NoError(t, err)
	assert.Equal(t, Repository{"acme", "tiny", "refs/pr/1"}, r)
	assert.Equal(t, "acme/tiny@refs/pr/1", r.String())
	for name, change := range map[string]func(*Options){
		"ftp": func(o *Options) { o.From = "ftp://example.org" }, "no host": func(o *Options) { o.From = "http:///x" },
		"password": func(o *Options) { o.From = "https://me:secret@example.org" },
		"parent":   func(o *Options) { o.As = ".." }, "hidden": func(o *Options) { o.As = ".x" }, "path": func(o *Options) { o.As = "a/b" }, "device": func(o *Options) { o.As = "NUL" },
		"precision":       func(o *Options) { o.Precision = "fp16" },
		"no such graphs":  func(o *Options) { o.Precision = "q4" },
		"token in clear":  func(o *Options) { o.From, o.Token = "http://hub.example.org", "hf_x" },
		"token with line": func(o *Options) { o.Token = "hf_x\r\nHost: y" },
	} {
		o := serve(t, tiny()).options(t)
		change(&o)
		_, err := Pull(t.Context(), o)
		assert.ErrorIs(t, err, ErrRequest, name)
	}
	o := serve(t, tiny()).options(t)
	o.From = filepath.Join(o.Models, "nowhere")
	_, err = Pull(t.Context(), o)
	assert.ErrorIs(t, err, ErrMissing)
}
