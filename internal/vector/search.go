package vector

import (
	"bytes"
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// fewBlocks is up to how many blocks are scanned by the caller alone: that is
// done before others could have joined.
const fewBlocks = 4

// search is a query on its way: made ready, scanned over a view, then ranked.
type search struct {
	ctx   context.Context
	query Query
	probe probe

	view    *view
	clauses []clause
	// limit is the least score that can still be among the first k, as the bits
	// of a float32. It only rises.
	limit atomic.Uint32

	mu    sync.Mutex
	found []candidate
	err   error
	done  chan struct{}
}

// candidate is a row whose score lies between bounds, of which the upper one is
// not below the limit.
type candidate struct {
	upper float32
	at    place
}

// Search implements Index. The error of a vector that can't be read from the
// file is the only one besides ErrInvalid, ErrClosed and that of ctx.
func (x *Exact) Search(ctx context.Context, q Query) ([]Hit, error) {
	if err := q.Check(x.cfg.Dimension); err != nil {
		return nil, err
	}
	p, err := newProbe(q.Vector)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &search{ctx: ctx, query: q, probe: p, done: make(chan struct{})}
	s.limit.Store(math.Float32bits(-2))
	if q.MinScore != nil {
		s.raise(below(*q.MinScore))
	}
	small := false
	if err := x.read(func(v *view, _ *labels) { small = len(v.blocks) <= fewBlocks }); err != nil {
		return nil, err
	}
	if small {
		x.scan([]*search{s})
		err = s.err
	} else {
		err = x.passes.do(ctx, s)
	}
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.rank()
}

// below is a score as a float32 that is not higher. No row scores beyond 2 or -2.
func below(score float64) float32 {
	score = max(-2, min(2, score))
	f := float32(score)
	if float64(f) > score {
		f = math.Nextafter32(f, -3)
	}
	return f
}

func (s *search) least() float32 { return math.Float32frombits(s.limit.Load()) }

// raise makes the limit at least so high.
func (s *search) raise(to float32) {
	for {
		old := s.limit.Load()
		if to <= math.Float32frombits(old) || s.limit.CompareAndSwap(old, math.Float32bits(to)) {
			return
		}
	}
}

// scan collects the candidates of searches over the present view. Goroutines
// take block after block, and look at each for all searches.
func (x *Exact) scan(searches []*search) {
	err := x.read(func(v *view, l *labels) {
		for _, s := range searches {
			s.view, s.clauses = v, l.compile(s.query.Filter)
		}
	})
	if err != nil {
		for _, s := range searches {
			s.err = err
		}
		return
	}
	blocks := searches[0].view.blocks
	var next atomic.Int64
	work := func() {
		d, ok := x.desks.Get().(*desk)
		if !ok {
			d = new(desk)
		}
		defer x.desks.Put(d)
		all := make([]*scanner, len(searches))
		for i, s := range searches {
			all[i] = newScanner(s, x.form, d)
		}
		for {
			n := int(next.Add(1)) - 1
			if n >= len(blocks) {
				break
			}
			for _, sc := range all {
				if blocks[n] != nil && sc.search.ctx.Err() == nil {
					sc.block(blocks[n], n)
				}
			}
		}
		for _, sc := range all {
			sc.finish()
		}
	}
	var group sync.WaitGroup
	for range min(x.cfg.Goroutines, (len(blocks)+fewBlocks-1)/fewBlocks) - 1 {
		group.Go(work)
	}
	work()
	group.Wait()
}

// rank reads the vectors of candidates, the most promising first, until none
// that is left can be among the first k.
func (s *search) rank() ([]Hit, error) {
	slices.SortFunc(s.found, func(a, b candidate) int {
		switch {
		case a.upper > b.upper:
			return -1
		case a.upper < b.upper:
			return 1
		default:
			return int(int64(a.at) - int64(b.at))
		}
	})
	best := lowest[float64]{most: s.query.K}
	buffer := make([]float32, len(s.probe.unit))
	var hits []hit
	for i, c := range s.found {
		if best.full() && float64(c.upper) < best.least() {
			break
		}
		if i%256 == 255 && s.ctx.Err() != nil {
			return nil, s.ctx.Err()
		}
		b := s.view.blocks[c.at.block()]
		v, err := b.full.read(c.at.row(), buffer)
		if err != nil {
			return nil, err
		}
		h := hit{id: b.id(c.at.row()), score: Cosine(s.probe.unit, v)}
		if s.counts(h) {
			best.add(h.score)
			hits = append(hits, h)
		}
	}
	slices.SortFunc(hits, hit.compare)
	named := make([]Hit, min(len(hits), s.query.K))
	for i := range named {
		named[i] = Hit{ID: string(hits[i].id), Score: hits[i].score}
	}
	runtime.KeepAlive(s)
	return named, nil
}

// hit is a Hit whose id lies in a slab.
type hit struct {
	id    []byte
	score float64
}

func (h hit) compare(other hit) int {
	switch {
	case h.score > other.score:
		return -1
	case h.score < other.score:
		return 1
	default:
		return bytes.Compare(h.id, other.id)
	}
}

// counts tells that a hit is not below the least score and lies after the page
// before.
func (s *search) counts(h hit) bool {
	if s.query.MinScore != nil && h.score < *s.query.MinScore {
		return false
	}
	return s.query.After == nil || h.compare(hit{id: []byte(s.query.After.ID), score: s.query.After.Score}) > 0
}
