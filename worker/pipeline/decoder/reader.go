package decoder

import (
	"context"
	"fmt"
	"slices"

	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// reader reads prompts for a causal model, each alone and in parts of the same places
// whatever else goes on: between two parts of one the others have their turns, and what
// is read stays the same. Requests with the same prompt share its reading.
type reader struct {
	*language
	// prompts are those that are not read to their end, as they came.
	prompts []*prompt
	// passed is how many positions of others were read since the first one had a part.
	passed int
	// finished were read and have not joined.
	finished []*prompt
	// scratch is where a part writes caches that it can't write in place.
	scratch []onnx.Memory
}

// prompt is one that is read: its caches hold the first at positions.
type prompt struct {
	requests []*pipeline.Request
	ids      []int64
	at       int
	caches   []onnx.Memory
}

func (p *prompt) left() int { return len(p.ids) - p.at }

func (p *prompt) free() {
	for i := range p.caches {
		p.caches[i].Free()
	}
}

func newReader(l *language) reader {
	return reader{language: l, scratch: make([]onnx.Memory, len(l.caches))}
}

func (r *reader) busy() bool { return len(r.prompts) > 0 || len(r.finished) > 0 }

func (r *reader) begin(requests []*pipeline.Request) {
	r.sweep()
	for _, q := range requests {
		same := func(p *prompt) bool { return slices.Equal(p.ids, q.Input) }
		if i := slices.IndexFunc(r.prompts, same); i >= 0 {
			r.prompts[i].requests = append(r.prompts[i].requests, q)
			continue
		}
		r.prompts = append(r.prompts, &prompt{requests: []*pipeline.Request{q}, ids: q.Input, caches: make([]onnx.Memory, len(r.caches))})
	}
}

// sweep forgets prompts that nobody waits for any more.
func (r *reader) sweep() {
	for i := len(r.prompts) - 1; i >= 0; i-- {
		p := r.prompts[i]
		p.requests = slices.DeleteFunc(p.requests, func(q *pipeline.Request) bool { return q.Dropped != nil && q.Dropped() })
		if len(p.requests) == 0 {
			p.free()
			r.remove(i)
		}
	}
}

func (r *reader) remove(i int) {
	r.prompts = slices.Delete(r.prompts, i, i+1)
	if i == 0 {
		r.passed = 0
	}
}

// turn is the place of the prompt that has the next part; there must be one. It is that with
// the least left, so that a short prompt does not wait for a long one, unless as many
// positions as a part has were read of others since the one that came first had its own: it
// gets half of them at least, and every prompt comes first one day.
func (r *reader) turn() int {
	if r.passed >= r.part {
		return 0
	}
	least := 0
	for i, p := range r.prompts {
		if p.left() < r.prompts[least].left() {
			least = i
		}
	}
	return least
}

// ends tells whether the next part is the last one of its prompt. What was read waits for
// it, so that short prompts which come together join together.
func (r *reader) ends() bool {
	return len(r.prompts) > 0 && r.prompts[r.turn()].left() <= r.part
}

// reads tells whether a part is to be read now. What was read joins before another part of
// a long prompt, or its rows would wait for such a part in front of every step until then.
func (r *reader) reads() bool {
	r.sweep()
	return r.ends() || len(r.prompts) > 0 && len(r.finished) == 0
}

// next reads one part of the prompt whose turn it is. Where that ends it, its requests
// and the logits behind its last token for each of them are given.
func (r *reader) next(ctx context.Context) ([]*pipeline.Request, []float32, error) {
	if len(r.prompts) == 0 {
		return nil, nil, nil
	}
	i := r.turn()
	p := r.prompts[i]
	n := min(r.part, p.left())
	logits, err := r.read(ctx, p, n)
	if err != nil {
		return nil, nil, err
	}
	if i == 0 {
		r.passed = 0
	} else {
		r.passed += n
	}
	if p.left() > 0 {
		return nil, nil, nil
	}
	r.remove(i)
	r.finished = append(r.finished, p)
	return slices.Clone(p.requests), slices.Repeat(logits[len(logits)-r.size.Vocabulary:], len(p.requests)), nil
}

// read reads n positions of a prompt.
func (r *reader) read(ctx context.Context, p *prompt, n int) ([]float32, error) {
	end := p.at + n
	part := languageRun{
		language: r.language, rows: 1, past: p.at, tokens: n, ids: p.ids[p.at:end],
		mask: slices.Repeat([]int64{1}, end), positions: make([]int64, n), before: p.caches, after: r.scratch,
	}
	for i := range part.positions {
		part.positions[i] = int64(p.at + i)
	}
	switch {
	case r.shares:
		part.after, part.room = p.caches, len(p.ids)
	case p.at == 0:
		// Nothing is before, so that its own caches can be written.
		part.before, part.after = r.scratch, p.caches
	}
	for c, s := range r.caches {
		// At once for the whole prompt, so that nothing grows from part to part.
		if err := part.after[c].Reserve(4 * s.size() * len(p.ids)); err != nil {
			return nil, err
		}
	}
	logits, err := part.do(ctx)
	if err != nil {
		return nil, err
	}
	if !r.shares && p.at > 0 {
		p.caches, r.scratch = r.scratch, p.caches
	}
	p.at = end
	return logits, nil
}

// keep forgets prompts that were read for other requests than these, and gives for each of
// these its prompt.
func (r *reader) keep(requests []*pipeline.Request) ([]*prompt, error) {
	prompts := make([]*prompt, len(requests))
	for i, q := range requests {
		at := slices.IndexFunc(r.finished, func(p *prompt) bool { return slices.Contains(p.requests, q) })
		if at < 0 {
			return nil, fmt.Errorf("the prompt of request %d was not read", i)
		}
		prompts[i] = r.finished[at]
	}
	r.finished = slices.DeleteFunc(r.finished, func(p *prompt) bool {
		wanted := slices.Contains(prompts, p)
		if !wanted {
			p.free()
		}
		return !wanted
	})
	return prompts, nil
}

// forget frees what was read.
func (r *reader) forget() {
	for _, p := range r.finished {
		p.free()
	}
	r.finished = nil
}

func (r *reader) reset() {
	r.forget()
	for _, p := range r.prompts {
		p.free()
	}
	r.prompts, r.passed = nil, 0
}

func (r *reader) free() {
	r.reset()
	for i := range r.scratch {
		r.scratch[i].Free()
	}
}
