package vector

import "hash/maphash"

// directory knows the place of each id without holding the ids, which lie in the
// slabs: at a million rows that saves the collector a million strings.
type directory struct {
	hash   func(id string) uint64
	places map[uint64]place
	// others are ids whose hash another id has. There are hardly ever any.
	others map[string]place
}

func newDirectory(rows int) directory {
	seed := maphash.MakeSeed()
	return directory{
		hash:   func(id string) uint64 { return maphash.String(seed, id) },
		places: make(map[uint64]place, rows),
		others: map[string]place{},
	}
}

// find gives the place of an id in blocks.
func (d *directory) find(blocks []*block, id string) (place, bool) {
	if p, ok := d.places[d.hash(id)]; ok && string(blocks[p.block()].id(p.row())) == id {
		return p, true
	}
	p, ok := d.others[id]
	return p, ok
}

// set says where an id is; blocks are those of before.
func (d *directory) set(blocks []*block, id string, to place) {
	h := d.hash(id)
	if p, ok := d.places[h]; ok && string(blocks[p.block()].id(p.row())) != id {
		d.others[id] = to
		return
	}
	if len(d.others) > 0 {
		if _, ok := d.others[id]; ok {
			d.others[id] = to
			return
		}
	}
	d.places[h] = to
}

// remove forgets an id; blocks are those of before.
func (d *directory) remove(blocks []*block, id string) {
	h := d.hash(id)
	if p, ok := d.places[h]; ok && string(blocks[p.block()].id(p.row())) == id {
		delete(d.places, h)
		return
	}
	delete(d.others, id)
}
