package tokenizer

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// merger is SentencePiece's byte pair encoding (bpe_model.cc): characters are
// joined where the joined text is a piece, the best score first. Pieces that the
// user defined stand whole from the start.
type merger struct {
	trie   *trie
	pieces []piece
}

func newMerger(pieces []piece) (*merger, error) {
	var keys []key
	for i, p := range pieces {
		if math.IsNaN(p.score) {
			return nil, fmt.Errorf("piece %d has no number as score", i)
		}
		switch p.kind {
		case pieceNormal, pieceUserDefined, pieceUnused:
			keys = append(keys, key{p.text, int32(i)})
		}
	}
	t, err := newTrie(keys)
	return &merger{t, pieces}, err
}

// symbol is a stretch of the text in a linked list. A taken one is part of the
// symbol before it; a frozen one joins nothing.
type symbol struct {
	start, end    int32
	before, after int32
	frozen, taken bool
}

// joint is a pair of symbols that may be joined, as long as the pair has the
// size that it had.
type joint struct {
	score float64
	left  int32
	size  int32
}

func (j joint) less(o joint) bool { return j.score > o.score || j.score == o.score && j.left < o.left }

func (m *merger) split(text string) []node {
	symbols := m.symbols(text)
	// unused remembers where a piece that must not stay was put together.
	unused := map[[2]int32]int32{}
	var queue heap[joint]
	offer := func(left, right int32) {
		if left < 0 || right < 0 || symbols[left].frozen || symbols[right].frozen {
			return
		}
		start, end := symbols[left].start, symbols[right].end
		id := m.trie.find(text[start:end])
		if id < 0 {
			return
		}
		queue.push(joint{m.pieces[id].score, left, end - start})
		if m.pieces[id].kind == pieceUnused {
			unused[[2]int32{start, end}] = symbols[right].start
		}
	}
	for i := 1; i < len(symbols); i++ {
		offer(int32(i-1), int32(i))
	}
	for len(queue) > 0 {
		top := queue.pop()
		left := &symbols[top.left]
		if left.taken || left.after < 0 || symbols[left.after].end-left.start != top.size {
			continue
		}
		right := &symbols[left.after]
		right.taken = true
		left.end, left.after = right.end, right.after
		if left.after >= 0 {
			symbols[left.after].before = top.left
		}
		offer(left.before, top.left)
		offer(top.left, left.after)
	}
	return m.nodes(text, symbols, unused)
}

// symbols begins with characters and with the pieces that the user defined.
func (m *merger) symbols(text string) []symbol {
	symbols := make([]symbol, 0, len(text))
	for at := 0; at < len(text); {
		end, frozen := m.userDefined(text, at)
		if !frozen {
			_, size := utf8.DecodeRuneInString(text[at:])
			end = at + size
		}
		n := int32(len(symbols))
		symbols = append(symbols, symbol{start: int32(at), end: int32(end), before: n - 1, after: n + 1, frozen: frozen})
		at = end
	}
	if n := len(symbols); n > 0 {
		symbols[n-1].after = -1
	}
	return symbols
}

// userDefined finds the longest piece of that kind at a byte.
func (m *merger) userDefined(text string, at int) (end int, ok bool) {
	node := int32(0)
	for i := at; i < len(text); i++ {
		if node = m.trie.child(node, text[i]); node < 0 {
			break
		}
		if id := m.trie.values[node]; id >= 0 && m.pieces[id].kind == pieceUserDefined {
			end, ok = i+1, true
		}
	}
	return end, ok
}

// nodes gives the symbols that are left. Unused pieces fall apart again into
// what they were made of.
func (m *merger) nodes(text string, symbols []symbol, unused map[[2]int32]int32) []node {
	var nodes []node
	var open [][2]int32
	for i := int32(0); i >= 0 && int(i) < len(symbols); i = symbols[i].after {
		open = append(open[:0], [2]int32{symbols[i].start, symbols[i].end})
		for len(open) > 0 {
			s := open[len(open)-1]
			open = open[:len(open)-1]
			id := m.trie.find(text[s[0]:s[1]])
			if middle, ok := unused[s]; ok && id >= 0 && m.pieces[id].kind == pieceUnused {
				open = append(open, [2]int32{middle, s[1]}, [2]int32{s[0], middle})
				continue
			}
			nodes = append(nodes, node{start: int(s[0]), end: int(s[1]), id: id, unknown: id < 0})
		}
	}
	return joinUnknown(nodes)
}
