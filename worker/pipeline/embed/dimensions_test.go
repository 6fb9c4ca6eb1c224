package embed

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/bundle"
	"parley/worker/picture"
	"parley/worker/pipeline"
)

// What a graph says of its output is what comes out, and a model need not be loaded for
// it where it does.
func TestDimensionsAreThoseOfTheVectors(t *testing.T) {
	kept := filepath.Join("..", "..", "model", "testdata", "bundles")
	for _, dir := range []string{
		testkit.Shared(t, "models", "sticker-mini"), testkit.Shared(t, "models", "minilm"), testkit.Shared(t, "models", "random", "bert-random"),
		testkit.Shared(t, "models", "random", "clip-random"), filepath.Join(kept, "small-siglip"), filepath.Join(kept, "small-roberta"), filepath.Join(kept, "small-bert-int8"),
	} {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			b := opened(t, dir)
			e, err := OpenTexts(t.Context(), b, pipeline.Options{OnUse: true})
			require.NoError(t, err)
			run(t, e)
			said, err := e.Dimensions(t.Context())
			require.NoError(t, err)
			vectors, err := e.Embed(t.Context(), []string{"a red apple"})
			require.NoError(t, err)
			assert.Len(t, vectors[0], said)
			if b.Kind != bundle.KindCLIP {
				return
			}
			p, err := OpenPictures(t.Context(), b, pipeline.Options{OnUse: true})
			require.NoError(t, err)
			run(t, p)
			seen, err := p.Dimensions(t.Context())
			require.NoError(t, err)
			assert.Equal(t, said, seen, "the two towers have one space")
			vectors, err = p.Embed(t.Context(), []*picture.Picture{{Width: 2, Height: 3, RGB: make([]uint8, 18)}})
			require.NoError(t, err)
			assert.Len(t, vectors[0], seen)
		})
	}
	// Two ways of pooling, one behind the other.
	e, err := OpenTexts(t.Context(), variant(t, "random/bert-random", map[string]any{
		"1_Pooling/config.json": map[string]bool{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true},
	}), pipeline.Options{OnUse: true})
	require.NoError(t, err)
	run(t, e)
	said, err := e.Dimensions(t.Context())
	require.NoError(t, err)
	vectors, err := e.Embed(t.Context(), []string{"a"})
	require.NoError(t, err)
	assert.Len(t, vectors[0], said)
}
