package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker"
	"parley/worker/model"
	"parley/worker/pipeline"
)

// embedder is a bundle that embeds, opened, with what its reference gives.
type embedder struct {
	worker.Answerer
	bundle jobspec.Bundle
	// texts and pictures are the reference's; files are those of the pictures.
	texts, pictures []referenceVector
	files           [][]byte
}

type referenceVector struct {
	Input     string    `json:"input"`
	Embedding []float32 `json:"embedding"`
}

func openEmbedder(t testing.TB, dir string, o pipeline.Options) *embedder {
	t.Helper()
	o.Library = testkit.ONNX(t)
	models, err := model.Open(t.Context(), dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, models.Close()) })
	require.Len(t, models.Handlers(), 1)
	e := &embedder{bundle: models.Handlers()[0].Bundle()}
	var answers bool
	e.Answerer, answers = models.Handlers()[0].(worker.Answerer)
	require.True(t, answers)
	data, err := os.ReadFile(filepath.Join(dir, "reference.json"))
	require.NoError(t, err)
	var ref struct{ Cases, Texts, Images []referenceVector }
	require.NoError(t, json.Unmarshal(data, &ref))
	e.texts, e.pictures = append(ref.Cases, ref.Texts...), ref.Images
	for _, p := range e.pictures {
		file, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(p.Input)))
		require.NoError(t, err)
		e.files = append(e.files, file)
	}
	return e
}

func sharedEmbedder(t testing.TB, path ...string) *embedder {
	t.Helper()
	return openEmbedder(t, testkit.Shared(t, append([]string{"models"}, path...)...), pipeline.Options{})
}

// job is an embed job for the bundle.
func (e *embedder) job(t testing.TB, run string, in jobspec.Embed) jobspec.Job {
	t.Helper()
	payload, err := json.Marshal(in)
	require.NoError(t, err)
	return jobspec.Job{Run: run, Attempt: 1, Kind: jobspec.KindEmbed, Pool: e.bundle.Pool, Lane: jobspec.LaneBulk, Payload: payload}
}

// inputs are the reference's texts.
func (e *embedder) inputs() []string {
	var all []string
	for _, c := range e.texts {
		all = append(all, c.Input)
	}
	return all
}

// ask asks for the vector of a text or picture.
func (e *embedder) ask(ctx context.Context, b *bench, q jobspec.EmbedQuery) (a jobspec.EmbedAnswer, err error) {
	payload, err := b.bus.Ask(ctx, e.QuerySubject(), q)
	if err == nil {
		err = json.Unmarshal(payload, &a)
	}
	return a, err
}

// heard waits until the worker takes the model's queries.
func (e *embedder) heard(b *bench) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if _, err := e.ask(b.t.Context(), b, jobspec.EmbedQuery{Text: "a"}); err == nil {
			return
		}
	}
	b.t.Fatal("nobody listens")
}

func embedded(t testing.TB, r jobspec.Result) (out jobspec.Embedded) {
	t.Helper()
	require.NoError(t, json.Unmarshal(r.Payload, &out))
	return out
}

// assertNear compares a vector with the reference's.
func assertNear(t testing.TB, want []float32, got jobspec.Vector, about string) {
	t.Helper()
	values, err := got.Values()
	require.NoError(t, err)
	if !assert.Len(t, values, len(want), about) {
		return
	}
	var dot, aa, bb float64
	for i := range want {
		dot += float64(want[i]) * float64(values[i])
		aa += float64(want[i]) * float64(want[i])
		bb += float64(values[i]) * float64(values[i])
	}
	assert.GreaterOrEqual(t, dot/math.Sqrt(aa*bb), 0.9999, about)
	assert.InDelta(t, 1, bb, 1e-5, "%s: its length", about)
}

// bomb is a PNG of a few bytes that says it has a milliard pixels.
func bomb() []byte {
	header := []byte("IHDR\x00\x00\x80\x00\x00\x00\x80\x00\x08\x06\x00\x00\x00")
	sum := crc32.ChecksumIEEE(header)
	return append(append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), header...), byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
}

// Texts and pictures come out as the reference has them, in their order; what can't be
// read fails alone.
func TestEmbed_GivesAVectorOrAFailureForEachItem(t *testing.T) {
	for _, path := range []string{"sticker-mini", "random/clip-random", "random/bert-random", "minilm"} {
		t.Run(path, func(t *testing.T) {
			e := sharedEmbedder(t, strings.Split(path, "/")...)
			b := setup(t)
			b.start(worker.Config{Handlers: []worker.Handler{e}})
			in := jobspec.Embed{Texts: append(e.inputs(), strings.Repeat("a", jobspec.MaxEmbedText+1), "behind it"), Model: e.bundle.Space.Digest}
			in.Pictures = append(append([][]byte{[]byte("no picture"), bomb()}, e.files...), nil)
			b.publish(e.job(t, "run", in))
			out := embedded(t, b.expect("run", jobspec.ResultStarted, jobspec.ResultDone))
			assert.Equal(t, e.bundle.Name, out.Model)
			assert.Equal(t, *e.bundle.Space, jobspec.Space{Digest: out.Digest, Dimensions: out.Dimensions, Texts: true, Pictures: e.pictures != nil})
			require.Len(t, out.Vectors, len(in.Texts)+len(in.Pictures))
			for i, c := range e.texts {
				assertNear(t, c.Embedding, out.Vectors[i].Vector, c.Input)
			}
			behind := out.Vectors[len(e.texts):]
			wants := map[int]string{0: "bytes", 2: "can't be read", 3: "too large", len(behind) - 1: "can't be read"}
			if e.pictures == nil {
				wants = map[int]string{0: "bytes", 2: "reads no pictures", 3: "reads no pictures", 4: "reads no pictures"}
			}
			for i, want := range wants {
				require.NotNil(t, behind[i].Failure, "%d: %s", i, want)
				assert.Equal(t, jobspec.CodeInvalidInput, behind[i].Failure.Code)
				assert.Contains(t, behind[i].Failure.Message, want)
				assert.Empty(t, behind[i].Vector)
			}
			assert.NotEmpty(t, behind[1].Vector, "the text behind one that can't be read")
			for i, c := range e.pictures {
				assertNear(t, c.Embedding, behind[4+i].Vector, c.Input)
			}
		})
	}
}

func TestEmbed_RefusesWhatIsTooMuch(t *testing.T) {
	e := sharedEmbedder(t, "random", "clip-random")
	b := setup(t)
	b.start(worker.Config{Handlers: []worker.Handler{e}})
	for name, c := range map[string]struct {
		in   any
		code jobspec.Code
		says string
	}{
		"nothing":       {jobspec.Embed{}, jobspec.CodeInvalidInput, "neither"},
		"too many":      {jobspec.Embed{Texts: make([]string, jobspec.MaxEmbedItems+1)}, jobspec.CodeInvalidInput, "at most 256"},
		"too large":     {jobspec.Embed{Pictures: [][]byte{make([]byte, 600<<10)}}, jobspec.CodeInvalidInput, "bytes"},
		"another model": {jobspec.Embed{Texts: []string{"a"}, Model: "other"}, jobspec.CodeModelMissing, "another model"},
		"no payload":    {[]int{1}, jobspec.CodeInvalidInput, "can't be read"},
	} {
		j := e.job(t, "run-"+jobspec.Token(name), jobspec.Embed{})
		var err error
		j.Payload, err = json.Marshal(c.in)
		require.NoError(t, err)
		b.publish(j)
		f := b.expect(j.Run, jobspec.ResultStarted, jobspec.ResultFailed).Failure
		assert.Equal(t, c.code, f.Code, name)
		assert.Contains(t, f.Message, c.says, name)
	}
	// JSON that is not UTF-8 can't be a message of ours; it is refused, not mended.
	_, err := e.Handle(t.Context(), worker.Task{Payload: json.RawMessage("{\"texts\":[\"\xff\"]}")}, nil)
	assert.ErrorContains(t, err, "UTF-8")
	_, err = e.Answer(t.Context(), json.RawMessage("{\"text\":\"\xff\"}"))
	assert.ErrorContains(t, err, "UTF-8")
}

// Alone, in company, from a job or a query: the same bytes. What a model can't read of a
// text is cut.
func TestEmbed_TheSameBytesAloneAndInCompany(t *testing.T) {
	for _, path := range []string{"sticker-mini", "random/clip-random"} {
		t.Run(path, func(t *testing.T) {
			e := sharedEmbedder(t, strings.Split(path, "/")...)
			b := setup(t)
			w, _ := b.start(worker.Config{Handlers: []worker.Handler{e}})
			texts := append(e.inputs(), strings.Repeat("word ", 600), strings.Repeat("word ", 700))
			b.publish(e.job(t, "run", jobspec.Embed{Texts: texts, Pictures: e.files}))
			out := embedded(t, b.expect("run", jobspec.ResultStarted, jobspec.ResultDone))
			e.heard(b)
			var asked sync.WaitGroup
			for i := range 200 {
				asked.Go(func() {
					ctx, end := context.WithTimeout(t.Context(), patience)
					defer end()
					n := i % len(out.Vectors)
					q := jobspec.EmbedQuery{}
					if n < len(texts) {
						q.Text = texts[n]
					} else {
						q.Picture = e.files[n-len(texts)]
					}
					if q.Text == "" && q.Picture == nil {
						q.Text = " "
					}
					a, err := e.ask(ctx, b, q)
					if assert.NoError(t, err) && q.Text != " " {
						assert.True(t, bytes.Equal(out.Vectors[n].Vector, a.Vector), "item %d", n)
						assert.Equal(t, out.Digest, a.Digest)
					}
				})
			}
			asked.Wait()
			assert.GreaterOrEqual(t, w.Stats().Answered, int64(200))
			assert.True(t, bytes.Equal(out.Vectors[len(texts)-2].Vector, out.Vectors[len(texts)-1].Vector), "both are cut to what the model reads")
		})
	}
}

func TestEmbed_QueriesFailWithCodes(t *testing.T) {
	e := sharedEmbedder(t, "sticker-mini")
	b := setup(t)
	b.start(worker.Config{Handlers: []worker.Handler{e}})
	e.heard(b)
	for says, q := range map[string]jobspec.EmbedQuery{
		"at most 4096":  {Text: strings.Repeat("a", jobspec.MaxQueryText+1)},
		"can't be read": {Picture: []byte("no picture")},
		"too large":     {Picture: bomb()},
	} {
		_, err := e.ask(t.Context(), b, q)
		assert.Equal(t, jobspec.CodeInvalidInput, codeOf(err), says)
		assert.ErrorContains(t, err, says)
	}
}

// Queries whose time is up cost no run of the model, and leave room for others.
func TestEmbed_QueriesThatAreLateAreDropped(t *testing.T) {
	e := sharedEmbedder(t, "sticker-mini")
	b := setup(t)
	w, _ := b.start(worker.Config{Handlers: []worker.Handler{e}})
	e.heard(b)
	long := strings.Repeat("many words of all kinds ", 100)
	before := w.Stats().Answered
	var asked sync.WaitGroup
	for i := range 200 {
		asked.Go(func() {
			ctx, end := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer end()
			if _, err := e.ask(ctx, b, jobspec.EmbedQuery{Text: fmt.Sprint(i, long)}); err != nil {
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			}
		})
	}
	asked.Wait()
	_, err := e.ask(t.Context(), b, jobspec.EmbedQuery{Text: "one that can wait"})
	require.NoError(t, err)
	s := w.Stats()
	assert.Positive(t, s.Late)
	assert.Less(t, s.Answered-before, int64(201))
}

// progress hears how far a run is.
func (b *bench) progress(run string) <-chan jobspec.Progress {
	b.t.Helper()
	told := make(chan jobspec.Progress, 1000)
	s, err := b.bus.Conn().Subscribe(jobspec.ProgressSubject(run), func(m *nats.Msg) {
		var p jobspec.Progress
		if json.Unmarshal(m.Data, &p) == nil {
			told <- p
		}
	})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = s.Unsubscribe() })
	require.NoError(b.t, b.bus.Conn().Flush())
	return told
}

// manyTexts take a model a while.
func manyTexts() []string {
	texts := make([]string, 64)
	for i := range texts {
		texts[i] = fmt.Sprint(i, strings.Repeat(" a word and another", 12))
	}
	return texts
}

// A run whose worker vanished in the middle is done by another one, with the same bytes.
func TestEmbed_AnotherWorkerGivesTheSameBytes(t *testing.T) {
	server := testkit.NATS(t)
	b, doomed := connectedTo(t, server), connect(t, server)
	first, second := sharedEmbedder(t, "sticker-mini"), sharedEmbedder(t, "sticker-mini")
	const ackWait = 500 * time.Millisecond
	lost, err := worker.New(worker.Config{ID: "lost", Bus: doomed, AckWait: ackWait, Grace: time.Millisecond, Handlers: []worker.Handler{first}})
	require.NoError(t, err)
	background(t, lost.Run)
	told := b.progress("run")
	j := first.job(t, "run", jobspec.Embed{Texts: manyTexts()})
	b.publish(j)
	p := receive(t, told, "progress")
	assert.Greater(t, p.Progress, 0.0)
	doomed.Conn().Close()
	b.start(worker.Config{ID: "heir", AckWait: ackWait, Handlers: []worker.Handler{second}})
	r := b.next()
	for ; r.Type != jobspec.ResultDone; r = b.next() {
	}
	assert.Equal(t, "heir", r.Worker)
	alone, err := second.Handle(t.Context(), worker.Task{Payload: j.Payload}, func(float64, string) {})
	require.NoError(t, err)
	assert.True(t, bytes.Equal(alone, r.Payload), "other bytes")
	b.drained()
}

// A query does not wait for a job: it goes between two of its portions.
func TestEmbed_AQueryGoesBetweenThePortionsOfAJob(t *testing.T) {
	e := sharedEmbedder(t, "sticker-mini")
	b := setup(t)
	b.start(worker.Config{Handlers: []worker.Handler{e}})
	e.heard(b)
	told := b.progress("run")
	texts := append(manyTexts(), manyTexts()...)
	b.publish(e.job(t, "run", jobspec.Embed{Texts: texts}))
	b.expect("run", jobspec.ResultStarted)
	receive(t, told, "progress")
	for range 3 {
		_, err := e.ask(t.Context(), b, jobspec.EmbedQuery{Text: "red apple"})
		require.NoError(t, err)
	}
	assert.Empty(t, b.results, "the job was over before the queries")
	b.expect("run", jobspec.ResultDone)
}

func TestEmbed_CancelEndsItInTheMiddle(t *testing.T) {
	e := sharedEmbedder(t, "sticker-mini")
	b := setup(t)
	w, _ := b.start(worker.Config{Handlers: []worker.Handler{e}})
	told := b.progress("run")
	b.publish(e.job(t, "run", jobspec.Embed{Texts: manyTexts()}))
	b.expect("run", jobspec.ResultStarted)
	receive(t, told, "progress")
	require.NoError(t, b.bus.CancelRun(t.Context(), "run"))
	b.drained()
	s := w.Stats()
	assert.Equal(t, int64(1), s.Cancelled)
	assert.Zero(t, s.Done)
	b.publish(e.job(t, "next", jobspec.Embed{Texts: []string{"a"}}))
	b.expect("next", jobspec.ResultStarted, jobspec.ResultDone)
}

// A model that is loaded when it is needed is announced with all that it can do.
func TestEmbed_ModelsAreAnnouncedBeforeTheyAreLoaded(t *testing.T) {
	at, later := sharedEmbedder(t, "sticker-mini"), openEmbedder(t, testkit.Shared(t, "models", "sticker-mini"), pipeline.Options{OnUse: true})
	assert.Equal(t, at.bundle, later.bundle)
	assert.Equal(t, 384, at.bundle.Space.Dimensions)
	assert.Equal(t, jobspec.KindEmbed, at.bundle.Kind)
	b := setup(t)
	b.start(worker.Config{Handlers: []worker.Handler{later}})
	later.heard(b)
}
