package pipeline

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Decoder is a model that writes token by token, with the state of the rows under
// way. A row is one beam of one output; rows move on together. It is not safe for
// concurrent use.
//
// What it gives for a row depends on that row alone, to the last bit: never on which
// others there are, when they came or in which order they stand.
type Decoder interface {
	// Dimensions never change.
	Dimensions() Dimensions
	// Accepts tells whether inputs can be taken now, to be read apart from the rows.
	Accepts() bool
	// Read takes the inputs of requests, beside those that are under way.
	Read(requests []*Request) error
	// Reads tells whether ReadOn has a part to read now. Inputs whose requests were
	// dropped are forgotten.
	Reads() bool
	// ReadOn reads a part of an input, small enough not to hold up the rows; the parts of
	// several may take turns. read are the requests whose inputs ended with it, most often
	// none. The logits of read[i] start at i times the vocabulary's size and are valid
	// until the next call; the caller may change them.
	ReadOn(ctx context.Context) (read []*Request, logits []float32, err error)
	// Join gives each of the requests, whose inputs were read, a row behind those that
	// there are, in their order, where its outputs don't differ yet. What was read for
	// others is forgotten. ok is false when they must wait for another part, or for
	// another step of the rows where there are any.
	Join(requests []*Request) (ok bool, err error)
	// Forward takes a step: last holds the newest token of each row. The logits are as
	// of ReadOn, for all rows.
	Forward(ctx context.Context, last []int64) ([]float32, error)
	// Arrange makes row i what row parents[i] was; there may be more, fewer or no rows
	// afterwards. same tells that a row goes on with the request that it had before:
	// what belongs to a request alone need not move then.
	Arrange(parents []int, same []bool) error
	// Reset forgets all rows and what was read.
	Reset()
}

// Dimensions are a Decoder's sizes.
type Dimensions struct {
	// Vocabulary is how many logits a row has, Positions how many tokens an output
	// can have, what it begins with included; 0 is no bound.
	Vocabulary, Positions int
	// Threads is how many threads the model runs on, which idle between two steps.
	Threads int
	// Prompted tells that an output begins with its input; otherwise it begins with
	// the start token of its settings.
	Prompted bool
	// Single tells that outputs of different inputs can't be written together, because
	// rows can't be told from their padding or would change each other's numbers.
	Single bool
	// Footprint is what rows take.
	Footprint Footprint
}

// origin is what an output begins with.
func (d Dimensions) origin(r *Request) []int64 {
	if d.Prompted {
		return r.Input
	}
	return []int64{r.Settings.DecoderStart}
}

// Generator writes outputs with a model. It is not safe for concurrent use.
type Generator struct {
	decoder Decoder
	size    Dimensions
	gate    *Gate
	// bytes bounds what outputs that are written together take; 0 for no bound.
	bytes int64
}

// NewGenerator makes a Generator that runs its model within the gate; the decoder
// stays its caller's to close.
func NewGenerator(d Decoder, g *Gate) *Generator {
	return &Generator{decoder: d, size: d.Dimensions(), gate: g}
}

// Dimensions are those of the model.
func (g *Generator) Dimensions() Dimensions { return g.size }

// Run writes the outputs of requests, and of those that more gives: it is asked, on
// this goroutine, whenever others may join, and may be nil. Run returns when nothing
// is left, or with the first error, which is that of ctx when that ends.
func (g *Generator) Run(ctx context.Context, requests []*Request, more func() []*Request) error {
	defer g.decoder.Reset()
	r := running{Generator: g, more: more}
	for {
		if err := r.begin(requests); err != nil {
			return err
		}
		requests = nil
		if err := r.read(ctx); err != nil {
			return err
		}
		if err := r.step(ctx); err != nil {
			return err
		}
		if len(r.live) == 0 && len(r.joining) == 0 && !r.decoder.Reads() {
			if requests = r.next(); len(requests) == 0 {
				return nil
			}
		}
	}
}

// running is one call of Run.
type running struct {
	*Generator
	more func() []*Request
	// joining have their first token and wait for their rows.
	joining []*unfinished
	live    []*unfinished
}

// unfinished is an output under way, with the rows that it has in the decoder.
type unfinished struct {
	request *Request
	search  search
	rows    int
	// steps are how many were taken.
	steps int
	// failed is why the output can't be written.
	failed error
	// settled tells that its rows are where its beams are.
	settled bool
}

func (r *running) next() []*Request {
	if r.more == nil {
		return nil
	}
	return r.more()
}

// begin takes what joins: requests, or what there is more of.
func (r *running) begin(requests []*Request) error {
	if requests == nil && r.decoder.Accepts() {
		requests = r.next()
	}
	if len(requests) == 0 {
		return nil
	}
	for _, q := range requests {
		if err := q.check(r.size); err != nil {
			return err
		}
	}
	return r.decoder.Read(requests)
}

// read reads a part of an input. Where that ends it, its output has its first token at
// once, whenever its row can join.
func (r *running) read(ctx context.Context) error {
	reads := r.decoder.Reads()
	if !reads && (len(r.joining) == 0 || len(r.live) > 0) {
		return nil
	}
	return r.gate.Within(ctx, LaneText, func() error {
		if reads {
			requests, logits, err := r.decoder.ReadOn(ctx)
			if err != nil {
				return err
			}
			if err := r.first(requests, logits); err != nil {
				return err
			}
		}
		return r.join()
	})
}

// first takes the first step of outputs.
func (r *running) first(requests []*Request, logits []float32) error {
	begun := make([]*unfinished, len(requests))
	for i, q := range requests {
		limit := q.Settings.Limit(len(r.size.origin(q)), r.size.Positions)
		begun[i] = &unfinished{request: q, search: newSearch(q, r.size.origin(q), limit), rows: 1}
	}
	r.joining = append(r.joining, begun...)
	return r.advance(begun, logits)
}

// join gives the outputs that wait for them their rows, as soon as it can.
func (r *running) join() error {
	if len(r.joining) == 0 {
		return nil
	}
	r.joining = slices.DeleteFunc(r.joining, r.over)
	requests := make([]*Request, len(r.joining))
	for i, u := range r.joining {
		requests[i] = u.request
	}
	ok, err := r.decoder.Join(requests)
	if err != nil || !ok {
		return err
	}
	r.live = append(r.live, r.joining...)
	r.joining = nil
	return r.arrange()
}

// step takes a step with all rows.
func (r *running) step(ctx context.Context) error {
	if len(r.live) == 0 {
		return nil
	}
	if err := r.fits(); err != nil {
		return err
	}
	return r.gate.Within(ctx, LaneText, func() error {
		var last []int64
		for _, u := range r.live {
			for beam := range u.rows {
				_, token := u.search.step(beam)
				last = append(last, token)
			}
		}
		logits, err := r.decoder.Forward(ctx, last)
		if err != nil {
			return err
		}
		if err := r.advance(r.live, logits); err != nil {
			return err
		}
		if err := r.arrange(); err != nil {
			return err
		}
		return r.join()
	})
}

// errOverBudget says that outputs which are written together got longer than was to be
// expected, and take more memory than they may. Each by itself was found to fit.
var errOverBudget = errors.New("the outputs of a batch take too much memory together")

// fits tells whether the outputs under way may take another step.
func (r *running) fits() error {
	if r.bytes <= 0 || len(r.live) < 2 {
		return nil
	}
	rows, read, written := 0, 0, 0
	for _, u := range r.live {
		rows += u.rows
		written = max(written, len(r.size.origin(u.request))+u.steps+1)
		if !r.size.Prompted {
			read = max(read, len(u.request.Input))
		}
	}
	if r.size.Footprint.of(len(r.live), rows, read, written) > float64(r.bytes) {
		return errOverBudget
	}
	return nil
}

// advance takes a step with every search; the work over the vocabulary is
// shared by as many goroutines as the model has threads, which idle now.
func (r *running) advance(live []*unfinished, logits []float32) error {
	errs := make([]error, len(live))
	first := make([]int, len(live))
	rows := 0
	for i, u := range live {
		first[i] = rows
		rows += u.rows
	}
	size := r.size.Vocabulary
	spread(len(live), r.size.Threads, func(i int) {
		live[i].failed = live[i].search.advance(func(beam int) []float32 {
			// In the first step all beams share a row.
			at := (first[i] + min(beam, live[i].rows-1)) * size
			return logits[at : at+size : at+size]
		})
		live[i].settled = false
		live[i].steps++
		if live[i].request.Failed == nil {
			errs[i] = live[i].failed
		}
	})
	return errors.Join(errs...)
}

// spread calls do for 0 to n-1 on up to threads goroutines.
func spread(n, threads int, do func(i int)) {
	threads = min(threads, n)
	var wait sync.WaitGroup
	for t := 1; t < threads; t++ {
		wait.Go(func() {
			for i := t; i < n; i += threads {
				do(i)
			}
		})
	}
	for i := 0; i < n; i += max(threads, 1) {
		do(i)
	}
	wait.Wait()
}

// over tells whether an output is complete, can't be written or is not wanted any more,
// and tells whoever asked for it.
func (r *running) over(u *unfinished) bool {
	if u.failed != nil {
		u.request.Failed(u.failed)
		return true
	}
	outputs := u.search.outputs()
	if outputs != nil && u.request.Done != nil {
		u.request.Done(outputs)
	}
	return outputs != nil || u.request.dropped()
}

// arrange hands out what is complete, closes the gaps and moves the rows of the
// caches to where the beams are now.
func (r *running) arrange() error {
	first, rows := make(map[*unfinished]int, len(r.live)), 0
	var owner []*unfinished
	for _, u := range r.live {
		first[u] = rows
		rows += u.rows
		for range u.rows {
			owner = append(owner, u)
		}
	}
	for i := 0; i < len(r.live); {
		u := r.live[i]
		if !r.over(u) {
			i++
			continue
		}
		// The last one fills the gap, so that few rows move.
		end := len(r.live) - 1
		r.live[i] = r.live[end]
		r.live = r.live[:end]
	}
	var parents []int
	var same []bool
	for _, u := range r.live {
		width := u.search.width()
		for beam := range width {
			parent := beam
			if !u.settled {
				parent, _ = u.search.step(beam)
			}
			row := len(parents)
			parents = append(parents, first[u]+min(parent, u.rows-1))
			same = append(same, row < len(owner) && owner[row] == u)
		}
		u.rows, u.settled = width, true
	}
	return r.decoder.Arrange(parents, same)
}
