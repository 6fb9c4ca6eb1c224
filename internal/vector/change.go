package vector

import (
	"runtime"
	"slices"

	"parley/internal/vector/kernel"
)

// change is a view in the making. Whoever makes it holds Exact.writing.
type change struct {
	x *Exact
	view
	// own are the blocks that are no longer shared with the view before.
	own map[int]bool
	// dropped are the labels of rows that the change takes away.
	dropped [][]uint32
}

func (x *Exact) begin() (*change, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.closed {
		return nil, ErrClosed
	}
	c := &change{x: x, view: *x.now, own: map[int]bool{}}
	c.blocks = slices.Clone(c.blocks)
	return c, nil
}

// edit gives a block that the change may write to.
func (c *change) edit(number int) *block {
	if !c.own[number] {
		b := *c.blocks[number]
		c.blocks[number], c.own[number] = &b, true
	}
	return c.blocks[number]
}

// open gives a block with room for one row more.
func (c *change) open() (*block, int, error) {
	if c.tail >= 0 && c.blocks[c.tail] != nil && !c.blocks[c.tail].sealed() {
		return c.edit(c.tail), c.tail, nil
	}
	full, err := c.x.vault.block()
	if err != nil {
		return nil, 0, err
	}
	s, err := newSlab(c.x.cfg.Dimension, full)
	if err != nil {
		return nil, 0, err
	}
	c.tail = slices.Index(c.blocks, nil)
	if c.tail < 0 {
		c.tail, c.blocks = len(c.blocks), append(c.blocks, nil)
	}
	c.blocks[c.tail], c.own[c.tail] = &block{slab: s}, true
	return c.blocks[c.tail], c.tail, nil
}

// add makes a row that write fills, and gives its place.
func (c *change) add(write func(b *block, row int) error) (place, error) {
	b, number, err := c.open()
	if err != nil {
		return 0, err
	}
	row := b.used
	if err := write(b, row); err != nil {
		return 0, err
	}
	b.used++
	b.alive[row/64] |= 1 << (row % 64)
	c.rows++
	return placeOf(number, row), nil
}

// kill takes a row away.
func (c *change) kill(at place) {
	b := c.edit(at.block())
	b.alive[at.row()/64] &^= 1 << (at.row() % 64)
	b.dead++
	c.rows--
	c.dropped = append(c.dropped, b.labelsOf(at.row()))
}

// put writes rows of different ids; numbers are those of their labels. With an
// error the change must be forgotten, and nothing else is to be undone.
func (c *change) put(rows []Row, numbers [][]uint32) error {
	n := c.x.cfg.Dimension
	padded, places := make([]float32, kernel.Codes(n)), make([]place, len(rows))
	v := padded[:n]
	for i, r := range rows {
		unit(v, r.Vector)
		at, err := c.add(func(b *block, row int) error {
			b.name(row, r.ID, numbers[i])
			b.encode(row, padded)
			return b.full.write(row, v)
		})
		if err != nil {
			return err
		}
		places[i] = at
	}
	for i, r := range rows {
		if old, ok := c.x.places.find(c.blocks, r.ID); ok {
			c.kill(old)
		}
		c.x.places.set(c.blocks, r.ID, places[i])
	}
	return nil
}

// commit shows the change to readers, and then writes blocks anew that have
// many dead rows, so that no more than a quarter of the rows in full blocks is dead.
func (c *change) commit() {
	c.publish()
	for _, number := range slices.Sorted(keys(c.own)) {
		if b := c.blocks[number]; b == nil || !b.wasteful() {
			continue
		}
		// A block that can't be written anew, because the disk is full, stays as it
		// is until one of its rows changes again.
		if next, err := c.x.begin(); err == nil && next.compact(number) == nil {
			next.publish()
		}
	}
}

func keys(set map[int]bool) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for k := range set {
			if !yield(k) {
				return
			}
		}
	}
}

func (c *change) publish() {
	c.x.mu.Lock()
	defer c.x.mu.Unlock()
	c.x.now = &view{blocks: c.blocks, tail: c.tail, rows: c.rows}
	for _, numbers := range c.dropped {
		c.x.labels.drop(numbers)
	}
	runtime.KeepAlive(c)
}

// compact moves the live rows of a block elsewhere and leaves its place empty.
func (c *change) compact(number int) error {
	old, buffer := c.blocks[number], make([]float32, c.x.cfg.Dimension)
	var rows []int
	var places []place
	err := old.each(func(i int) error {
		at, err := c.add(func(b *block, row int) error { return b.move(row, old.slab, i, buffer) })
		rows, places = append(rows, i), append(places, at)
		return err
	})
	if err != nil {
		return err
	}
	for i, row := range rows {
		c.x.places.set(c.blocks, string(old.id(row)), places[i])
	}
	c.rows -= len(rows)
	c.blocks[number] = nil
	runtime.KeepAlive(old)
	return nil
}
