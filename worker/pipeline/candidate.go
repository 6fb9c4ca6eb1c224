package pipeline

// candidate is one way on: a beam of an input and the token that follows.
type candidate struct {
	score float32
	beam  int
	token int64
}

// best keeps the candidates with the greatest scores, the greatest first; of
// equal ones the one that came first.
type best struct {
	room  int
	found []candidate
}

func newBest(room int) *best { return &best{room: room, found: make([]candidate, 0, room+1)} }

// floor is the score that a candidate has to exceed.
func (b *best) floor() float32 {
	if len(b.found) < b.room {
		return forbidden
	}
	return b.found[b.room-1].score
}

func (b *best) offer(c candidate) {
	if !(c.score > b.floor()) {
		return
	}
	b.found = append(b.found, c)
	i := len(b.found) - 1
	for ; i > 0 && b.found[i-1].score < c.score; i-- {
		b.found[i] = b.found[i-1]
	}
	b.found[i] = c
	if len(b.found) > b.room {
		b.found = b.found[:b.room]
	}
}

// scan offers every token of a row. Most values are below the floor, so they
// are compared as they stand, with a margin for rounding, before anything is
// computed of them.
func (b *best) scan(row []float32, scale rowScale, beam int, before float32) {
	raw := func() float32 {
		floor := b.floor()
		if floor == forbidden {
			return forbidden
		}
		at := floor - before + scale.logSum + scale.top
		return at - 1e-5*(abs(floor)+abs(before)+abs(scale.logSum)+abs(scale.top)+1)
	}
	floor := raw()
	for token, x := range row {
		if x > floor {
			b.offer(candidate{score: scale.of(x) + before, beam: beam, token: int64(token)})
			floor = raw()
		}
	}
}

func abs(x float32) float32 {
	if x < 0 {
		return -x
	}
	return x
}
