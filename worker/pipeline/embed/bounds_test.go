package embed

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker/picture"
	"parley/worker/pipeline"
)

// Texts and pictures run together as far as they fit into memory, with the same numbers,
// and one that does not fit is refused.
func TestRunsAreBoundedInBytes(t *testing.T) {
	b := opened(t, testkit.Shared(t, "models", "random", "clip-random"))
	words := make([]string, 9)
	pictures := make([]*picture.Picture, len(words))
	for i := range words {
		words[i] = strings.Repeat("cat ", i+1)
		pictures[i] = &picture.Picture{Width: 20, Height: 20, RGB: make([]uint8, 3*20*20)}
		pictures[i].RGB[i] = 255
	}
	var said, seen [2][][]float32
	for i, bytes := range []int64{1 << 30, 1} {
		e, err := OpenTexts(t.Context(), b, pipeline.Options{RunBytes: bytes})
		require.NoError(t, err)
		p, err := OpenPictures(t.Context(), b, pipeline.Options{RunBytes: bytes})
		require.NoError(t, err)
		run(t, e)
		run(t, p)
		if bytes == 1 {
			_, err = e.Embed(t.Context(), words)
			f, _ := pipeline.FailureOf(err)
			assert.Equal(t, jobspec.CodeInvalidInput, f.Code)
			_, err = p.Embed(t.Context(), pictures)
			f, _ = pipeline.FailureOf(err)
			assert.Equal(t, jobspec.CodeInvalidInput, f.Code)
			limit(t, e, p)
		}
		said[i], err = e.Embed(t.Context(), words)
		require.NoError(t, err)
		seen[i], err = p.Embed(t.Context(), pictures)
		require.NoError(t, err)
	}
	assert.Equal(t, said[0], said[1])
	assert.Equal(t, seen[0], seen[1])
}

// limit gives both so much memory that two of their inputs run together.
func limit(t *testing.T, e *Texts, p *Pictures) {
	t.Helper()
	texts, release, err := e.kept.Use(t.Context())
	require.NoError(t, err)
	defer release()
	texts.Bytes = int64(texts.need(2, e.length)) + 1
	seen, release, err := p.kept.Use(t.Context())
	require.NoError(t, err)
	defer release()
	seen.Bytes = int64(seen.need(2, 1)) + 1
	assert.Less(t, seen.need(2, 1), seen.need(3, 1))
}
