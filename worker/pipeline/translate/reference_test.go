package translate

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/pipeline"
)

func eachReference(t *testing.T, test func(t *testing.T, l *bench)) {
	for name, path := range map[string][]string{
		"translate-mini": {"models", "translate-mini"},
		"marian-random":  {"models", "random", "marian-random"},
	} {
		t.Run(name, func(t *testing.T) { test(t, load(t, testkit.Shared(t, path...))) })
	}
}

func TestEveryCaseEqualsTheReference(t *testing.T) {
	eachReference(t, func(t *testing.T, l *bench) {
		require.NotEmpty(t, l.reference.Cases, "no cases")
		for _, c := range l.reference.Cases {
			got := l.generate(t, l.settings(t, c.Settings), c.InputIDs)[0]
			if !slices.Equal(got, c.Output) {
				t.Errorf("%q with %s:\n got %v %q\nwant %v %q", c.Input, c.Settings, got, l.tokenizer.Decode(got), c.Output, c.Text)
			}
			assert.Equal(t, c.Text, l.tokenizer.Decode(got), "%q", c.Input)
		}
	})
}

func TestBatchEqualsTheReference(t *testing.T) {
	eachReference(t, func(t *testing.T, l *bench) {
		var inputs [][]int64
		for _, text := range l.reference.Batch.Inputs {
			inputs = append(inputs, l.tokenizer.Encode(text))
		}
		require.NotEmpty(t, inputs, "no batch")
		for i, ids := range l.generate(t, l.settings(t, l.reference.Batch.Settings), inputs...) {
			assert.Equal(t, l.reference.Batch.Output[i], l.tokenizer.Decode(ids), "%q", l.reference.Batch.Inputs[i])
		}
	})
}

// All cases of the same settings run together, inputs of all lengths mixed, and
// each comes out as it does alone.
func TestBatchedEqualsSingle(t *testing.T) {
	eachReference(t, func(t *testing.T, l *bench) {
		groups := map[string][]pipeline.ReferenceCase{}
		for _, c := range l.reference.Cases {
			groups[string(c.Settings)] = append(groups[string(c.Settings)], c)
		}
		for settings, cases := range groups {
			for size := range slices.Chunk(cases, 24) {
				var inputs [][]int64
				for _, c := range size {
					inputs = append(inputs, c.InputIDs)
				}
				for i, got := range l.generate(t, l.settings(t, size[0].Settings), inputs...) {
					assert.Equal(t, size[i].Output, got, "%q with %s", size[i].Input, settings)
				}
			}
		}
	})
}
