package worker_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"parley/internal/jobspec"
	"parley/internal/natsx"
	"parley/internal/testkit"
	"parley/worker"
)

func TestMain(m *testing.M) {
	if os.Getenv("PARLEY_TEST_LOG") == "" {
		slog.SetDefault(slog.New(slog.DiscardHandler))
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for a signal before it fails.
const patience = 20 * time.Second

// bench is a bus of the test's own, with everything that RESULTS receives.
type bench struct {
	t       testing.TB
	bus     *natsx.Bus
	results chan jobspec.Result
}

func setup(t testing.TB) *bench {
	t.Helper()
	e, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(e.Close)
	b := &bench{t: t, results: make(chan jobspec.Result, 10_000)}
	b.bus, err = e.Connect(natsx.Options{})
	require.NoError(t, err)
	t.Cleanup(b.bus.Close)
	require.NoError(t, b.bus.EnsureStreams(t.Context()))
	b.record()
	return b
}

// connectedTo is a bench on a server that the test kills or leaves.
func connectedTo(t testing.TB, server *testkit.NATSServer) *bench {
	t.Helper()
	b := &bench{t: t, bus: connect(t, server), results: make(chan jobspec.Result, 1000)}
	require.NoError(t, b.bus.EnsureStreams(t.Context()))
	b.record()
	return b
}

func connect(t testing.TB, server *testkit.NATSServer) *natsx.Bus {
	t.Helper()
	bus, err := natsx.Connect(t.Context(), server.URL(), natsx.Options{})
	require.NoError(t, err)
	t.Cleanup(bus.Close)
	return bus
}

// record receives results until the test ends.
func (b *bench) record() {
	b.t.Helper()
	background(b.t, func(ctx context.Context) error {
		return b.bus.ConsumeResults(ctx, func(_ context.Context, rs []jobspec.Result) error {
			for _, r := range rs {
				b.results <- r
			}
			return nil
		})
	})
}

// background runs f until the test or the returned function ends it.
func background(t testing.TB, f func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	var once sync.Once
	stop = func() {
		cancel()
		once.Do(func() {
			select {
			case err := <-done:
				assert.NoError(t, err, "the service failed")
			case <-time.After(patience):
				t.Error("the service did not stop")
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// start runs a worker with one handler; zero settings get the tests' defaults.
func (b *bench) start(c worker.Config) (w *worker.Worker, stop func()) {
	b.t.Helper()
	c.Bus = b.bus
	if c.Slots == 0 {
		c.Slots = 4
	}
	w, err := worker.New(c)
	require.NoError(b.t, err)
	return w, background(b.t, w.Run)
}

func job(run string) jobspec.Job {
	return jobspec.Job{
		Run: run, Attempt: 1, Kind: jobspec.KindTranslate, Pool: "test", Lane: jobspec.LaneInteractive,
		Payload: json.RawMessage(`{"text":"hello","source":"en","target":"es"}`),
	}
}

func (b *bench) publish(jobs ...jobspec.Job) {
	b.t.Helper()
	for i, err := range b.bus.PublishJobs(b.t.Context(), jobs) {
		require.NoError(b.t, err, "publish %s", jobs[i].Run)
	}
}

// next gives the next result that is no heartbeat.
func (b *bench) next() jobspec.Result {
	b.t.Helper()
	for {
		if r := receive(b.t, b.results, "a result"); r.Type != jobspec.ResultHeartbeat {
			return r
		}
	}
}

// expect waits for results of these types, in order, and gives the last.
func (b *bench) expect(run string, types ...jobspec.ResultType) (last jobspec.Result) {
	b.t.Helper()
	for _, typ := range types {
		last = b.next()
		require.Equal(b.t, run, last.Run, "received %s of %s (%v), want %s of %s", last.Type, last.Run, last.Failure, typ, run)
		require.Equal(b.t, typ, last.Type, "received %s of %s (%v), want %s of %s", last.Type, last.Run, last.Failure, typ, run)
	}
	return last
}

// drained waits until no message is left on JOBS. It asks again and again: the
// server says nothing when it has forgotten a message that was acknowledged.
func (b *bench) drained() {
	b.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if queued, err := b.bus.QueuedRun(b.t.Context(), jobspec.SubjectJobsAll); err == nil && !queued {
			return
		}
	}
	b.t.Fatal("messages are left on JOBS")
}

func receive[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// handler is a Handler made of a function.
type handler struct {
	pool string
	do   func(ctx context.Context, t worker.Task, progress func(float64, string)) (json.RawMessage, error)
}

func handlers(do func(ctx context.Context, t worker.Task, progress func(float64, string)) (json.RawMessage, error)) []worker.Handler {
	return []worker.Handler{handler{"test", do}}
}

func (h handler) Bundle() jobspec.Bundle {
	return jobspec.Bundle{Name: h.pool, Kind: jobspec.KindTranslate, Pool: h.pool,
		Directions: []jobspec.Direction{{Source: "en", Target: "es"}}}
}

func (h handler) Handle(ctx context.Context, t worker.Task, progress func(float64, string)) (json.RawMessage, error) {
	return h.do(ctx, t, progress)
}

// blocking is a handler that says that it began and ends with its context or a
// value from leave.
type blocking struct {
	entered chan worker.Task
	ended   chan error
	leave   chan struct{}
}

func newBlocking() *blocking {
	return &blocking{make(chan worker.Task, 100), make(chan error, 100), make(chan struct{})}
}

func (b *blocking) do(ctx context.Context, t worker.Task, _ func(float64, string)) (json.RawMessage, error) {
	b.entered <- t
	select {
	case <-ctx.Done():
		b.ended <- context.Cause(ctx)
		return nil, ctx.Err()
	case <-b.leave:
		b.ended <- nil
		return json.RawMessage(`{}`), nil
	}
}
