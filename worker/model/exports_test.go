package model

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/worker/pipeline"
)

// What runs is any export, not those of one recipe: these have other families, layouts
// and sizes than the bundles of the other tests. oracle/exports makes them.
func TestOtherExportsEqualTheirReferences(t *testing.T) {
	startRuntime(t)
	root := filepath.Join("testdata", "bundles")
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	compared := map[string]func(*pipeline.Findings) int{
		// No positions among the inputs: texts can't run together.
		"small-gpt2-no-positions": func(f *pipeline.Findings) int { return min(f.Cases.Total, f.Batch.Total) },
		// A decoder for the first step and one for the others.
		"small-marian-two-files": func(f *pipeline.Findings) int { return min(f.Cases.Total, f.Batch.Total) },
		// Whole numbers whose scale is that of all that runs together.
		"small-bert-int8": func(f *pipeline.Findings) int { return f.Cases.Total },
		// Only the positions tell how long a text may be, and two of them are kept back.
		"small-roberta": func(f *pipeline.Findings) int { return f.Cases.Total },
		// Texts without a mask, and pictures that are pooled by attention.
		"small-siglip": func(f *pipeline.Findings) int { return min(f.Cases.Total, f.Pictures.Total) },
		// Guidance by a second run, velocities in place of noise.
		"small-sd-euler": func(f *pipeline.Findings) int { return f.Pictures.Total },
	}
	assert.Len(t, entries, len(compared))
	for name, count := range compared {
		f := verify(t, filepath.Join(root, name))
		assert.True(t, f.OK && f.Loaded, "%s: %v %v", name, f.Problems, f.Differences)
		assert.Positive(t, count(f), name)
	}
}
