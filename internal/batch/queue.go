package batch

// queue is a list of calls in the order of arrival, out of which any call can
// be taken at once.
type queue[T, R any] struct {
	first, last *call[T, R]
}

func (q *queue[T, R]) push(c *call[T, R]) {
	c.queued, c.previous = true, q.last
	if q.last == nil {
		q.first = c
	} else {
		q.last.next = c
	}
	q.last = c
}

func (q *queue[T, R]) remove(c *call[T, R]) {
	if c.previous == nil {
		q.first = c.next
	} else {
		c.previous.next = c.next
	}
	if c.next == nil {
		q.last = c.previous
	} else {
		c.next.previous = c.previous
	}
	c.queued, c.previous, c.next = false, nil, nil
}
