package vector

import (
	"slices"
)

// labels numbers the labels that rows have. A number is given once, so that a
// view never takes one label for another; one that no row has any more is
// forgotten.
type labels struct {
	numbers map[string]*label
	names   map[uint32]string
	next    uint32
}

type label struct {
	number uint32
	rows   int
}

func newLabels() labels {
	return labels{numbers: map[string]*label{}, names: map[uint32]string{}}
}

// take counts one row more for each of the labels and gives their numbers,
// rising and without doubles.
func (l *labels) take(names []string) []uint32 {
	numbers := make([]uint32, 0, len(names))
	for _, name := range names {
		known, ok := l.numbers[name]
		if !ok {
			known = &label{number: l.next}
			l.next++
			l.numbers[name], l.names[known.number] = known, name
		}
		if !slices.Contains(numbers, known.number) {
			known.rows++
			numbers = append(numbers, known.number)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// known takes labels of which no row has been counted yet, and numbers them from
// 0 on in their order.
func (l *labels) known(names []string) []*label {
	all := make([]*label, len(names))
	for i, name := range names {
		all[i] = &label{number: l.next}
		l.numbers[name], l.names[l.next] = all[i], name
		l.next++
	}
	return all
}

// drop counts one row less for each of the numbers.
func (l *labels) drop(numbers []uint32) {
	for _, number := range numbers {
		name := l.names[number]
		known := l.numbers[name]
		if known.rows--; known.rows == 0 {
			delete(l.numbers, name)
			delete(l.names, number)
		}
	}
}

// marksOf is a set of labels as bits, of which each label has one.
func marksOf(numbers []uint32) uint64 {
	marks := uint64(0)
	for _, n := range numbers {
		marks |= 1 << (n * 0x9E3779B1 >> 26) // Fibonacci hashing: neighbours get other bits
	}
	return marks
}

// clause is a clause of a filter: the numbers of its labels, rising.
type clause struct {
	marks   uint64
	numbers []uint32
}

// compile gives a filter's clauses, the one of the fewest labels first. Labels
// that no row has are left out.
func (l *labels) compile(f Filter) []clause {
	clauses := make([]clause, 0, len(f))
	for _, names := range f {
		var c clause
		for _, name := range names {
			if known, ok := l.numbers[name]; ok {
				c.numbers = append(c.numbers, known.number)
			}
		}
		slices.Sort(c.numbers)
		c.marks = marksOf(c.numbers)
		clauses = append(clauses, c)
	}
	slices.SortStableFunc(clauses, func(a, b clause) int { return len(a.numbers) - len(b.numbers) })
	return clauses
}

// meets tells that a row with these labels, both sides rising, meets the clause.
func (c *clause) meets(labels []uint32) bool {
	for _, l := range labels {
		if _, ok := slices.BinarySearch(c.numbers, l); ok {
			return true
		}
	}
	return false
}

// keeps tells that a row meets all clauses.
func keeps(clauses []clause, b *block, i int) bool {
	for c := range clauses {
		if b.marks[i]&clauses[c].marks == 0 {
			return false
		}
	}
	for c := range clauses {
		if !clauses[c].meets(b.labelsOf(i)) {
			return false
		}
	}
	return true
}
