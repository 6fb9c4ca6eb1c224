package e2e

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
)

// childOf waits for the nth process of the worker and gives its pid.
func childOf(t *testing.T, p *process.Process, nth int) int {
	t.Helper()
	pattern := "(?s)" + strings.Repeat(`the worker's process was started.*?pid=(\d+).*?`, nth)
	m := p.WaitLog(pattern)
	pid, err := strconv.Atoi(m[nth])
	require.NoError(t, err)
	return pid
}

// serveWithChild is a server whose worker runs in a process of its own.
func serveWithChild(t *testing.T) *process.Process {
	t.Helper()
	p := process.Serve(t, "--worker", "child")
	p.WaitLog(`msg="worker ready"`)
	return p
}

// runs waits until the attempt has said something of its text, and gives it.
func runs(attempt int, grown *string) func(update) bool {
	return func(u update) bool {
		text := ""
		if u.Job.PartialText != nil {
			text = *u.Job.PartialText
		}
		fits := u.Job.Job.State == "RUNNING" && u.Job.Job.Attempt == attempt && len(text) > len(*grown)
		if len(text) > len(*grown) {
			*grown = text
		}
		return fits
	}
}

func TestTheAPILivesWhenItsWorkersProcessIsKilled(t *testing.T) {
	t.Parallel()
	p := serveWithChild(t)
	a := signUp(t, p)
	note := a.createNote(t, story(60))
	job, _ := a.translate(t, note)
	stream := watch(t, a.MustDial(t), job)
	grown := ""
	until(t, stream, runs(1, &grown))
	require.NoError(t, syscall.Kill(childOf(t, p, 1), syscall.SIGKILL))
	all := until(t, stream, func(u update) bool { return u.Job.Job.State == "SUCCEEDED" })
	for _, u := range all[:len(all)-1] {
		if u.Job.PartialText != nil {
			require.True(t, strings.HasPrefix(*u.Job.PartialText, grown), "after %q came %q", grown, *u.Job.PartialText)
			grown = *u.Job.PartialText
		}
	}
	last := all[len(all)-1].Job.Job
	require.Len(t, last.Attempts, 2)
	assert.Equal(t, "LOST", last.Attempts[0].Outcome)
	assert.Equal(t, "Its worker died.", *last.Attempts[0].Reason)
	assert.Equal(t, "SUCCEEDED", last.Attempts[1].Outcome)
	assert.True(t, strings.HasPrefix(last.Result.Text, grown), "the result is another text than was shown")

	undisturbed := a.createNote(t, story(60)+" ")
	again, _ := a.translate(t, undisturbed)
	text, _ := succeeded(t, watch(t, a.MustDial(t), again))
	assert.Equal(t, strings.TrimSpace(text), strings.TrimSpace(last.Result.Text), "the same bytes as without a kill")
}

func TestAJobThatTakesDownItsWorkerTwiceIsDead(t *testing.T) {
	t.Parallel()
	p := serveWithChild(t)
	a := signUp(t, p)
	note := a.createNote(t, story(150))
	job, _ := a.translate(t, note)
	stream := watch(t, a.MustDial(t), job)
	grown := ""
	for attempt := 1; attempt <= 2; attempt++ {
		until(t, stream, runs(attempt, &grown))
		require.NoError(t, syscall.Kill(childOf(t, p, attempt), syscall.SIGKILL))
	}
	all := until(t, stream, func(u update) bool { return u.Job.Job.State == "DEAD" })
	last := all[len(all)-1].Job.Job
	require.NotNil(t, last.Error)
	assert.Equal(t, "WORKER_LOST", last.Error.Code)
	assert.Equal(t, "Its worker died.", last.Error.Message)

	other, _ := a.translate(t, a.createNote(t, story(2)))
	succeeded(t, watch(t, a.MustDial(t), other))
}

// A server that is killed takes its child along: the child's input ends.
func TestAKilledServerLeavesNoWorkerBehind(t *testing.T) {
	t.Parallel()
	p := serveWithChild(t)
	pid := childOf(t, p, 1)
	p.Kill()
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) != nil }, gqlclient.Patience, 10*time.Millisecond)
}
