package tokenizer

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// unknownPenalty is how much worse than the worst piece an unknown character is.
const unknownPenalty = 10

// unigram is SentencePiece's unigram language model: it splits a text into the
// pieces whose scores have the greatest sum (Kudo 2018, arXiv:1804.10959).
type unigram struct {
	trie         *trie
	scores       []float64
	kinds        []pieceType
	unknownScore float64
	maxScore     float64
	// double keeps sums in 64 bits, as the Rust library does for a
	// tokenizer.json; SentencePiece stores them in 32.
	double bool
}

// node is one piece of a split: a range of bytes of the normal form.
type node struct {
	start, end int
	id         int32
	unknown    bool
}

func newUnigram(pieces []piece, double bool) (*unigram, error) {
	u := &unigram{
		scores: make([]float64, len(pieces)), kinds: make([]pieceType, len(pieces)),
		// The reference starts the maximum at the least positive float.
		maxScore: 0x1p-126, double: double,
	}
	lowest := math.MaxFloat64
	var keys []key
	for i, p := range pieces {
		if math.IsNaN(p.score) || math.IsInf(p.score, 0) {
			return nil, fmt.Errorf("piece %d has no number as score", i)
		}
		u.scores[i], u.kinds[i] = p.score, p.kind
		switch p.kind {
		case pieceNormal:
			lowest, u.maxScore = min(lowest, p.score), max(u.maxScore, p.score)
			keys = append(keys, key{p.text, int32(i)})
		case pieceUserDefined, pieceUnused:
			keys = append(keys, key{p.text, int32(i)})
		}
	}
	if lowest == math.MaxFloat64 {
		return nil, errors.New("no piece that could stand for text")
	}
	u.unknownScore = lowest - unknownPenalty
	if !double {
		u.unknownScore = float64(float32(u.unknownScore))
	}
	var err error
	u.trie, err = newTrie(keys)
	return u, err
}

// best is the best path that ends at a byte; start is -1 when there is none.
type best struct {
	score float64
	start int32
	id    int32
}

// split is the reference's EncodeOptimized: one pass forward that keeps the
// best path to every byte, one back. Of equal paths the one whose last piece is
// longer stays, and what is equal depends on the width of the sums.
func (u *unigram) split(text string) []node {
	if text == "" {
		return nil
	}
	paths := make([]best, len(text)+1)
	for i := range paths {
		paths[i].start = -1
	}
	for start := 0; start < len(text); {
		here := paths[start].score
		_, width := utf8.DecodeRuneInString(text[start:])
		single := false
		at := int32(0)
		for end := start; end < len(text); end++ {
			if at = u.trie.child(at, text[end]); at < 0 {
				break
			}
			id := u.trie.values[at]
			if id < 0 || u.kinds[id] == pieceUnused {
				continue
			}
			length := end + 1 - start
			u.offer(&paths[end+1], u.pieceScore(id, length)+here, start, id)
			single = single || length == width
		}
		if !single {
			u.offer(&paths[start+width], u.unknownScore+here, start, -1)
		}
		start += width
	}
	return backtrack(paths)
}

// pieceScore gives a piece that the user defined so much that it always wins.
func (u *unigram) pieceScore(id int32, length int) float64 {
	if u.kinds[id] != pieceUserDefined {
		return u.scores[id]
	}
	return float64(float32(length)*float32(u.maxScore)) - 0.1
}

func (u *unigram) offer(to *best, score float64, start int, id int32) {
	if !u.double {
		score = float64(float32(score))
	}
	if to.start != -1 && score <= to.score {
		return
	}
	*to = best{score: score, start: int32(start), id: id}
}

// backtrack reads the best path, unknown neighbours joined.
func backtrack(paths []best) []node {
	count := 0
	for end := len(paths) - 1; end > 0; end = int(paths[end].start) {
		count++
	}
	nodes := make([]node, count)
	for end := len(paths) - 1; end > 0; end = int(paths[end].start) {
		count--
		p := paths[end]
		nodes[count] = node{start: int(p.start), end: end, id: p.id, unknown: p.id < 0}
	}
	return joinUnknown(nodes)
}

// joinUnknown makes one of unknown neighbours.
func joinUnknown(nodes []node) []node {
	kept := nodes[:0]
	for _, n := range nodes {
		if last := len(kept) - 1; n.unknown && last >= 0 && kept[last].unknown {
			kept[last].end = n.end
			continue
		}
		kept = append(kept, n)
	}
	return kept
}
