package decoder

import (
	"context"
	"slices"

	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// reader reads prompts for a causal model, each alone and in parts of the same places
// whatever else goes on. Requests with the same prompt share its reading.
type reader struct {
	*language
	waiting [][]*pipeline.Request
	done    []*prompt
	// current are those of the prompt under way, at is how much of it was read into now.
	current    []*pipeline.Request
	at         int
	now, later []onnx.Memory
}

// prompt is one that was read: its caches, and the logits behind its last token.
type prompt struct {
	requests []*pipeline.Request
	length   int
	caches   []onnx.Memory
	logits   []float32
}

// rows is how many rows prompts become.
func rows(prompts []*prompt) int {
	n := 0
	for _, p := range prompts {
		n += len(p.requests)
	}
	return n
}

func freeAll(prompts []*prompt) {
	for _, p := range prompts {
		for i := range p.caches {
			p.caches[i].Free()
		}
	}
}

func newReader(l *language) reader {
	return reader{language: l, now: make([]onnx.Memory, len(l.caches)), later: make([]onnx.Memory, len(l.caches))}
}

func (r *reader) busy() bool { return len(r.waiting) > 0 || len(r.current) > 0 || len(r.done) > 0 }

func (r *reader) begin(requests []*pipeline.Request) {
	r.waiting = nil
	for _, q := range requests {
		same := func(group []*pipeline.Request) bool { return slices.Equal(group[0].Input, q.Input) }
		if i := slices.IndexFunc(r.waiting, same); i >= 0 {
			r.waiting[i] = append(r.waiting[i], q)
			continue
		}
		r.waiting = append(r.waiting, []*pipeline.Request{q})
	}
}

// turn makes the next prompt the current one, where none is under way; false without
// one. Nobody waits for those that were dropped, so that they don't hold up the others.
func (r *reader) turn() bool {
	dropped := func(q *pipeline.Request) bool { return q.Dropped != nil && q.Dropped() }
	r.current = slices.DeleteFunc(r.current, dropped)
	for len(r.current) == 0 && len(r.waiting) > 0 {
		r.current, r.at = slices.DeleteFunc(r.waiting[0], dropped), 0
		r.waiting = r.waiting[1:]
	}
	return len(r.current) > 0
}

// next reads one part; done tells that all prompts are read.
func (r *reader) next(ctx context.Context) (done bool, err error) {
	if !r.turn() {
		return true, nil
	}
	ids := r.current[0].Input
	end := min(r.at+r.part, len(ids))
	mask, positions := slices.Repeat([]int64{1}, end), make([]int64, end-r.at)
	for i := range positions {
		positions[i] = int64(r.at + i)
	}
	part := languageRun{
		language: r.language, rows: 1, past: r.at, tokens: end - r.at, ids: ids[r.at:end], mask: mask, positions: positions,
		before: r.now, after: r.later,
	}
	if r.shares {
		part.after, part.room = r.now, len(ids)
	}
	logits, err := part.do(ctx)
	if err != nil {
		return false, err
	}
	if !r.shares {
		r.now, r.later = r.later, r.now
	}
	if r.at = end; end == len(ids) {
		r.finish(logits)
	}
	return len(r.current) == 0 && len(r.waiting) == 0, nil
}

// finish keeps what was read; the reader gets buffers of its own again.
func (r *reader) finish(logits []float32) {
	last := slices.Clone(logits[len(logits)-r.size.Vocabulary:])
	r.done = append(r.done, &prompt{requests: r.current, length: len(r.current[0].Input), caches: r.now, logits: last})
	r.now = make([]onnx.Memory, len(r.later))
	r.current = nil
}

// take gives the prompts that were read, in the order of the requests.
func (r *reader) take() []*prompt {
	done := r.done
	r.done = nil
	return done
}

func (r *reader) reset() {
	freeAll(r.take())
	r.waiting, r.current = nil, nil
}

func (r *reader) free() {
	r.reset()
	for i := range r.now {
		r.now[i].Free()
		r.later[i].Free()
	}
}
