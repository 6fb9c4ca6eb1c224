package e2e

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/process"
)

// The worker's process is killed while the model runs, so that neither a result
// nor a refusal is ever sent; another worker takes the job over.
func TestAKilledWorkersJobIsDoneByAnother(t *testing.T) {
	t.Parallel()
	c := process.NewCluster(t)
	api, worker := c.API(), c.Worker()
	a := signUp(t, api)
	note := a.createNote(t, story(150))
	job, _ := a.translate(t, note)
	stream := watch(t, a.MustDial(t), job)
	until(t, stream, func(u update) bool { return u.Job.PartialText != nil })
	worker.Kill()
	c.Worker()
	text, last := succeeded(t, stream)
	// NATS may give the same attempt to the other worker before the rescuer makes
	// a new one; whichever it was, the last one made the result.
	n := len(last.Job.Job.Attempts)
	assert.True(t, n != 0 && last.Job.Job.Attempts[n-1].Outcome == "SUCCEEDED" && last.Job.Job.Attempt == n,
		"the attempts are %+v, the job counts %d", last.Job.Job.Attempts, last.Job.Job.Attempt)
	for _, try := range last.Job.Job.Attempts[:len(last.Job.Job.Attempts)-1] {
		assert.Equal(t, "LOST", try.Outcome, "an earlier attempt is %+v, want LOST with its reason", try)
		assert.NotNil(t, try.Reason, "an earlier attempt is %+v, want LOST with its reason", try)
	}
	state, stored := a.readNote(t, note)
	assert.Equal(t, "READY", state, "the note")
	assert.Equal(t, text, stored, "the note")
}

// All jobs but the first ones are still queued when the process is killed.
func TestQueuedJobsSurviveAKilledServer(t *testing.T) {
	t.Parallel()
	p := process.Start(t, process.Env(t, "PARLEY_ACK_WAIT=1s", "PARLEY_WORKER_SLOTS=1"), process.ServeArgs(t.TempDir())...).Ready()
	a := signUp(t, p)
	const jobs = 6
	notes, ids := make([]string, jobs), make([]string, jobs)
	for i := range jobs {
		notes[i] = a.createNote(t, story(8+i))
		ids[i], _ = a.translate(t, notes[i])
	}
	p.Kill()
	p.Restart()
	p.Ready()
	socket := a.MustDial(t) // the token is still good: the signing key is kept
	for i, id := range ids {
		text, _ := succeeded(t, watch(t, socket, id))
		state, stored := a.readNote(t, notes[i])
		assert.Equal(t, "READY", state, "note %d", i)
		assert.Equal(t, text, stored, "note %d", i)
	}
}

// A job's subscription outlives the server's process: the client comes back and
// gets the end.
func TestTermClosesSocketsWith1012AndLosesNothing(t *testing.T) {
	t.Parallel()
	p := process.Start(t, process.Env(t, "PARLEY_ACK_WAIT=1s", "PARLEY_GRACE=3s"), process.ServeArgs(t.TempDir())...).Ready()
	a := signUp(t, p)
	note := a.createNote(t, story(100))
	socket := a.MustDial(t)
	job, _ := a.translate(t, note)
	stream := watch(t, socket, job)
	until(t, stream, func(u update) bool { return u.Job.Job.State == "RUNNING" })
	require.NoError(t, p.Stop(), "SIGTERM ended the process, want status 0")
	assert.Equal(t, 1012, socket.Closed(t), "the socket was closed, want 1012")
	p.Restart()
	p.Ready()
	text, _ := succeeded(t, watch(t, a.MustDial(t), job))
	state, stored := a.readNote(t, note)
	assert.Equal(t, "READY", state, "the note")
	assert.Equal(t, text, stored, "the note")
}
