package folder_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"parley/internal/jobspec"
	"parley/internal/natsx"
	"parley/internal/testkit"
	"parley/worker"
	"parley/worker/folder"
	"parley/worker/pipeline"
)

func TestMain(m *testing.M) {
	if os.Getenv("PARLEY_TEST_LOG") == "" {
		slog.SetDefault(slog.New(slog.DiscardHandler))
	}
	goleak.VerifyTestMain(m)
}

const (
	patience = 30 * time.Second
	ackWait  = 600 * time.Millisecond
	encoder  = "onnx/encoder_model.onnx"
)

// bench is a bus of the test's own, with what workers report and announce.
type bench struct {
	t         *testing.T
	bus       *natsx.Bus
	results   chan jobspec.Result
	announced chan jobspec.Announcement
	progress  chan jobspec.Progress
}

func setup(t *testing.T) *bench {
	t.Helper()
	e, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(e.Close)
	b := &bench{t: t, results: make(chan jobspec.Result, 1000), announced: make(chan jobspec.Announcement, 1000), progress: make(chan jobspec.Progress, 1000)}
	b.bus, err = e.Connect(natsx.Options{})
	require.NoError(t, err)
	t.Cleanup(b.bus.Close)
	require.NoError(t, b.bus.EnsureStreams(t.Context()))
	background(t, func(ctx context.Context) error {
		return b.bus.ConsumeResults(ctx, func(_ context.Context, rs []jobspec.Result) error {
			for _, r := range rs {
				if r.Type != jobspec.ResultHeartbeat {
					b.results <- r
				}
			}
			return nil
		})
	})
	listen(b, jobspec.SubjectAnnounce, b.announced)
	listen(b, jobspec.SubjectProgressAll, b.progress)
	return b
}

func listen[T any](b *bench, subject string, into chan T) {
	b.t.Helper()
	sub, err := b.bus.Conn().Subscribe(subject, func(m *nats.Msg) {
		var v T
		if json.Unmarshal(m.Data, &v) == nil {
			into <- v
		}
	})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = sub.Unsubscribe() })
}

// background runs f until the test or the returned function ends it.
func background(t *testing.T, f func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		assert.NoError(t, f(ctx))
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// start runs a worker of a models folder.
func (b *bench) start(id, models, from string) (stop func()) {
	b.t.Helper()
	f, err := folder.Open(b.t.Context(), folder.Config{Models: models, From: from, Options: pipeline.Options{Library: testkit.ONNX(b.t)}, Every: 50 * time.Millisecond})
	require.NoError(b.t, err)
	w, err := worker.New(worker.Config{ID: id, Bus: b.bus, AckWait: ackWait, Grace: 100 * time.Millisecond, Slots: 4, Folder: f.Describe})
	require.NoError(b.t, err)
	require.NoError(b.t, f.Attach(w))
	endFolder := background(b.t, f.Run)
	endWorker := background(b.t, w.Run)
	stop = func() {
		endWorker()
		endFolder()
		assert.NoError(b.t, f.Close())
	}
	b.t.Cleanup(stop)
	return stop
}

// until waits for an announcement of a worker that fits.
func (b *bench) until(what string, fits func(a jobspec.Announcement) bool) jobspec.Announcement {
	b.t.Helper()
	for {
		if a := receive(b.t, b.announced, what); fits(a) {
			return a
		}
	}
}

// folderOf waits for a worker to announce its folder.
func (b *bench) folderOf(id string) string {
	b.t.Helper()
	return b.until("an announcement of "+id, func(a jobspec.Announcement) bool { return a.Worker == id && a.Folder != nil }).Folder.ID
}

func (b *bench) publish(run, kind, folder string, payload any) {
	b.t.Helper()
	data, err := json.Marshal(payload)
	require.NoError(b.t, err)
	for _, err := range b.bus.PublishJobs(b.t.Context(), []jobspec.Job{{
		Run: run, Attempt: 1, Kind: kind, Pool: jobspec.FolderPool(folder), Lane: jobspec.LaneInteractive, Payload: data,
	}}) {
		require.NoError(b.t, err)
	}
}

// end waits for the end of a run.
func (b *bench) end(run string) jobspec.Result {
	b.t.Helper()
	for {
		if r := receive(b.t, b.results, "the end of "+run); r.Run == run && r.Type != jobspec.ResultStarted {
			return r
		}
	}
}

// changed reads what a run found in its folder.
func (b *bench) changed(run string) jobspec.FolderChanged {
	b.t.Helper()
	r := b.end(run)
	require.Equal(b.t, jobspec.ResultDone, r.Type, "the run ended with %+v", r.Failure)
	var c jobspec.FolderChanged
	require.NoError(b.t, json.Unmarshal(r.Payload, &c))
	return c
}

// drained waits until no message is left on JOBS.
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

func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// original is the bundle that tests pull.
func original() string { return filepath.Join(testkit.Root(), "models", "translate-mini") }

// serves tells whether a worker announces a translator.
func serves(a jobspec.Announcement) bool {
	for _, b := range a.Bundles {
		if b.Kind == jobspec.KindTranslate {
			return true
		}
	}
	return false
}
