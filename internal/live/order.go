package live

import (
	"context"
	"slices"
	"sort"

	"parley/internal/event"
)

// mostPending is how many events the hub holds whose round has not ended.
const mostPending = 4096

// healPage is how many events the hub reads at a time.
const healPage = 500

// batch keeps events until their round is over: only then is it known whether
// something before them was lost.
func (h *Hub) batch(ctx context.Context, b event.Batch) error {
	if b.Epoch != h.log.Epoch() {
		return nil // another database's
	}
	for _, e := range b.Events {
		if e.Position > h.head {
			h.insert(e)
		}
	}
	if len(h.pending) > mostPending {
		h.pending = nil // the database has all of it
		return h.heal(ctx)
	}
	return nil
}

// insert keeps pending in order and without doubles: two relays may lead for a
// moment.
func (h *Hub) insert(e event.Event) {
	n := len(h.pending)
	at := n
	if n > 0 && h.pending[n-1].Position >= e.Position {
		at = sort.Search(n, func(i int) bool { return h.pending[i].Position >= e.Position })
	}
	if at == n || h.pending[at].Position != e.Position {
		h.pending = slices.Insert(h.pending, at, e)
	}
}

// round hands on the events of a round if all of them are there.
func (h *Hub) round(ctx context.Context, r event.Round) error {
	switch {
	case r.Epoch != h.log.Epoch() || r.Position <= h.head:
		return nil
	case r.Previous > h.head || !h.complete(r):
		return h.heal(ctx)
	}
	for _, e := range h.pending {
		if e.Position > h.head && e.Position <= r.Position {
			h.hand(e)
		}
	}
	h.head = r.Position
	h.forgetPending()
	return nil
}

// complete tells whether everything that the round has for this hub has come.
// Positions have no holes, so a round that counts differently is not to be
// believed.
func (h *Hub) complete(r event.Round) bool {
	have := map[int]int{}
	for _, e := range h.pending {
		if e.Position > r.Previous && e.Position <= r.Position {
			have[event.ShardOf(e.Audience)]++
		}
	}
	all := 0
	for shard, n := range r.Counts {
		all += n
		if have[shard] != n && h.shards.wanted(shard) {
			return false
		}
	}
	return int64(all) == r.Position-r.Previous
}

// heal hands on what lies in the database behind the head. What was deleted
// with age is lost: every subscriber must look for itself then, before it gets
// what is newer.
func (h *Hub) heal(ctx context.Context) error {
	head, err := h.log.Head(ctx)
	if err != nil {
		return err
	}
	for wanted := h.shards.list(); h.head < head; {
		var events []event.Event
		if len(wanted) > 0 {
			if events, err = h.log.Read(ctx, event.Filter{Shards: wanted, After: h.head, Limit: healPage}); err != nil {
				return err
			}
		}
		trimmed, err := h.log.Trimmed(ctx)
		if err != nil {
			return err
		}
		if h.head < trimmed {
			h.loseAll(h.head)
		}
		for _, e := range events {
			// Whoever came since head was read may need what lies behind it, of a shard
			// that is not wanted yet.
			if e.Position <= head {
				h.hand(e)
				h.counts.Healed.Add(1)
			}
		}
		if n := len(events); n < healPage || events[n-1].Position > head {
			h.head = max(h.head, head)
		}
	}
	h.forgetPending()
	return nil
}

// compare heals what the hub has not heard of since the last comparison: that
// long a round may be on its way.
func (h *Hub) compare(ctx context.Context) error {
	if h.head < h.behind {
		if err := h.heal(ctx); err != nil {
			return err
		}
	}
	head, err := h.log.Head(ctx)
	h.behind = head
	return err
}

// forgetPending drops what was handed on.
func (h *Hub) forgetPending() {
	h.pending = slices.DeleteFunc(h.pending, func(e event.Event) bool { return e.Position <= h.head })
	if len(h.pending) == 0 && cap(h.pending) > healPage {
		h.pending = nil
	}
}
