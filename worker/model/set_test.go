package model

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker"
	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// startRuntime loads ONNX Runtime.
func startRuntime(t testing.TB) {
	t.Helper()
	if err := onnx.Start(testkit.ONNX(t)); err != nil {
		t.Fatal(err)
	}
}

// folder makes a models folder of bundles without models, by name and model_type.
func folder(t *testing.T, types map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, modelType := range types {
		if err := os.Mkdir(filepath.Join(root, name), 0o750); err != nil {
			t.Fatal(err)
		}
		overwrite(t, filepath.Join(root, name, "config.json"), []byte(`{"model_type": "`+modelType+`", "num_beams": 1}`))
	}
	return root
}

// echo is the handler of a family that needs no model.
type echo struct{ name string }

func (e echo) Bundle() jobspec.Bundle {
	return jobspec.Bundle{Name: e.name, Kind: "echo", Pool: jobspec.Token(e.name)}
}

func (e echo) Handle(_ context.Context, t worker.Task, _ func(float64, string)) (json.RawMessage, error) {
	return t.Payload, nil
}

// echoes is a family for causal language models, of which "bad" can't be opened.
// closed counts.
func echoes(closed *int) family {
	return family{
		work: "echo", kinds: []bundle.Kind{bundle.KindCausal},
		open: func(_ context.Context, all []*bundle.Bundle, _ pipeline.Options, refuse func(*bundle.Bundle, error)) []Model {
			var models []Model
			for _, b := range all {
				if b.Name == "bad" {
					refuse(b, pipeline.NewError(jobspec.CodeModelBroken, "It is bad."))
					continue
				}
				models = append(models, Model{
					Handlers: []worker.Handler{echo{b.Name}},
					Close:    func() error { *closed++; return nil },
				})
			}
			return models
		},
	}
}

func TestFamilies_NoTwoRunTheSameKind(t *testing.T) {
	t.Parallel()
	seen := map[bundle.Kind]string{}
	for _, f := range families {
		if f.work == "" || f.open == nil || f.verify == nil {
			t.Errorf("the family %q is not whole", f.work)
		}
		for _, k := range f.kinds {
			if other, twice := seen[k]; twice {
				t.Errorf("%q and %q both run %q", other, f.work, k)
			}
			seen[k] = f.work
		}
	}
	if Work(bundle.KindMarian) != jobspec.KindTranslate || Work(bundle.KindUnknown) != "" {
		t.Errorf("the work of the kinds is %q", seen)
	}
}

// One entry in the list is all that another kind of bundle needs; what nobody opens
// or what can't be opened leaves the rest alone.
func TestOpen_GoesByTheKindOfEachBundle(t *testing.T) {
	t.Parallel()
	root := folder(t, map[string]string{"one": "gpt2", "two": "llama", "bad": "gpt2", "picture": "clip", "strange": "new"})
	closed := 0
	s, err := openFolder(t.Context(), []family{translation, echoes(&closed)}, root, pipeline.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if names := s.Names(); !slices.Equal(names, []string{"one", "two"}) || len(s.Handlers()) != 2 {
		t.Errorf("opened %v", names)
	}
	if err := s.Close(); err != nil || closed != 2 {
		t.Errorf("closed %d, %v", closed, err)
	}
}

func TestOpen_SaysWhyNothingIsLeft(t *testing.T) {
	t.Parallel()
	root := folder(t, map[string]string{"bad": "gpt2", "picture": "clip", "changed": "gpt2"})
	overwrite(t, filepath.Join(root, "changed", "manifest.json"), []byte(`{"files": {"config.json": {"size": 7}}}`))
	_, err := openFolder(t.Context(), []family{echoes(new(int))}, root, pipeline.Options{})
	if err == nil {
		t.Fatal("it opened something")
	}
	for _, want := range []string{"there is no model in " + root, "bad: It is bad.", "picture is of a kind that can't run yet (clip)", "size differs, 7 recorded"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if _, err := Open(t.Context(), filepath.Join(root, "none"), pipeline.Options{}); err == nil {
		t.Error("a folder that does not exist was opened")
	}
}

// The digest of a bundle that can't run is nobody's concern, its kind is.
func TestOpen_RefusesAKindWithoutAFamilyByItsName(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), testkit.Shared(t, "models", "random", "gpt2-random"), pipeline.Options{})
	if err == nil || !strings.Contains(err.Error(), "causal language model") {
		t.Errorf("got %v", err)
	}
}
