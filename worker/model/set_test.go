package model

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	require.NoError(t, onnx.Start(testkit.ONNX(t)))
}

// folder makes a models folder of bundles without models, by name and model_type.
func folder(t *testing.T, types map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, modelType := range types {
		require.NoError(t, os.Mkdir(filepath.Join(root, name), 0o750))
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
		assert.NotEmpty(t, f.work, "the family of %v is not whole", f.kinds)
		assert.NotNil(t, f.open, "the family of %v is not whole", f.kinds)
		assert.NotNil(t, f.verify, "the family of %v is not whole", f.kinds)
		for _, k := range f.kinds {
			other, twice := seen[k]
			assert.False(t, twice, "%q and %q both run %q", other, f.work, k)
			seen[k] = f.work
		}
	}
	assert.Equal(t, jobspec.KindTranslate, Work(bundle.KindMarian), "the work of the kinds is %q", seen)
	assert.Empty(t, Work(bundle.KindUnknown), "the work of the kinds is %q", seen)
}

// One entry in the list is all that another kind of bundle needs; what nobody opens
// or what can't be opened leaves the rest alone.
func TestOpen_GoesByTheKindOfEachBundle(t *testing.T) {
	t.Parallel()
	root := folder(t, map[string]string{"one": "gpt2", "two": "llama", "bad": "gpt2", "picture": "clip", "strange": "new"})
	closed := 0
	s, err := openFolder(t.Context(), []family{translation, echoes(&closed)}, root, pipeline.Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"one", "two"}, s.Names(), "opened")
	assert.Len(t, s.Handlers(), 2, "opened")
	assert.NoError(t, s.Close(), "closed")
	assert.Equal(t, 2, closed, "closed")
}

func TestOpen_SaysWhyNothingIsLeft(t *testing.T) {
	t.Parallel()
	root := folder(t, map[string]string{"bad": "gpt2", "picture": "clip", "changed": "gpt2"})
	overwrite(t, filepath.Join(root, "changed", "manifest.json"), []byte(`{"files": {"config.json": {"size": 7}}}`))
	_, err := openFolder(t.Context(), []family{echoes(new(int))}, root, pipeline.Options{})
	require.Error(t, err, "it opened something")
	for _, want := range []string{"there is no model in " + root, "bad: It is bad.", "picture is of a kind that can't run yet (clip)", "size differs, 7 recorded"} {
		assert.ErrorContains(t, err, want, "%q does not say %q", err, want)
	}
	_, err = Open(t.Context(), filepath.Join(root, "none"), pipeline.Options{})
	assert.Error(t, err, "a folder that does not exist was opened")
}

// A kind that no family runs is refused by its name.
func TestOpen_RefusesWhatNoFamilyRuns(t *testing.T) {
	t.Parallel()
	assert.Empty(t, Work(bundle.KindUnknown))
	_, err := Open(t.Context(), folder(t, map[string]string{"odd": "nothing known"}), pipeline.Options{})
	assert.ErrorContains(t, err, "odd is of a kind that can't run yet (unknown)")
}

// A set follows its folder: what stays is not disturbed.
func TestRefresh_FollowsTheFolder(t *testing.T) {
	t.Parallel()
	root := folder(t, map[string]string{"one": "gpt2", "two": "llama"})
	closed := 0
	s, err := openFolder(t.Context(), []family{echoes(&closed)}, root, pipeline.Options{})
	require.NoError(t, err)
	assert.Equal(t, Change{}, s.Refresh(t.Context()), "nothing has changed")
	before := s.present()[0]
	require.NoError(t, os.RemoveAll(filepath.Join(root, "two")))
	require.NoError(t, os.Mkdir(filepath.Join(root, "three"), 0o750))
	overwrite(t, filepath.Join(root, "three", "config.json"), []byte(`{"model_type": "gpt2", "num_beams": 1}`))
	c := s.Refresh(t.Context())
	assert.True(t, c.Any)
	assert.Len(t, c.Opened, 1)
	assert.Len(t, c.Gone, 1)
	assert.Equal(t, []string{"one", "three"}, s.Names())
	assert.Same(t, before, s.present()[0], "the one that stayed")
	// One that is written anew is another one; one that breaks is given up with a reason.
	overwrite(t, filepath.Join(root, "one", "config.json"), []byte(`{"model_type": "gpt2", "num_beams": 12}`))
	overwrite(t, filepath.Join(root, "three", "config.json"), []byte(`{`))
	c = s.Refresh(t.Context())
	assert.Len(t, c.Opened, 1)
	assert.Len(t, c.Gone, 2)
	models, more := s.Describe()
	assert.Zero(t, more)
	require.Len(t, models, 2)
	assert.Equal(t, jobspec.ModelServed, models[0].State)
	assert.Equal(t, jobspec.ModelBroken, models[1].State)
	assert.NotEmpty(t, models[1].Reason)
	require.NoError(t, os.RemoveAll(root))
	assert.Equal(t, Change{}, s.Refresh(t.Context()), "a folder that can't be read says nothing")
	assert.NoError(t, s.Usable())
	assert.Zero(t, closed, "the set closes nothing by itself")
}

// Two folders with the same name in parley.json would be one queue.
func TestRefresh_TwoOfOneNameAreNotServed(t *testing.T) {
	t.Parallel()
	root := folder(t, map[string]string{"a": "gpt2", "b": "gpt2"})
	for _, name := range []string{"a", "b"} {
		overwrite(t, filepath.Join(root, name, "parley.json"), []byte(`{"name": "same"}`))
	}
	closed := 0
	s, err := openFolder(t.Context(), []family{echoes(&closed)}, root, pipeline.Options{})
	require.NoError(t, err)
	models, _ := s.Describe()
	assert.Equal(t, jobspec.ModelServed, models[0].State)
	assert.Equal(t, jobspec.ModelBroken, models[1].State)
	assert.Contains(t, models[1].Reason, "same name")
	assert.Equal(t, 1, closed)
	// One that comes in front of it in the alphabet stands back too, and takes over once
	// the other has gone.
	require.NoError(t, os.Rename(filepath.Join(root, "b"), filepath.Join(root, "A")))
	assert.Empty(t, s.Refresh(t.Context()).Opened)
	require.NoError(t, os.RemoveAll(filepath.Join(root, "a")))
	c := s.Refresh(t.Context())
	assert.Len(t, c.Gone, 1)
	assert.Len(t, c.Opened, 1)
	models, _ = s.Describe()
	require.Len(t, models, 1)
	assert.Equal(t, jobspec.ModelServed, models[0].State)
}

// A model that embeds is served, whichever it is, and told of as such.
func TestOpen_ServesWhatEmbeds(t *testing.T) {
	startRuntime(t)
	for _, name := range []string{"bert-random", "clip-random"} {
		s, err := Open(t.Context(), testkit.Shared(t, "models", "random", name), pipeline.Options{OnUse: true})
		require.NoError(t, err)
		models, _ := s.Describe()
		require.Len(t, models, 1)
		assert.Equal(t, jobspec.ModelServed, models[0].State)
		assert.Equal(t, jobspec.KindEmbed, models[0].Work)
		space := s.Handlers()[0].Bundle().Space
		require.NotNil(t, space)
		assert.Len(t, space.Digest, 64)
		assert.Positive(t, space.Dimensions)
		assert.True(t, space.Texts)
		assert.Equal(t, name == "clip-random", space.Pictures)
		require.NoError(t, s.Close())
	}
}

// What a graph gives that is no direction is no vector, and the others are of length 1.
func TestUnit(t *testing.T) {
	t.Parallel()
	v := []float32{3, 0, -4}
	require.NoError(t, unit(v))
	assert.Equal(t, []float32{0.6, 0, -0.8}, v)
	for _, bad := range [][]float32{{}, {0, 0}, {float32(math.NaN()), 1}, {float32(math.Inf(1)), 1}} {
		assert.True(t, isRefused(unit(bad)), "%v", bad)
	}
}

// Little runs together, and all of it in the end.
func TestPortionOf(t *testing.T) {
	t.Parallel()
	long, short := strings.Repeat("a", portionBytes+1), strings.Repeat("a", portionBytes/2)
	for _, c := range []struct {
		texts []string
		want  int
	}{
		{[]string{long, long}, 1}, {[]string{short, short, short}, 2}, {[]string{short, long}, 1}, {make([]string, 100), portionTexts}, {[]string{"a"}, 1},
	} {
		assert.Equal(t, c.want, portionOf(c.texts))
	}
}

func TestDescribe_IsBounded(t *testing.T) {
	t.Parallel()
	types := map[string]string{}
	for i := range jobspec.MaxModels + 3 {
		types["model-"+strconv.Itoa(1000+i)] = "gpt2"
	}
	s, err := openFolder(t.Context(), []family{echoes(new(int))}, folder(t, types), pipeline.Options{})
	require.NoError(t, err)
	models, more := s.Describe()
	data, err := json.Marshal(models)
	require.NoError(t, err)
	assert.Less(t, len(data), jobspec.MaxFolder+1000)
	assert.Equal(t, jobspec.MaxModels+3, len(models)+more)
}
