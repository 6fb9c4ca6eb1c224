package folder_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker/folder"
	"parley/worker/pipeline"
)

// A worker begins with nothing, pulls a model, works with it, and gives it up.
func TestFolder_AModelComesAndGoes(t *testing.T) {
	t.Parallel()
	b, models := setup(t), t.TempDir()
	mirror := testkit.NewMirror(t, original())
	b.start("one", models, mirror.URL)
	id := b.folderOf("one")
	b.publish("pull", jobspec.KindPullModel, id, jobspec.PullModel{Folder: id, Repository: mirror.Repository, Name: "mini"})
	found := b.changed("pull")
	require.Len(t, found.Folder.Models, 1)
	m := found.Folder.Models[0]
	assert.Equal(t, jobspec.ModelServed, m.State, "%+v", m)
	assert.Equal(t, []string{"mini", "CC-BY-4.0", mirror.Repository, testkit.MirrorCommit}, []string{m.Name, m.Licence, m.Repository, m.Commit})
	a := b.until("the model", serves)
	var translator jobspec.Bundle
	for _, served := range a.Bundles {
		if served.Kind == jobspec.KindTranslate {
			translator = served
		}
	}
	payload, err := json.Marshal(jobspec.Translate{Text: "The house is small.", Source: "en", Target: "es"})
	require.NoError(t, err)
	for _, err := range b.bus.PublishJobs(t.Context(), []jobspec.Job{{
		Run: "work", Attempt: 1, Kind: jobspec.KindTranslate, Pool: translator.Pool, Lane: jobspec.LaneBulk, Payload: payload,
	}}) {
		require.NoError(t, err)
	}
	assert.Equal(t, jobspec.ResultDone, b.end("work").Type)
	b.publish("remove", jobspec.KindRemoveModel, id, jobspec.RemoveModel{Folder: id, Name: "mini"})
	assert.Empty(t, b.changed("remove").Folder.Models)
	b.until("a worker without the model", func(a jobspec.Announcement) bool { return !serves(a) })
	assert.NoDirExists(t, filepath.Join(models, "mini"))
	b.publish("again", jobspec.KindRemoveModel, id, jobspec.RemoveModel{Folder: id, Name: "mini"})
	assert.Empty(t, b.changed("again").Folder.Models, "a removal that was done before")
}

func TestFolder_FailuresHaveTheirCodesAndSentences(t *testing.T) {
	t.Parallel()
	b, models := setup(t), t.TempDir()
	mirror := testkit.NewMirror(t, original())
	mirror.Lie(encoder)
	require.NoError(t, os.CopyFS(filepath.Join(models, "there"), os.DirFS(original())))
	b.start("one", models, mirror.URL)
	id := b.folderOf("one")
	for run, c := range map[string]struct {
		pull     jobspec.PullModel
		code     jobspec.Code
		sentence string
	}{
		"lying":   {jobspec.PullModel{Folder: id, Repository: mirror.Repository, Name: "mini"}, jobspec.CodeSourceUntrusted, "encoder_model.onnx"},
		"missing": {jobspec.PullModel{Folder: id, Repository: "acme/none", Name: "none"}, jobspec.CodeSourceMissing, "acme/none"},
		"exists":  {jobspec.PullModel{Folder: id, Repository: mirror.Repository, Name: "there"}, jobspec.CodeModelExists, "there"},
		"outside": {jobspec.PullModel{Folder: id, Repository: mirror.Repository, Name: "../out"}, jobspec.CodeInvalidInput, "no name of a bundle"},
		"hidden":  {jobspec.PullModel{Folder: id, Repository: "../..", Name: "x"}, jobspec.CodeInvalidInput, "no name on a hub"},
		"foreign": {jobspec.PullModel{Folder: "fedcba9876543210", Repository: mirror.Repository, Name: "x"}, jobspec.CodeInvalidInput, "another models folder"},
	} {
		b.publish(run, jobspec.KindPullModel, id, c.pull)
		r := b.end(run)
		require.NotNil(t, r.Failure, "%s did not fail", run)
		assert.Equal(t, c.code, r.Failure.Code, "%s: %s", run, r.Failure.Message)
		assert.Contains(t, r.Failure.Message, c.sentence, run)
	}
	entries, err := os.ReadDir(models)
	require.NoError(t, err)
	for _, e := range entries {
		assert.True(t, e.Name() == "there" || e.Name()[0] == '.', "%s came into the folder", e.Name())
	}
}

func TestFolder_ACancelledPullStopsAtOnce(t *testing.T) {
	t.Parallel()
	b, models := setup(t), t.TempDir()
	mirror := testkit.NewMirror(t, original())
	reached, _ := mirror.Hold(encoder, 50_000)
	b.start("one", models, mirror.URL)
	id := b.folderOf("one")
	b.publish("pull", jobspec.KindPullModel, id, jobspec.PullModel{Folder: id, Repository: mirror.Repository, Name: "mini"})
	<-reached
	for at := 0.0; at == 0; {
		p := receive(t, b.progress, "progress")
		assert.Less(t, p.Progress, 1.0)
		at = p.Progress
	}
	require.NoError(t, b.bus.CancelRun(t.Context(), "pull"))
	b.drained()
	// Nothing holds the name any more.
	b.publish("remove", jobspec.KindRemoveModel, id, jobspec.RemoveModel{Folder: id, Name: "mini"})
	assert.Empty(t, b.changed("remove").Folder.Models)
	assert.NoDirExists(t, filepath.Join(models, "mini"))
}

// The worker that pulls is cut off; another one of the folder goes on from its files.
func TestFolder_AnotherWorkerGoesOnWithAPull(t *testing.T) {
	t.Parallel()
	b, models := setup(t), t.TempDir()
	mirror := testkit.NewMirror(t, original())
	size, err := os.Stat(filepath.Join(original(), encoder))
	require.NoError(t, err)
	reached, release := mirror.Hold(encoder, size.Size()/2)
	stop := b.start("one", models, mirror.URL)
	id := b.folderOf("one")
	b.publish("pull", jobspec.KindPullModel, id, jobspec.PullModel{Folder: id, Repository: mirror.Repository, Name: "mini"})
	<-reached
	stop()
	release()
	b.start("two", models, mirror.URL)
	assert.Equal(t, id, b.folderOf("two"), "the folder is the same place")
	found := b.changed("pull")
	assert.Equal(t, "two", found.Worker)
	assert.Len(t, found.Folder.Models, 1)
	assert.Less(t, mirror.Sent(encoder), size.Size()+size.Size()/2, "it began anew")
}

// All workers of a folder follow it, whoever changed it.
func TestFolder_WorkersOfAFolderFollowEachOther(t *testing.T) {
	t.Parallel()
	b, models := setup(t), t.TempDir()
	b.start("one", models, original())
	b.start("two", models, original())
	id := b.folderOf("one")
	b.publish("pull", jobspec.KindPullModel, id, jobspec.PullModel{Folder: id, Repository: "acme/translate-mini", Name: "mini"})
	b.changed("pull")
	seen := map[string]bool{}
	b.until("both workers with the model", func(a jobspec.Announcement) bool {
		seen[a.Worker] = seen[a.Worker] || serves(a)
		return seen["one"] && seen["two"]
	})
	require.NoError(t, os.RemoveAll(filepath.Join(models, "mini")))
	gone := map[string]bool{}
	b.until("both workers without the model", func(a jobspec.Announcement) bool {
		gone[a.Worker] = !serves(a)
		return gone["one"] && gone["two"]
	})
}

func TestOpen_WithoutModelsNeedsAFolderThatCanBeWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := folder.Open(t.Context(), folder.Config{Models: filepath.Join(file, "models")})
	assert.ErrorContains(t, err, "look for models")
	empty := filepath.Join(t.TempDir(), "models")
	open := func() *folder.Folder {
		f, err := folder.Open(t.Context(), folder.Config{Models: empty})
		require.NoError(t, err)
		return f
	}
	one, two := open().Describe(), open().Describe()
	assert.True(t, one.Writable)
	assert.Equal(t, one.ID, two.ID, "the id is made once")
	require.NoError(t, os.WriteFile(filepath.Join(empty, ".parley-folder"), []byte("../../x\n"), 0o600))
	_, err = folder.Open(t.Context(), folder.Config{Models: empty})
	assert.ErrorContains(t, err, "there is no model", "an id that is none leaves the folder alone")
}

// A bundle that is its own models folder is served and never changed.
func TestOpen_ABundleIsNoPlaceForOthers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mini")
	require.NoError(t, os.CopyFS(dir, os.DirFS(original())))
	f, err := folder.Open(t.Context(), folder.Config{Models: dir, Options: pipeline.Options{Library: testkit.ONNX(t)}})
	require.NoError(t, err)
	defer func() { assert.NoError(t, f.Close()) }()
	d := f.Describe()
	assert.False(t, d.Writable)
	require.Len(t, d.Models, 1)
	assert.Equal(t, jobspec.ModelServed, d.Models[0].State)
	assert.NoFileExists(t, filepath.Join(dir, ".parley-folder"))
}
