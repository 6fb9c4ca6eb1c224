package tokenizer

import "math"

// shortWord is up to how many symbols looking through all pairs for the next
// merge beats keeping them in a heap.
const shortWord = 32

// join merges neighbours until no pair is left that has a merge: the lowest
// rank first, of equal ones the leftmost. It works in place.
func (b *bpe) join(symbols []int32) []int32 {
	if len(symbols) < 2 {
		return symbols
	}
	if len(symbols) > shortWord {
		return b.joinLong(symbols)
	}
	var room [shortWord]merge
	ranked := room[:len(symbols)-1]
	for i := range ranked {
		ranked[i] = b.pair(symbols[i], symbols[i+1])
	}
	for {
		best, at := int32(math.MaxInt32), -1
		for i, m := range ranked {
			if m.rank < best {
				best, at = m.rank, i
			}
		}
		if at < 0 {
			return symbols
		}
		symbols[at] = ranked[at].id
		copy(symbols[at+1:], symbols[at+2:])
		copy(ranked[at:], ranked[at+1:])
		symbols, ranked = symbols[:len(symbols)-1], ranked[:len(ranked)-1]
		if at > 0 {
			ranked[at-1] = b.pair(symbols[at-1], symbols[at])
		}
		if at < len(ranked) {
			ranked[at] = b.pair(symbols[at], symbols[at+1])
		}
	}
}

// pair gives a pair's merge, of the last rank where it has none.
func (b *bpe) pair(left, right int32) merge {
	if m, ok := b.merges[pairKey(left, right)]; ok {
		return m
	}
	return merge{rank: math.MaxInt32}
}

// candidate is a pair that may be merged: where it begins and what it becomes.
type candidate struct {
	merge
	at int32
}

func (c candidate) less(d candidate) bool { return c.rank < d.rank || c.rank == d.rank && c.at < d.at }

// joinLong is join for words of any length: symbols are a linked list, and the
// pairs lie in a heap, where those out of date are passed over.
func (b *bpe) joinLong(symbols []int32) []int32 {
	n := int32(len(symbols))
	before, after := make([]int32, n), make([]int32, n)
	var queue heap[candidate]
	offer := func(at, next int32) {
		if m, ok := b.merges[pairKey(symbols[at], symbols[next])]; ok {
			queue.push(candidate{m, at})
		}
	}
	for i := range n {
		before[i], after[i] = i-1, i+1
		if i+1 < n {
			offer(i, i+1)
		}
	}
	for len(queue) > 0 {
		top := queue.pop()
		left := top.at
		if symbols[left] < 0 || after[left] >= n {
			continue
		}
		right := after[left]
		if m, ok := b.merges[pairKey(symbols[left], symbols[right])]; !ok || m.id != top.id {
			continue
		}
		symbols[left], symbols[right] = top.id, -1
		after[left] = after[right]
		if after[left] < n {
			before[after[left]] = left
			offer(left, after[left])
		}
		if before[left] >= 0 {
			offer(before[left], left)
		}
	}
	kept := symbols[:0]
	for _, s := range symbols {
		if s >= 0 {
			kept = append(kept, s)
		}
	}
	return kept
}
