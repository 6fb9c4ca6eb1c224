package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/worker"
)

func TestWorker_LeadsATaskFromTheQueueToItsResult(t *testing.T) {
	t.Parallel()
	b := setup(t)
	seen, err := b.bus.Conn().SubscribeSync(jobspec.ProgressSubject("run1"))
	require.NoError(t, err)
	b.start(worker.Config{ID: "w1", Handlers: handlers(
		func(_ context.Context, t worker.Task, progress func(float64, string)) (json.RawMessage, error) {
			if t.Run != "run1" || t.Attempt != 1 || t.Kind != jobspec.KindTranslate || t.Alone {
				return nil, fmt.Errorf("a strange task: %+v", t)
			}
			// The first goes out at once, the second is held back and overtaken,
			// the last is sent although no time has passed.
			progress(0.25, "ho")
			progress(0.5, "hol")
			progress(1.5, "hola")
			progress(0.75, "")
			return json.RawMessage(`{"text":"hola"}`), nil
		})})
	b.publish(job("run1"))
	started := b.expect("run1", jobspec.ResultStarted)
	done := b.expect("run1", jobspec.ResultDone)
	if string(done.Payload) != `{"text":"hola"}` || done.Worker != "w1" || done.Attempt != 1 ||
		done.Kind != jobspec.KindTranslate || !done.StartedAt.Equal(started.StartedAt) || done.At.Before(done.StartedAt) {
		t.Errorf("the result is %+v", done)
	}
	for _, want := range []jobspec.Progress{
		{Run: "run1", Attempt: 1, Progress: 0.25, Partial: "ho"}, {Run: "run1", Attempt: 1, Progress: 1, Partial: "hola"},
	} {
		m, err := seen.NextMsg(patience)
		require.NoError(t, err)
		var got jobspec.Progress
		assert.NoError(t, json.Unmarshal(m.Data, &got), "progress")
		assert.Equal(t, want, got, "progress")
	}
	b.drained()
}

type invalidInput struct{}

func (invalidInput) Error() string         { return "The text is empty." }
func (invalidInput) JobCode() jobspec.Code { return jobspec.CodeInvalidInput }

func TestWorker_ReportsFailuresWithTheirCode(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w, _ := b.start(worker.Config{Handlers: handlers(
		func(ctx context.Context, t worker.Task, _ func(float64, string)) (json.RawMessage, error) {
			switch t.Run {
			case "coded":
				return nil, fmt.Errorf("in the pipeline: %w", invalidInput{})
			case "plain":
				return nil, errors.New("secret: disk /dev/sda is broken")
			case "panics":
				panic("secret")
			case "nothing":
				return nil, nil
			case "slow":
				<-ctx.Done()
				return nil, ctx.Err()
			case "huge":
				return json.RawMessage(`"` + strings.Repeat("x", 9<<20) + `"`), nil
			}
			return json.RawMessage(`{}`), nil
		})})
	for _, c := range []struct {
		run     string
		code    jobspec.Code
		message string
	}{
		{"coded", jobspec.CodeInvalidInput, "The text is empty."},
		{"plain", jobspec.CodeInternal, "The work failed for a reason on our side."},
		{"panics", jobspec.CodeInternal, "The work failed for a reason on our side."},
		{"nothing", jobspec.CodeInternal, "The work failed for a reason on our side."},
		{"huge", jobspec.CodeInternal, "The work failed for a reason on our side."},
		{"slow", jobspec.CodeDeadline, "The deadline passed before the work was done."},
	} {
		j := job(c.run)
		if c.run == "slow" {
			j.Deadline = time.Now().Add(50 * time.Millisecond)
		}
		b.publish(j)
		f := b.expect(c.run, jobspec.ResultStarted, jobspec.ResultFailed).Failure
		assert.True(t, f != nil && f.Code == c.code && f.Message == c.message, "%s: %+v", c.run, f)
	}
	late := job("late")
	late.Deadline = time.Now().Add(-time.Second)
	b.publish(late)
	f := b.expect("late", jobspec.ResultFailed).Failure
	assert.Equal(t, jobspec.CodeDeadline, f.Code, "a job past its deadline: %+v", f)
	b.publish(job("well"))
	b.expect("well", jobspec.ResultStarted, jobspec.ResultDone)
	b.drained()
	s := w.Stats()
	assert.Equal(t, int64(1), s.Done, "counted %+v", s)
	assert.Equal(t, int64(7), s.Failed, "counted %+v", s)
	assert.Zero(t, s.Redelivered, "counted %+v", s)
}

func TestWorker_RefusesWhatIsNoJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start(worker.Config{Handlers: []worker.Handler{worker.NewNoop("test", nil)}})
	for i, data := range []string{"no JSON", "{}", `{"run":"x","attempt":1,"kind":"image"}`} {
		subject := jobspec.JobSubject(jobspec.KindTranslate, "test", jobspec.LaneBulk, fmt.Sprintf("x%d", i))
		_, err := b.bus.JetStream().Publish(t.Context(), subject, []byte(data))
		require.NoError(t, err)
	}
	bad := job("bad")
	bad.Payload = json.RawMessage(`7`)
	b.publish(bad)
	f := b.expect("bad", jobspec.ResultStarted, jobspec.ResultFailed).Failure
	assert.Equal(t, jobspec.CodeInvalidInput, f.Code, "a payload of another form: %+v", f)
	b.publish(job("good"))
	var out jobspec.Translated
	assert.NoError(t, json.Unmarshal(b.expect("good", jobspec.ResultStarted, jobspec.ResultDone).Payload, &out), "the answer")
	assert.Equal(t, "HELLO", out.Text, "the answer is %+v", out)
	b.drained()
}

func TestWorker_LeavesACancelledRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := newBlocking()
	w, _ := b.start(worker.Config{Slots: 1, AckWait: 600 * time.Millisecond, Handlers: handlers(h.do)})
	b.publish(job("running"))
	b.expect("running", jobspec.ResultStarted)
	b.publish(job("queued"), job("flagged"))

	// Queued: the message is taken back, the worker never sees it.
	n, err := b.bus.PurgeRun(t.Context(), jobspec.JobRunFilter("queued"))
	require.NoError(t, err, "purged")
	require.Equal(t, 1, n, "purged")
	// Delivered later, but flagged before: seen at the start.
	require.NoError(t, b.bus.CancelRun(t.Context(), "flagged"))
	// Running: the control message ends it.
	require.NoError(t, b.bus.CancelRun(t.Context(), "running"))
	receive(t, h.entered, "the task")
	_ = receive(t, h.ended, "its end")
	b.drained()

	// Running, and the control message got lost: the flag is enough.
	b.publish(job("unheard"))
	b.expect("unheard", jobspec.ResultStarted)
	kv, err := b.bus.JetStream().KeyValue(t.Context(), jobspec.BucketCancel)
	require.NoError(t, err)
	_, err = kv.PutString(t.Context(), "unheard", "1")
	require.NoError(t, err)
	run := receive(t, h.entered, "the task").Run
	assert.Equal(t, "unheard", run, "the run %s was started", run)
	_ = receive(t, h.ended, "its end")
	b.drained()

	// Restored: a new attempt runs.
	require.NoError(t, b.bus.RestoreRun(t.Context(), "unheard"))
	again := job("unheard")
	again.Attempt = 2
	b.publish(again)
	close(h.leave)
	b.expect("unheard", jobspec.ResultStarted, jobspec.ResultDone)
	b.drained()
	s := w.Stats()
	assert.Equal(t, int64(3), s.Cancelled, "counted %+v", s)
	assert.Equal(t, int64(1), s.Done, "counted %+v", s)
	assert.Zero(t, s.Failed, "counted %+v", s)
}

// stoppable gives what there is when it is told to stop.
type stoppable struct{}

func (stoppable) Bundle() jobspec.Bundle {
	return jobspec.Bundle{Name: "test", Kind: jobspec.KindTranslate, Pool: "test"}
}

func (stoppable) Handle(ctx context.Context, t worker.Task, _ func(float64, string)) (json.RawMessage, error) {
	select {
	case <-t.Stopped:
		return json.RawMessage(`"so far"`), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestWorker_GivesWhatThereIsOfAStoppedRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start(worker.Config{Slots: 1, AckWait: 600 * time.Millisecond, Handlers: []worker.Handler{stoppable{}}})
	result := func(run string) string {
		return string(b.expect(run, jobspec.ResultDone).Payload)
	}
	b.publish(job("running"))
	b.expect("running", jobspec.ResultStarted)
	require.NoError(t, b.bus.StopRun(t.Context(), "running"))
	assert.Equal(t, `"so far"`, result("running"))

	// The control message got lost: the flag is enough.
	b.publish(job("unheard"))
	b.expect("unheard", jobspec.ResultStarted)
	kv, err := b.bus.JetStream().KeyValue(t.Context(), jobspec.BucketCancel)
	require.NoError(t, err)
	_, err = kv.PutString(t.Context(), "unheard", string(jobspec.FlagStopped))
	require.NoError(t, err)
	assert.Equal(t, `"so far"`, result("unheard"))

	// Stopped between two attempts: the next one ends at once.
	require.NoError(t, b.bus.StopRun(t.Context(), "between"))
	again := job("between")
	again.Attempt = 2
	b.publish(again)
	b.expect("between", jobspec.ResultStarted)
	assert.Equal(t, `"so far"`, result("between"))
	b.drained()
}

func TestWorker_HoldsALongTaskByHeartbeats(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := newBlocking()
	w, _ := b.start(worker.Config{AckWait: 300 * time.Millisecond, Handlers: handlers(h.do)})
	b.publish(job("long"))
	b.expect("long", jobspec.ResultStarted)
	for beats := 0; beats < 8; {
		r := receive(t, b.results, "a heartbeat")
		require.Equal(t, jobspec.ResultHeartbeat, r.Type, "received %s of %s", r.Type, r.Run)
		require.Equal(t, "long", r.Run, "received %s of %s", r.Type, r.Run)
		beats++
	}
	close(h.leave)
	b.expect("long", jobspec.ResultDone)
	b.drained()
	require.Len(t, h.entered, 1, "the task was handed out again")
	assert.Zero(t, w.Stats().Redelivered, "the task was handed out again")
}

func TestWorker_AnnouncesItselfAtTheStartAndWhenAsked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sub, err := b.bus.Conn().SubscribeSync(jobspec.SubjectAnnounce)
	require.NoError(t, err)
	directions := []jobspec.Direction{{Source: "en", Target: "es"}, {Source: "fr", Target: "es", Pivot: true}}
	b.start(worker.Config{ID: "w7", Handlers: []worker.Handler{worker.NewNoop("test", directions)}})
	check := func(m *nats.Msg, err error) {
		t.Helper()
		require.NoError(t, err)
		var a jobspec.Announcement
		if err := json.Unmarshal(m.Data, &a); err != nil || a.Worker != "w7" || len(a.Bundles) != 1 ||
			a.Bundles[0].Pool != "test" || len(a.Bundles[0].Directions) != 2 {
			t.Errorf("announced %s, %v", m.Data, err)
		}
	}
	check(sub.NextMsg(patience))
	check(b.bus.Conn().Request(jobspec.SubjectAnnouncePlease, nil, patience))
	check(sub.NextMsg(patience))
}
