package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"parley/bench/paper"
	"parley/worker/bundle"
	"parley/worker/pipeline"
	"parley/worker/pipeline/embed"
)

// embedder is a system that turns texts into vectors: callers at once, each with a batch
// of texts at a time. The vector of a text that it refuses is nil.
type embedder interface {
	embed(ctx context.Context, texts []string, batch, callers int) (run, [][]float32, error)
	close() error
}

// ourTexts is the worker's pipeline.
type ourTexts struct {
	texts *embed.Texts
	stop  context.CancelFunc
	ended chan error
}

func openTexts(ctx context.Context, dir string, threads int) (*ourTexts, error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return nil, err
	}
	o := &ourTexts{ended: make(chan error, 1)}
	if o.texts, err = embed.OpenTexts(ctx, b, pipeline.Options{Threads: threads}); err != nil {
		return nil, err
	}
	ctx, o.stop = context.WithCancel(ctx)
	go func() { o.ended <- o.texts.Run(ctx) }()
	return o, nil
}

func (o *ourTexts) close() error {
	o.stop()
	return errors.Join(<-o.ended, o.texts.Close())
}

func (o *ourTexts) embed(ctx context.Context, texts []string, batch, callers int) (run, [][]float32, error) {
	vectors, failed := make([][]float32, len(texts)), make([]error, callers)
	next := make(chan int, len(texts))
	for at := 0; at < len(texts); at += batch {
		next <- at
	}
	close(next)
	begun, cpu := time.Now(), paper.OwnCPU()
	var wait sync.WaitGroup
	for c := range callers {
		wait.Go(func() {
			for at := range next {
				end := min(at+batch, len(texts))
				got, err := o.texts.Embed(ctx, texts[at:end])
				failed[c] = errors.Join(failed[c], err)
				copy(vectors[at:end], got)
			}
		})
	}
	wait.Wait()
	r := run{units: len(texts), took: time.Since(begun), cpu: paper.OwnCPU() - cpu}
	return r, vectors, errors.Join(failed...)
}

// theirTexts is transformers.js or hugot.
type theirTexts struct {
	*remote
	version string
}

func openTheirTexts(ctx context.Context, o options, dir string, threads int, program ...string) (*theirTexts, error) {
	r, err := startRemote(ctx, o.node, program[0], program[1:]...)
	if err != nil {
		return nil, err
	}
	loaded, err := r.do(order{Do: "load", Task: "embed", Directory: dir, Library: o.cache, Threads: threads, Spinning: program[0] == "node"})
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	return &theirTexts{remote: r, version: loaded.Version}, nil
}

func (t *theirTexts) embed(_ context.Context, texts []string, batch, callers int) (run, [][]float32, error) {
	a, err := t.do(order{Do: "embed", Texts: texts, Batch: batch, Callers: callers})
	if err != nil {
		return run{}, nil, err
	}
	return a.run(len(texts)), a.Vectors, nil
}

// embeddingRow is one way of asking one model.
type embeddingRow struct {
	model                   string
	threads, batch, callers int
	series                  []series
}

// agreement is how many of the reference's vectors a system gives.
type agreement struct {
	model, system string
	right, total  int
	// worst is the least cosine of those that it gave.
	worst float64
}

// namedTexts is an embedder with the name of its column.
type namedTexts struct {
	name string
	embedder
}

const (
	hugotORT = "hugot, ORT"
	hugotGo  = "hugot, Go"
)

// measureEmbedding embeds texts with two sentence embedders, on one and on two threads.
func measureEmbedding(ctx context.Context, o options, r *report) error {
	models := []struct{ name, dir string }{{"bert-random", o.shared("random", "bert-random")}, {"minilm", o.shared("minilm")}}
	for _, m := range models {
		if m.dir == "" {
			r.lacks("vectors of " + m.name + ": the shared test models are not here")
			continue
		}
		for _, threads := range pick(o, []int{1, 2}, []int{2}) {
			if err := embedWith(ctx, o, r, m.name, m.dir, threads); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
	}
	return nil
}

func embedWith(ctx context.Context, o options, r *report, model, dir string, threads int) (err error) {
	systems, err := openEmbedders(ctx, o, r, dir, threads)
	defer func() {
		for _, s := range systems {
			err = errors.Join(err, s.close())
		}
	}()
	if err != nil {
		return err
	}
	reference, err := readVectors(filepath.Join(dir, "reference.json"))
	if err != nil {
		return err
	}
	for _, s := range systems {
		a := agreement{model: model, system: s.name, total: len(reference), worst: 1}
		if err := a.compare(ctx, s, reference); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if threads == 2 {
			r.agreement = append(r.agreement, a)
		}
		fmt.Printf("%s: %d of %d vectors right, worst cosine %.4f\n", a.system, a.right, a.total, a.worst)
	}
	texts := embeddingTexts(model, reference)
	for _, way := range []struct{ batch, callers int }{{1, 1}, {8, 1}, {32, 1}, {1, 32}} {
		row := &embeddingRow{model: model, threads: threads, batch: way.batch, callers: way.callers}
		rounds := 3
		if !o.quick && (threads == 2 || model == "bert-random") {
			rounds = 5
		}
		if err := row.measure(ctx, systems, texts, rounds); err != nil {
			return err
		}
		r.embedding = append(r.embedding, row)
		fmt.Println(row.line())
	}
	return nil
}

// openEmbedders opens all systems that are there.
func openEmbedders(ctx context.Context, o options, r *report, dir string, threads int) (systems []namedTexts, err error) {
	mine, err := openTexts(ctx, dir, threads)
	if err != nil {
		return nil, err
	}
	systems = append(systems, namedTexts{parley, mine})
	for _, other := range []struct {
		name    string
		program []string
	}{
		{hugotORT, []string{filepath.Join(o.cache, "hugot-ort")}},
		{transformers, []string{"node", "runner.mjs"}},
		{hugotGo, []string{filepath.Join(o.cache, "hugot-go")}},
	} {
		if other.name == hugotGo && threads == 1 {
			continue // it takes no number of threads
		}
		if filepath.IsAbs(other.program[0]) {
			if _, err := os.Stat(other.program[0]); err != nil {
				r.lacks(other.name + ": it was not built, see bench/worker/hugot/build.sh")
				continue
			}
		}
		t, err := openTheirTexts(ctx, o, dir, threads, other.program...)
		if err != nil {
			return systems, fmt.Errorf("%s: %w", other.name, err)
		}
		r.versions[other.name] = t.version
		systems = append(systems, namedTexts{other.name, t})
	}
	return systems, nil
}

// vectorCase is a text of the reference with its vector.
type vectorCase struct {
	Input     string    `json:"input"`
	IDs       []int64   `json:"input_ids"`
	Embedding []float32 `json:"embedding"`
}

func readVectors(file string) ([]vectorCase, error) {
	data, err := os.ReadFile(file) //nolint:gosec // beside the model
	if err != nil {
		return nil, err
	}
	var reference struct{ Cases []vectorCase }
	err = json.Unmarshal(data, &reference)
	return reference.Cases, err
}

// compare asks for each text alone, since some systems refuse all of a batch.
func (a *agreement) compare(ctx context.Context, s embedder, reference []vectorCase) error {
	for _, c := range reference {
		_, got, err := s.embed(ctx, []string{c.Input}, 1, 1)
		if err != nil {
			return err
		}
		if got[0] == nil {
			continue
		}
		cos := cosine(got[0], c.Embedding)
		a.worst = min(a.worst, cos)
		if cos >= 0.9999 {
			a.right++
		}
	}
	return nil
}

func cosine(a, b []float32) float64 {
	var dot, x, y float64
	for i := range min(len(a), len(b)) {
		dot += float64(a[i]) * float64(b[i])
		x += float64(a[i]) * float64(a[i])
		y += float64(b[i]) * float64(b[i])
	}
	if x == 0 || y == 0 || len(a) != len(b) {
		return 0
	}
	return dot / math.Sqrt(x*y)
}

// embeddingTexts are of mixed length and in no order. Those of the small model are its
// reference's that every system takes whole, those of the real one have some 8 to 200
// tokens.
func embeddingTexts(model string, reference []vectorCase) []string {
	draw := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // no secret
	var texts []string
	if model == "bert-random" {
		for len(texts) < 512 {
			if c := reference[draw.IntN(len(reference))]; len(c.IDs) < 64 {
				texts = append(texts, c.Input)
			}
		}
		return texts
	}
	list := strings.Fields(prose)
	for len(texts) < 32 {
		words := make([]string, 6+draw.IntN(190))
		for i := range words {
			words[i] = list[draw.IntN(len(list))]
		}
		texts = append(texts, strings.Join(words, " "))
	}
	return texts
}

func (e *embeddingRow) measure(ctx context.Context, systems []namedTexts, texts []string, rounds int) error {
	e.series = make([]series, len(systems))
	for round := -1; round < rounds; round++ {
		for i, s := range systems {
			part := texts
			if s.name == hugotGo {
				// It takes many times as long: one round with few texts tells so.
				if round > 0 {
					continue
				}
				part = texts[:len(texts)/4]
			}
			got, vectors, err := s.embed(ctx, part, e.batch, e.callers)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			for j, v := range vectors {
				if v == nil {
					return fmt.Errorf("%s refused %q", s.name, part[j])
				}
			}
			e.series[i].system = s.name
			if round >= 0 {
				e.series[i].runs = append(e.series[i].runs, got)
			}
		}
	}
	return nil
}

func (e *embeddingRow) line() string {
	line := fmt.Sprintf("%s, %d threads, %d callers, batch %d:", e.model, e.threads, e.callers, e.batch)
	for _, s := range e.series {
		line += fmt.Sprintf(" %s %.0f/s %.2f CPU-ms (ratio %.2f)", s.system, s.median(run.rate), s.median(run.each), ratio(e.series[0], s, run.rate))
	}
	return line
}
