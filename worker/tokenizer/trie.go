package tokenizer

import (
	"cmp"
	"fmt"
	"slices"
)

type key struct {
	text  string
	value int32
}

// trie finds the pieces at the start of a text, byte by byte. The children of
// a node lie side by side, in the order of their bytes; node 0 is the root.
type trie struct {
	labels []byte
	first  []int32
	count  []uint16
	values []int32
	root   [256]int32
}

// newTrie refuses a key that stands twice.
func newTrie(keys []key) (*trie, error) {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, func(a, b key) int { return cmp.Compare(a.text, b.text) })
	for i := 1; i < len(keys); i++ {
		if keys[i].text == keys[i-1].text {
			return nil, fmt.Errorf("piece %q stands in it twice", keys[i].text)
		}
	}
	t := &trie{labels: []byte{0}, first: []int32{0}, count: []uint16{0}, values: []int32{-1}}
	type job struct {
		node      int32
		low, high int
		depth     int
	}
	queue := []job{{0, 0, len(keys), 0}}
	for len(queue) > 0 {
		j := queue[0]
		queue = queue[1:]
		if j.low < j.high && len(keys[j.low].text) == j.depth {
			t.values[j.node] = keys[j.low].value
			j.low++
		}
		t.first[j.node] = int32(len(t.labels))
		for low := j.low; low < j.high; {
			label := keys[low].text[j.depth]
			high := low + 1
			for high < j.high && keys[high].text[j.depth] == label {
				high++
			}
			queue = append(queue, job{int32(len(t.labels)), low, high, j.depth + 1})
			t.labels, t.first = append(t.labels, label), append(t.first, 0)
			t.count, t.values = append(t.count, 0), append(t.values, -1)
			t.count[j.node]++
			low = high
		}
	}
	for i := range t.root {
		t.root[i] = t.search(0, byte(i))
	}
	return t, nil
}

// child gives the node that a byte leads to, -1 when no piece goes on with it.
func (t *trie) child(at int32, label byte) int32 {
	if at == 0 {
		return t.root[label]
	}
	return t.search(at, label)
}

func (t *trie) search(at int32, label byte) int32 {
	low := t.first[at]
	high := low + int32(t.count[at])
	for low < high {
		middle := (low + high) / 2
		switch l := t.labels[middle]; {
		case l == label:
			return middle
		case l < label:
			low = middle + 1
		default:
			high = middle
		}
	}
	return -1
}

// find gives the value of a whole key, -1 when it is none.
func (t *trie) find(text string) int32 {
	at := int32(0)
	for i := 0; i < len(text) && at >= 0; i++ {
		at = t.child(at, text[i])
	}
	if at < 0 {
		return -1
	}
	return t.values[at]
}
