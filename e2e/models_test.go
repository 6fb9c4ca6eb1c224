package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
	"parley/internal/testkit"
)

// encoder is the graph at which the tests stop a pull.
const encoder = "onnx/encoder_model.onnx"

// administrator makes an admin of a process on a data folder, and signs in.
func administrator(t *testing.T, p *process.Process, data string) *actor {
	t.Helper()
	ok(t, process.Env(t, "PARLEY_PASSWORD="+password), "user", "create", "--data", data, "--email", "admin@example.org", "--role", "ADMIN")
	a := &actor{Client: p.Client(), Email: "admin@example.org"}
	var got struct{ SignIn struct{ AccessToken string } }
	a.Must(t, `mutation($e: String!, $p: String!) { signIn(input: {email: $e, password: $p}) { accessToken } }`, gqlclient.Vars{"e": a.Email, "p": password}, &got)
	a.Token = got.SignIn.AccessToken
	return a
}

// changeModels calls pullModel or removeModel and gives its one job.
func (a *actor) changeModels(t *testing.T, mutation string, vars gqlclient.Vars) (job string) {
	t.Helper()
	var got map[string]struct{ Jobs []struct{ ID, State string } }
	input := strings.ToUpper(mutation[:1]) + mutation[1:] + "Input"
	a.Must(t, `mutation($i: `+input+`!) { `+mutation+`(input: $i) { cursor jobs { id state } } }`, gqlclient.Vars{"i": vars}, &got)
	require.Len(t, got[mutation].Jobs, 1, "%s gave %+v", mutation, got)
	return got[mutation].Jobs[0].ID
}

type shownModel struct {
	ID, Name, State, Repository, Commit, Licence string
	Workers                                      []struct {
		Worker, State string
		Alive         bool
	}
}

func (a *actor) models(t *testing.T) []shownModel {
	t.Helper()
	var got struct{ Models struct{ Nodes []shownModel } }
	a.Must(t, `{ models { nodes { id name state repository commit licence workers { worker alive state } } } }`, nil, &got)
	return got.Models.Nodes
}

// ended reads a job's updates to its end.
func ended(t *testing.T, s *gqlclient.Stream) []update {
	t.Helper()
	return until(t, s, func(u update) bool {
		switch u.Job.Job.State {
		case "SUCCEEDED", "FAILED", "DEAD", "CANCELLED":
			return true
		}
		return false
	})
}

func (a *actor) watchModels(t *testing.T) *gqlclient.Stream {
	t.Helper()
	return a.MustDial(t).Subscribe(t, `subscription { events(topics: [MODELS]) { __typename ... on ModelsChanged { worker change } } }`, nil)
}

// From an empty folder to a translated note and back: nothing but the admin's wish
// brings the model, and its removal takes it away again.
func TestAnAdminPullsAModelAndRemovesIt(t *testing.T) {
	t.Parallel()
	mirror := testkit.NewMirror(t, filepath.Join(process.Models(), "translate-mini"))
	reached, release := mirror.Hold(encoder, 100_000)
	data, models := t.TempDir(), filepath.Join(t.TempDir(), "models")
	p := process.Start(t, process.Env(t, "PARLEY_MODELS_FROM="+mirror.URL), process.ServeArgs(data, "--models", models)...).Ready()
	p.WaitLog(`there is no model that can be used yet: jobs wait until one is pulled`)
	a := signUp(t, p)
	note := a.createNote(t, "The house is old and the garden is small.")
	translation, _ := a.translate(t, note)
	waiting := watch(t, a.MustDial(t), translation)
	first := until(t, waiting, func(update) bool { return true })[0].Job.Job
	require.NotNil(t, first.WaitingFor, "the job is %+v", first)

	admin := administrator(t, p, data)
	require.Empty(t, admin.models(t))
	events := admin.watchModels(t)
	job := admin.changeModels(t, "pullModel", gqlclient.Vars{"repository": mirror.Repository})
	updates := watch(t, admin.MustDial(t), job)
	<-reached
	until(t, updates, func(u update) bool {
		return u.Job.Job.State == "RUNNING" && u.Job.Job.Progress != nil && *u.Job.Job.Progress > 0 && *u.Job.Job.Progress < 1
	})
	release()
	all := ended(t, updates)
	last := all[len(all)-1].Job.Job
	require.Equal(t, "SUCCEEDED", last.State, "the pull ended as %+v", last)
	shown := admin.models(t)
	require.Len(t, shown, 1)
	m := shown[0]
	assert.Equal(t, []string{"translate-mini", "SERVED", mirror.Repository, testkit.MirrorCommit}, []string{m.Name, m.State, m.Repository, m.Commit})
	assert.True(t, len(m.Workers) == 1 && m.Workers[0].Alive, "it is %+v", m)
	var result struct {
		Job struct {
			Result struct{ ID, Name string }
		}
	}
	admin.Must(t, `query($id: ID!) { job(id: $id) { result { ... on Model { id name } } } }`, gqlclient.Vars{"id": job}, &result)
	assert.Equal(t, m.ID, result.Job.Result.ID, "the job's result")
	var changed struct {
		Events struct{ Worker, Change string }
	}
	require.True(t, events.Read(t, &changed))
	assert.Equal(t, m.Workers[0].Worker, changed.Events.Worker)
	assert.Equal(t, "CHANGED", changed.Events.Change)

	succeeded(t, waiting)
	remove := admin.changeModels(t, "removeModel", gqlclient.Vars{"name": "translate-mini"})
	all = ended(t, watch(t, admin.MustDial(t), remove))
	require.Equal(t, "SUCCEEDED", all[len(all)-1].Job.Job.State, "the removal ended as %+v", all)
	assert.Empty(t, admin.models(t), "after the removal")
	assert.NoDirExists(t, filepath.Join(models, "translate-mini"))
	again, _ := a.translate(t, a.createNote(t, "The garden is small."))
	first = until(t, watch(t, a.MustDial(t), again), func(update) bool { return true })[0].Job.Job
	assert.Equal(t, "QUEUED", first.State, "without the model a job waits")
}

// A process that is killed in the middle of a pull leaves its files; the same job goes
// on from there in the next one.
func TestAPullGoesOnAfterItsProcessWasKilled(t *testing.T) {
	t.Parallel()
	mirror := testkit.NewMirror(t, filepath.Join(process.Models(), "translate-mini"))
	size, err := os.Stat(filepath.Join(process.Models(), "translate-mini", encoder))
	require.NoError(t, err)
	reached, release := mirror.Hold(encoder, size.Size()/2)
	data, models := t.TempDir(), t.TempDir()
	p := process.Start(t, process.Env(t, "PARLEY_MODELS_FROM="+mirror.URL, "PARLEY_ACK_WAIT=2s"), process.ServeArgs(data, "--models", models)...).Ready()
	admin := administrator(t, p, data)
	job := admin.changeModels(t, "pullModel", gqlclient.Vars{"repository": mirror.Repository, "name": "mini"})
	<-reached
	p.Kill()
	release()
	p.Restart()
	p.Ready()
	admin.URL = p.URL
	all := ended(t, watch(t, admin.MustDial(t), job))
	require.Equal(t, "SUCCEEDED", all[len(all)-1].Job.Job.State, "the pull ended as %+v", all[len(all)-1])
	shown := admin.models(t)
	require.Len(t, shown, 1)
	assert.Equal(t, "SERVED", shown[0].State, "it is %+v", shown[0])
	assert.Less(t, mirror.Sent(encoder), size.Size()+size.Size()/2, "it began anew")
}
