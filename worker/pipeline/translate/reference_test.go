package translate

import (
	"slices"
	"testing"

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
		if len(l.reference.Cases) == 0 {
			t.Fatal("no cases")
		}
		for _, c := range l.reference.Cases {
			got := l.generate(t, l.settings(t, c.Settings), c.InputIDs)[0]
			if !slices.Equal(got, c.Output) {
				t.Errorf("%q with %s:\n got %v %q\nwant %v %q", c.Input, c.Settings, got, l.tokenizer.Decode(got), c.Output, c.Text)
			}
			if text := l.tokenizer.Decode(got); text != c.Text {
				t.Errorf("%q: got %q, want %q", c.Input, text, c.Text)
			}
		}
	})
}

func TestBatchEqualsTheReference(t *testing.T) {
	eachReference(t, func(t *testing.T, l *bench) {
		var inputs [][]int64
		for _, text := range l.reference.Batch.Inputs {
			inputs = append(inputs, l.tokenizer.Encode(text))
		}
		if len(inputs) == 0 {
			t.Fatal("no batch")
		}
		for i, ids := range l.generate(t, l.settings(t, l.reference.Batch.Settings), inputs...) {
			if got := l.tokenizer.Decode(ids); got != l.reference.Batch.Output[i] {
				t.Errorf("%q: got %q, want %q", l.reference.Batch.Inputs[i], got, l.reference.Batch.Output[i])
			}
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
					if !slices.Equal(got, size[i].Output) {
						t.Errorf("%q with %s:\n got %v\nwant %v", size[i].Input, settings, got, size[i].Output)
					}
				}
			}
		}
	})
}
