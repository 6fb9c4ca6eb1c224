package pipeline

import (
	"context"
	"errors"
	"slices"
	"sync"

	"parley/worker/bundle"
)

// Decoder is a model that writes token by token, with the state of one batch. A row
// is one beam of one input; rows move on together. It is not safe for concurrent
// use.
type Decoder interface {
	// Dimensions never change.
	Dimensions() Dimensions
	// Begin reads inputs and takes the first step behind the token start, with one
	// row for each input: the beams of an input don't differ yet. It leaves room for
	// beams rows of each. The result is as of Forward.
	Begin(ctx context.Context, inputs [][]int64, pad, start int64, beams int) ([]float32, error)
	// Forward takes a step: last holds the newest token of each row. The logits of
	// row r start at r times the vocabulary's size and are valid until the next step;
	// the caller may change them.
	Forward(ctx context.Context, last []int64) ([]float32, error)
	// Arrange makes row i what row parents[i] was; there may be more or fewer rows
	// afterwards, at most those that Begin left room for. before and after give the
	// input of each row: what belongs to an input alone moves only where that changes.
	Arrange(parents []int, before, after []int) error
}

// Dimensions are a Decoder's sizes.
type Dimensions struct {
	// Vocabulary is how many logits a row has, Positions how many tokens an output
	// can have, the start token included.
	Vocabulary, Positions int
	// Threads is how many threads the model runs on, which idle between two steps.
	Threads int
}

// Generator writes outputs with a model. It is not safe for concurrent use.
type Generator struct {
	decoder Decoder
	size    Dimensions
}

// NewGenerator makes a Generator; the decoder stays its caller's to close.
func NewGenerator(d Decoder) *Generator { return &Generator{decoder: d, size: d.Dimensions()} }

// Batch is work for a Generator.
type Batch struct {
	// Inputs are token ids with their end token.
	Inputs   [][]int64
	Settings bundle.Generation
	// Dropped tells, between two steps, that input i is no longer wanted; Done
	// receives each output, with its start token, as soon as it is complete.
	// Both may be nil, and are called on the caller's goroutine.
	Dropped func(i int) bool
	Done    func(i int, output []int64)
}

// Run decodes the batch. It returns the error of ctx when that ends first.
func (g *Generator) Run(ctx context.Context, b Batch) error {
	if len(b.Inputs) == 0 {
		return nil
	}
	limit := b.Settings.Limit(g.size.Positions)
	r := newRules(&b.Settings, limit)
	beams := b.Settings.NumBeams
	live := make([]unfinished, 0, len(b.Inputs))
	for i := range b.Inputs {
		var s search
		if beams == 1 {
			s = newGreedy(r, b.Settings.DecoderStart, limit)
		} else {
			s = newBeams(r, &b.Settings, limit)
		}
		live = append(live, unfinished{input: i, search: s})
	}
	logits, err := g.decoder.Begin(ctx, b.Inputs, b.Settings.Pad, b.Settings.DecoderStart, beams)
	rows := 1
	for {
		if err != nil {
			return err
		}
		if err := g.advance(live, logits, rows); err != nil {
			return err
		}
		var last []int64
		if live, last, err = g.arrange(live, rows, b); err != nil || len(live) == 0 {
			return err
		}
		rows = beams
		logits, err = g.decoder.Forward(ctx, last)
	}
}

// unfinished is an input with its search under way.
type unfinished struct {
	input  int
	search search
}

// advance takes a step with every search; the work over the vocabulary is
// shared by as many goroutines as the model has threads, which idle now.
func (g *Generator) advance(live []unfinished, logits []float32, rows int) error {
	errs := make([]error, len(live))
	size := g.size.Vocabulary
	spread(len(live), g.size.Threads, func(i int) {
		errs[i] = live[i].search.advance(func(beam int) []float32 {
			// In the first step all beams share a row.
			at := (i*rows + min(beam, rows-1)) * size
			return logits[at : at+size : at+size]
		})
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

// arrange hands out what is complete, closes the gaps and moves the rows of the
// caches to where the beams are now. It gives the searches that go on and the
// newest token of each row.
func (g *Generator) arrange(live []unfinished, rows int, b Batch) ([]unfinished, []int64, error) {
	before := make([]int, 0, len(live)*rows)
	for _, s := range live {
		before = append(before, slices.Repeat([]int{s.input}, rows)...)
	}
	from := make([]int, 0, len(live))
	for i := 0; i < len(live); i++ {
		from = append(from, i)
	}
	for i := 0; i < len(live); {
		output := live[i].search.output()
		if output == nil && (b.Dropped == nil || !b.Dropped(live[i].input)) {
			i++
			continue
		}
		if output != nil && b.Done != nil {
			b.Done(live[i].input, output)
		}
		// The last one fills the gap, so that few rows move.
		end := len(live) - 1
		live[i], from[i] = live[end], from[end]
		live, from = live[:end], from[:end]
	}
	var parents, after []int
	var last []int64
	for i, s := range live {
		for beam := range s.search.width() {
			parent, token := s.search.step(beam)
			parents = append(parents, from[i]*rows+min(parent, rows-1))
			after = append(after, s.input)
			last = append(last, token)
		}
	}
	if len(live) == 0 {
		return nil, nil, nil
	}
	return live, last, g.decoder.Arrange(parents, before, after)
}
