package model

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/natsx"
	"parley/internal/testkit"
	"parley/worker"
	"parley/worker/pipeline"
)

// A test's own binary is a worker where these are set.
const (
	envWorkerNATS   = "PARLEY_TEST_WORKER_NATS"
	envWorkerModels = "PARLEY_TEST_WORKER_MODELS"
	// envKills is how many workers TestKilledWorkersLeaveNoTrace kills, 10 unless set.
	envKills = "PARLEY_KILLS"
)

const (
	patience = 60 * time.Second
	// killedAckWait is short, so that the work of a worker that was killed is soon
	// handed to the next.
	killedAckWait = 400 * time.Millisecond
)

func TestMain(m *testing.M) {
	if os.Getenv(envWorkerNATS) == "" {
		os.Exit(m.Run())
	}
	if err := serveForTest(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// serveForTest is a worker process, until it is killed.
func serveForTest() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	bus, err := natsx.Connect(ctx, os.Getenv(envWorkerNATS), natsx.Options{})
	if err != nil {
		return err
	}
	set, err := Open(ctx, os.Getenv(envWorkerModels), pipeline.Options{Library: os.Getenv("ONNXRUNTIME_LIB")})
	if err != nil {
		return err
	}
	w, err := worker.New(worker.Config{Bus: bus, AckWait: killedAckWait, Slots: 4})
	if err != nil {
		return err
	}
	for _, h := range set.Handlers() {
		if err := w.Serve(h); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	return w.Run(ctx)
}

// doomed is a worker process.
type doomed struct {
	t       *testing.T
	command *exec.Cmd
}

// hire starts a worker process and waits until it works.
func hire(t *testing.T, nats, models string) *doomed {
	t.Helper()
	c := exec.Command(os.Args[0]) //nolint:gosec // the test's own binary
	c.Env = append(os.Environ(), envWorkerNATS+"="+nats, envWorkerModels+"="+models, "ONNXRUNTIME_LIB="+testkit.ONNX(t))
	c.Stderr = t.Output()
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	d := &doomed{t, c}
	t.Cleanup(d.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	return d
}

// kill gives it no chance to say anything.
func (d *doomed) kill() {
	if d.command.ProcessState == nil {
		assert.NoError(d.t, d.command.Process.Kill())
		_ = d.command.Wait()
	}
}

// house is a NATS server with all that is said on it.
type house struct {
	t       *testing.T
	url     string
	models  string
	bus     *natsx.Bus
	words   chan jobspec.Progress
	results chan jobspec.Result
}

func openHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, url: testkit.NATS(t).URL(), models: t.TempDir(), words: make(chan jobspec.Progress, 1<<16), results: make(chan jobspec.Result, 1<<16)}
	require.NoError(t, os.CopyFS(filepath.Join(h.models, "caption-mini"), os.DirFS(testkit.Model(t, "caption-mini"))))
	require.NoError(t, os.CopyFS(filepath.Join(h.models, "lcm-random"), os.DirFS(testkit.Shared(t, "models", "random", "lcm-random"))))
	require.NoError(t, os.CopyFS(filepath.Join(h.models, "translate-mini"), os.DirFS(testkit.Model(t, "translate-mini"))))
	var err error
	h.bus, err = natsx.Connect(t.Context(), h.url, natsx.Options{})
	require.NoError(t, err)
	t.Cleanup(h.bus.Close)
	require.NoError(t, h.bus.EnsureStreams(t.Context()))
	_, err = h.bus.Conn().Subscribe(jobspec.SubjectProgressAll, func(m *nats.Msg) {
		var p jobspec.Progress
		if json.Unmarshal(m.Data, &p) == nil {
			h.words <- p
		}
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- h.bus.ConsumeResults(ctx, func(_ context.Context, rs []jobspec.Result) error {
			for _, r := range rs {
				h.results <- r
			}
			return nil
		})
	}()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-ended)
	})
	return h
}

// work is a kind of job that is killed again and again.
type work struct {
	name, kind, pool string
	payload          func(seed uint64) any
	// silent work tells no words while it is under way, and begins anew.
	silent bool
}

var killed = []work{
	{name: "greedy", kind: jobspec.KindWrite, pool: "caption-mini", payload: func(seed uint64) any {
		return jobspec.Write{Prompt: fmt.Sprintf("A picture of %d dogs", seed), Settings: []byte(`{"do_sample": false, "max_new_tokens": 240, "min_new_tokens": 240}`)}
	}},
	{name: "sampling", kind: jobspec.KindWrite, pool: "caption-mini", payload: func(seed uint64) any {
		return jobspec.Write{Prompt: "A picture of", Seed: seed, Settings: []byte(`{"do_sample": true, "max_new_tokens": 240, "min_new_tokens": 240}`)}
	}},
	{name: "beams", silent: true, kind: jobspec.KindWrite, pool: "caption-mini", payload: func(seed uint64) any {
		return jobspec.Write{Prompt: fmt.Sprintf("A picture of %d cats", seed), Settings: []byte(`{"do_sample": false, "num_beams": 4, "max_new_tokens": 160}`)}
	}},
	{name: "diffusion", kind: jobspec.KindDraw, pool: "lcm-random", payload: func(seed uint64) any {
		return jobspec.Draw{Prompt: "a cat", Seed: seed, Steps: 25, Width: 64, Height: 64}
	}},
	{name: "translation", kind: jobspec.KindTranslate, pool: "translate-mini", payload: func(seed uint64) any {
		return jobspec.Translate{Source: "en", Target: "es", Text: strings.Repeat(fmt.Sprintf("There are %d dogs in the house. We will see each other at the station tomorrow. ", seed), 30)}
	}},
}

// Whatever a worker did when it was killed, the next one ends with the bytes that come out
// undisturbed, and what watchers are told only grows: of a text it is always the same.
// A search with beams says nothing while it is under way and begins anew.
func TestKilledWorkersLeaveNoTrace(t *testing.T) {
	kills := 10
	if s := os.Getenv(envKills); s != "" {
		var err error
		kills, err = strconv.Atoi(s)
		require.NoError(t, err)
	}
	h := openHouse(t)
	f := follower{house: h, random: rand.New(rand.NewPCG(1, uint64(kills)))} //nolint:gosec // chooses moments
	f.hire()
	done, after := 0, map[string]int{}
	for seed := uint64(1); done < kills; seed++ {
		for _, w := range killed {
			undisturbed, _ := f.follow(w, fmt.Sprintf("%s-%d", w.name, seed), seed, 0)
			run := fmt.Sprintf("%s-%d-killed", w.name, seed)
			disturbed, n := f.follow(w, run, seed, 3)
			done, after[w.name] = done+n, after[w.name]+n
			require.Equal(t, undisturbed, disturbed, "%s, seed %d, after %d kills", w.name, seed, n)
			require.Eventually(t, func() bool {
				_, kept, err := h.bus.Record(t.Context(), run)
				return err == nil && !kept
			}, patience, 5*time.Millisecond, "what was kept is dropped with the result")
		}
	}
	t.Logf("%d workers were killed: %v", done, after)
	for _, w := range killed {
		assert.NotZero(t, after[w.name], w.name)
	}
}

// follower gives work to one worker after another.
type follower struct {
	*house
	random *rand.Rand
	worker *doomed
}

func (f *follower) hire() { f.worker = hire(f.t, f.url, f.models) }

// follow has a run done and gives its result. Up to kills times the worker is killed, at a
// random word since it began, and another hired.
func (f *follower) follow(w work, run string, seed uint64, kills int) (result string, done int) {
	f.t.Helper()
	payload, err := json.Marshal(w.payload(seed))
	require.NoError(f.t, err)
	require.NoError(f.t, f.bus.PublishJob(f.t.Context(), jobspec.Job{
		Run: run, Attempt: 1, Kind: w.kind, Pool: w.pool, Lane: jobspec.LaneInteractive, Payload: payload,
	}))
	var last jobspec.Progress
	words, at := 0, f.random.IntN(3)
	for limit := time.After(patience); ; {
		doom := false
		select {
		case p := <-f.words:
			if p.Run != run {
				continue
			}
			require.True(f.t, strings.HasPrefix(p.Partial, last.Partial), "%s: after %q came %q", run, last.Partial, p.Partial)
			require.GreaterOrEqual(f.t, p.Progress, last.Progress, run)
			last = p
			words++
			doom = words > at
		case r := <-f.results:
			if r.Run != run {
				continue
			}
			require.NotEqual(f.t, jobspec.ResultFailed, r.Type, "%s: %+v", run, r.Failure)
			if r.Type == jobspec.ResultDone {
				return string(r.Payload), done
			}
			doom = r.Type == jobspec.ResultStarted && (w.silent || at == 0)
		case <-limit:
			f.t.Fatalf("%s does not end", run)
		}
		if doom && done < kills {
			f.worker.kill()
			// It was not the work's fault: otherwise the second kill would be its end.
			require.NoError(f.t, f.bus.PutCustody(f.t.Context(), run, jobspec.Custody{Attempt: 1, Returned: true}))
			f.hire()
			words, at, done = 0, f.random.IntN(3), done+1
		}
	}
}
