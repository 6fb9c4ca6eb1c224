package vector

// lowest keeps the highest numbers of those added, up to most, and knows the
// lowest of them: a heap with that one in front.
type lowest[T float32 | float64] struct {
	most int
	heap []T
}

func (l *lowest[T]) full() bool { return len(l.heap) == l.most }

// least is the lowest number kept; there must be one.
func (l *lowest[T]) least() T { return l.heap[0] }

func (l *lowest[T]) add(n T) {
	if !l.full() {
		l.heap = append(l.heap, n)
		for i := len(l.heap) - 1; i > 0 && l.heap[(i-1)/2] > l.heap[i]; i = (i - 1) / 2 {
			l.heap[(i-1)/2], l.heap[i] = l.heap[i], l.heap[(i-1)/2]
		}
		return
	}
	if n <= l.heap[0] {
		return
	}
	l.heap[0] = n
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < len(l.heap) && l.heap[child+1] < l.heap[child] {
			child++
		}
		if child >= len(l.heap) || l.heap[i] <= l.heap[child] {
			return
		}
		l.heap[i], l.heap[child] = l.heap[child], l.heap[i]
		i = child
	}
}
