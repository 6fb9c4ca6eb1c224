package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/natsx"
	"parley/internal/testkit"
	"parley/worker"
)

func TestNew_RefusesWhatCanNotWork(t *testing.T) {
	t.Parallel()
	b := setup(t)
	noop := worker.NewNoop("test", nil)
	for name, c := range map[string]worker.Config{
		"no bus":               {Handlers: []worker.Handler{noop}},
		"two of one pool":      {Bus: b.bus, Handlers: []worker.Handler{noop, worker.NewNoop("test", nil)}},
		"a pool with a dot":    {Bus: b.bus, Handlers: []worker.Handler{worker.NewNoop("a.b", nil)}},
		"a pool without name ": {Bus: b.bus, Handlers: []worker.Handler{worker.NewNoop("", nil)}},
	} {
		_, err := worker.New(c)
		assert.Error(t, err, "%s was accepted", name)
	}
}

// A worker vanishes without a word (its connection is cut): after AckWait the
// same attempt goes to another, alone.
func TestWorker_AnotherTakesOverWhenOneVanishes(t *testing.T) {
	t.Parallel()
	server := testkit.NATS(t)
	b, doomed := connectedTo(t, server), connect(t, server)
	const ackWait = 500 * time.Millisecond
	first, second := newBlocking(), newBlocking()
	lost, err := worker.New(worker.Config{ID: "lost", Bus: doomed, AckWait: ackWait, Grace: time.Millisecond, Handlers: handlers(first.do)})
	require.NoError(t, err)
	background(t, lost.Run)
	b.publish(job("run1"))
	assert.False(t, receive(t, first.entered, "the first start").Alone, "the first start is said to be alone")
	doomed.Conn().Close()
	b.start(worker.Config{ID: "heir", AckWait: ackWait, Handlers: handlers(second.do)})
	task := receive(t, second.entered, "the second start")
	assert.True(t, task.Alone, "the second start is %+v", task)
	assert.Equal(t, 1, task.Attempt, "the second start is %+v", task)
	close(second.leave)
	for {
		if r := b.next(); r.Type == jobspec.ResultDone {
			assert.Equal(t, "heir", r.Worker, "the result is from %s", r.Worker)
			break
		}
	}
	b.drained()
}

func TestWorker_SurvivesAServerThatIsKilledInTheMiddleOfATask(t *testing.T) {
	t.Parallel()
	server := testkit.NATS(t)
	b := connectedTo(t, server)
	h := newBlocking()
	b.start(worker.Config{Handlers: handlers(h.do)})
	b.publish(job("run1"))
	receive(t, h.entered, "the task")
	server.Kill()
	close(h.leave)
	_ = receive(t, h.ended, "the work's end")
	server.Restart()
	for r := b.next(); r.Type != jobspec.ResultDone; r = b.next() {
	}
	// An acknowledged publish may be lost to a kill; the test is about what
	// comes after the restart.
	next := job("run2")
	for err := errors.New("not tried"); err != nil && !errors.Is(err, natsx.ErrDuplicate); {
		err = b.bus.PublishJob(t.Context(), next)
	}
	for r := b.next(); r.Type != jobspec.ResultDone || r.Run != "run2"; r = b.next() {
	}
}

func TestWorker_SurvivesTheLossOfItsConsumers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start(worker.Config{Handlers: []worker.Handler{worker.NewNoop("test", nil)}})
	b.publish(job("before"))
	b.expect("before", jobspec.ResultStarted, jobspec.ResultDone)
	for _, lane := range []jobspec.Lane{jobspec.LaneInteractive, jobspec.LaneBulk} {
		consumer := jobspec.JobConsumer(jobspec.KindTranslate, "test", lane)
		require.NoError(t, b.bus.JetStream().DeleteConsumer(t.Context(), jobspec.StreamJobs, consumer))
	}
	b.publish(job("after"))
	b.expect("after", jobspec.ResultStarted, jobspec.ResultDone)
	require.NoError(t, b.bus.JetStream().DeleteStream(t.Context(), jobspec.StreamJobs))
	require.NoError(t, b.bus.EnsureStreams(t.Context()))
	b.publish(job("anew"))
	b.expect("anew", jobspec.ResultStarted, jobspec.ResultDone)
}

func TestWorker_SharesItsSlotsSixToOne(t *testing.T) {
	t.Parallel()
	for _, slots := range []int{1, 3, 14} {
		t.Run(fmt.Sprint(slots), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			var jobs []jobspec.Job
			for i := range 200 {
				interactive, bulk := job(fmt.Sprintf("i%d", i)), job(fmt.Sprintf("b%d", i))
				bulk.Lane = jobspec.LaneBulk
				jobs = append(jobs, interactive, bulk)
			}
			b.publish(jobs...)
			var mu sync.Mutex
			var order []byte
			b.start(worker.Config{Slots: slots, Handlers: handlers(
				func(_ context.Context, t worker.Task, _ func(float64, string)) (json.RawMessage, error) {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, t.Run[0])
					return json.RawMessage(`{}`), nil
				})})
			for range 2 * len(jobs) {
				b.next()
			}
			mu.Lock()
			defer mu.Unlock()
			bulk := 0
			for _, lane := range order[:140] {
				if lane == 'b' {
					bulk++
				}
			}
			if bulk < 14 || bulk > 28 {
				t.Errorf("of the first 140 tasks %d were bulk, want about 20: %s", bulk, order[:140])
			}
		})
	}
}

func TestWorker_GivesAllSlotsToTheLaneThatHasWork(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := newBlocking()
	b.start(worker.Config{Slots: 8, Handlers: handlers(h.do)})
	var jobs []jobspec.Job
	for i := range 30 {
		j := job(fmt.Sprintf("b%d", i))
		j.Lane = jobspec.LaneBulk
		jobs = append(jobs, j)
	}
	b.publish(jobs...)
	for range 8 {
		receive(t, h.entered, "bulk on every slot")
	}
	// An interactive task goes before the bulk that waits longer. A few may be ahead
	// of it: the server may say that there is none, before its consumer has heard of
	// what was stored, and is asked again 2 ms later.
	b.publish(job("urgent"))
	before := 0
	for h.leave <- struct{}{}; receive(t, h.entered, "the next task").Run != "urgent"; h.leave <- struct{}{} {
		before++
	}
	assert.LessOrEqual(t, before, 10, "%d bulk tasks went before the interactive one", before)
	close(h.leave)
	for range 22 - before {
		receive(t, h.entered, "the rest")
	}
	b.drained()
}

func TestWorker_StopLetsTasksFinishAndHandsBackTheRest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := newBlocking()
	_, stopFirst := b.start(worker.Config{Slots: 2, Grace: 200 * time.Millisecond, Handlers: handlers(
		func(ctx context.Context, task worker.Task, progress func(float64, string)) (json.RawMessage, error) {
			if task.Run == "quick" {
				h.entered <- task
				<-h.leave
				return json.RawMessage(`{}`), nil
			}
			return h.do(context.WithoutCancel(ctx), task, progress)
		})})
	b.publish(job("quick"), job("deaf"), job("waits"))
	receive(t, h.entered, "the first task")
	receive(t, h.entered, "the second task")
	go func() { h.leave <- struct{}{} }()
	go stopFirst()
	// "quick" or "deaf" may have taken the signal; the other one is deaf to the
	// end of its context and is handed back over its head.
	heir := newBlocking()
	close(heir.leave)
	b.start(worker.Config{ID: "heir", Handlers: handlers(heir.do)})
	done := map[string]int{}
	for len(done) < 3 {
		if r := b.next(); r.Type == jobspec.ResultDone {
			done[r.Run]++
		}
	}
	b.drained()
	stopFirst()
	close(h.leave)
	for run, n := range done {
		assert.Equal(t, 1, n, "%s ended %d times", run, n)
	}
}

func TestWorker_StopHandsARunningTaskToAnotherAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := newBlocking(), newBlocking()
	w, stop := b.start(worker.Config{Grace: 10 * time.Millisecond, Handlers: handlers(first.do)})
	b.publish(job("run1"))
	b.expect("run1", jobspec.ResultStarted)
	stop()
	_ = receive(t, first.ended, "the first worker's end")
	s := w.Stats()
	assert.Equal(t, int64(1), s.GivenBack, "counted %+v", s)
	assert.Zero(t, s.Failed, "counted %+v", s)
	assert.Zero(t, s.Running, "counted %+v", s)
	close(second.leave)
	// AckWait is 30 seconds: only a message that was handed back comes in time.
	b.start(worker.Config{ID: "heir", Handlers: handlers(second.do)})
	if r := b.next(); r.Type == jobspec.ResultStarted {
		b.expect("run1", jobspec.ResultDone)
	}
}

func TestWorker_TwoWorkersShareTheQueue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var meet sync.WaitGroup
	meet.Add(2)
	together := func(context.Context, worker.Task, func(float64, string)) (json.RawMessage, error) {
		meet.Done()
		meet.Wait()
		return json.RawMessage(`{}`), nil
	}
	b.start(worker.Config{ID: "w1", Slots: 1, Handlers: handlers(together)})
	b.start(worker.Config{ID: "w2", Slots: 1, Handlers: handlers(together)})
	// Each has one slot and waits for the other: only both together can end.
	b.publish(job("a"), job("b"))
	workers := map[string]bool{}
	for range 4 {
		workers[b.next().Worker] = true
	}
	assert.Len(t, workers, 2, "the work was done by %v", workers)
	b.drained()
}

func TestWorker_StartsAndStopsAgainAndAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w, err := worker.New(worker.Config{Bus: b.bus, Handlers: []worker.Handler{worker.NewNoop("test", nil)}})
	require.NoError(t, err)
	for i := range 20 {
		run := fmt.Sprintf("run%d", i)
		stop := background(t, w.Run)
		b.publish(job(run))
		if i%2 == 0 {
			b.expect(run, jobspec.ResultStarted, jobspec.ResultDone)
			stop()
			continue
		}
		// Stopped in the middle: the message waits for the next worker, or has
		// ended.
		stop()
		stop = background(t, w.Run)
		for r := b.next(); r.Run != run || r.Type != jobspec.ResultDone; r = b.next() {
		}
		stop()
	}
	b.drained()
}

type failing struct{ handler }

func (failing) Run(context.Context) error { return errors.New("the model is gone") }

func TestWorker_EndsWhenAHandlersServiceFails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w, err := worker.New(worker.Config{Bus: b.bus, Handlers: []worker.Handler{failing{handler{pool: "test"}}}})
	require.NoError(t, err)
	assert.Error(t, w.Run(t.Context()), "the worker went on without its handler")
}
