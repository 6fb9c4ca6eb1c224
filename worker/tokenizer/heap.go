package tokenizer

// ranked tells which of two goes first.
type ranked[T any] interface{ less(T) bool }

var (
	_ ranked[candidate] = candidate{}
	_ ranked[joint]     = joint{}
)

// heap is a binary heap, the least element on top.
type heap[T ranked[T]] []T

func (h *heap[T]) push(c T) {
	*h = append(*h, c)
	s := *h
	for i := len(s) - 1; i > 0; {
		parent := (i - 1) / 2
		if !s[i].less(s[parent]) {
			break
		}
		s[i], s[parent] = s[parent], s[i]
		i = parent
	}
}

func (h *heap[T]) pop() T {
	s := *h
	top := s[0]
	s[0] = s[len(s)-1]
	s = s[:len(s)-1]
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(s) {
			break
		}
		if child+1 < len(s) && s[child+1].less(s[child]) {
			child++
		}
		if !s[child].less(s[i]) {
			break
		}
		s[i], s[child] = s[child], s[i]
		i = child
	}
	*h = s
	return top
}
