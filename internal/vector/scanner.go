package vector

import (
	"math/bits"
	"slices"

	"parley/internal/vector/kernel"
)

// desk is where one goroutine works on a block.
type desk struct {
	list, kept [blockRows]uint16
	high, low  [blockRows]int32
}

// scanner looks at blocks for one search, on one goroutine.
type scanner struct {
	*desk
	search *search
	form   kernel.Form
	// best are the lower bounds of the k best rows seen here that lie after the
	// page before for certain: so many rows score at least the least of them.
	best  lowest[float32]
	found []candidate
	// crowd is how many candidates there may be before those below the limit are
	// sorted out.
	crowd int
	// What scores above after lies before the page, what scores below certain
	// after the page before.
	after, certain float32
}

func newScanner(s *search, form kernel.Form, d *desk) *scanner {
	sc := &scanner{
		desk: d, search: s, form: form, best: lowest[float32]{most: s.query.K},
		crowd: 4*s.query.K + blockRows, after: 3, certain: 3,
	}
	if a := s.query.After; a != nil {
		sc.after, sc.certain = -below(-a.Score), below(a.Score)
	}
	return sc
}

// everyRow lists all rows of a full block.
var everyRow = func() (all [blockRows]uint16) {
	for i := range all {
		all[i] = uint16(i)
	}
	return all
}()

// pick lists the rows of a block that are alive and that the filter keeps.
func (sc *scanner) pick(b *block) []uint16 {
	clauses, list := sc.search.clauses, sc.list[:0]
	switch {
	case len(clauses) == 0 && b.dead == 0:
		return everyRow[:b.used]
	case len(clauses) == 0:
		for w, word := range b.alive {
			for ; word != 0; word &= word - 1 {
				list = append(list, uint16(w*64+bits.TrailingZeros64(word)))
			}
		}
		return list
	}
	// Most rows that a filter leaves out have no mark of its smallest clause; one
	// of labels that nobody has has no mark itself.
	first := clauses[0].marks
	for i, marks := range b.marks[:b.used] {
		if marks&first != 0 && b.alive[i/64]>>(i%64)&1 == 1 && keeps(clauses, b, i) {
			list = append(list, uint16(i))
		}
	}
	return list
}

// block adds the candidates of a block. While there are no k rows yet, nothing
// can be left out: so that this soon ends, it begins with few rows.
func (sc *scanner) block(b *block, number int) {
	for list := sc.pick(b); len(list) > 0; {
		n := len(list)
		if !sc.best.full() {
			n = min(n, sc.best.most+32)
		}
		sc.rows(b, number, list[:n])
		list = list[n:]
	}
	sc.thin()
}

func (sc *scanner) rows(b *block, number int, list []uint16) {
	p, limit := &sc.search.probe, sc.search.least()
	sc.form.Dots(sc.high[:], b.high, list, p.codes)
	kept := sc.kept[:0]
	for i, r := range list {
		if p.upper(sc.high[i], b.scale[r], b.coarse[r]) >= limit {
			sc.high[len(kept)] = sc.high[i]
			kept = append(kept, r)
		}
	}
	sc.form.Dots(sc.low[:], b.low, kept, p.codes)
	for i, r := range kept {
		lower, upper := p.bounds(16*sc.high[i]+sc.low[i], b.scale[r], b.fine[r])
		if upper >= limit {
			sc.offer(lower, candidate{upper: upper, at: placeOf(number, int(r))})
		}
	}
	if sc.best.full() {
		sc.search.raise(sc.best.least())
	}
}

// offer takes a candidate unless it lies before the page for certain.
func (sc *scanner) offer(lower float32, c candidate) {
	if lower > sc.after {
		return
	}
	if c.upper < sc.certain {
		sc.best.add(lower)
	}
	sc.found = append(sc.found, c)
}

// thin sorts out candidates that have fallen below the limit, when they are many.
func (sc *scanner) thin() {
	if len(sc.found) <= sc.crowd {
		return
	}
	sc.sortOut()
	sc.crowd = max(sc.crowd, 2*len(sc.found))
}

func (sc *scanner) sortOut() {
	limit := sc.search.least()
	sc.found = slices.DeleteFunc(sc.found, func(c candidate) bool { return c.upper < limit })
}

// finish hands the candidates over.
func (sc *scanner) finish() {
	sc.sortOut()
	sc.search.mu.Lock()
	defer sc.search.mu.Unlock()
	sc.search.found = append(sc.search.found, sc.found...)
}
