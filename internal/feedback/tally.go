package feedback

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"parley/internal/embedding"
	"parley/internal/store"
)

// Search is one that was answered.
type Search struct {
	// Query is its text; the normalised form is counted. Empty for one by a picture.
	Query string
	// Hits is how many stickers it found.
	Hits int
	// Degraded tells that words alone were looked for: it says nothing of what there is.
	Degraded bool
	// Private tells that it found nothing but private stickers, by their words: then the
	// text may be such a name, and is not kept.
	Private bool
}

// Bounds of what waits to be written.
const (
	mostPending = 10_000 // queries, and stickers in an hour
	mostInFlush = 1000
)

// tally holds counts until they are written.
type tally struct {
	// full wakes run before its time.
	full    chan struct{}
	dropped atomic.Int64

	mu sync.Mutex
	counts
}

// counts are sums by text, by hour, and by sticker and hour.
type counts struct {
	queries map[string]*queryCount
	hours   map[int64]*hourCount
	chosen  map[stickerHour]*chosenCount
}

type queryCount struct {
	usage, empty, chosen int64
	lastAt               time.Time
	lastEmpty            bool
}

type hourCount struct{ searches, empty, degraded, votes, chosen int64 }

type stickerHour struct {
	sticker string
	hour    int64
}

type chosenCount struct{ chosen, places int64 }

func newCounts() counts {
	return counts{map[string]*queryCount{}, map[int64]*hourCount{}, map[stickerHour]*chosenCount{}}
}

func newTally() *tally { return &tally{full: make(chan struct{}, 1), counts: newCounts()} }

// entry gives the counts of a key, nil when too many keys wait already.
func entry[K comparable, V any](t *tally, all map[K]*V, key K) *V {
	v := all[key]
	if v != nil {
		return v
	}
	if len(all) >= mostPending {
		t.dropped.Add(1)
		return nil
	}
	v = new(V)
	all[key] = v
	if len(all) >= mostPending/2 {
		select {
		case t.full <- struct{}{}:
		default:
		}
	}
	return v
}

// Counted counts a search that was answered; call it for no other. It never waits: what
// doesn't fit is dropped and shows in the metrics. Run writes the counts.
func (s *Service) Counted(search Search) {
	text := ""
	if !search.Private && len(search.Query) <= 16*MaxQuery && store.Storable(search.Query) {
		text = embedding.Normalize(search.Query)
	}
	at, empty := now(), search.Hits == 0 && !search.Degraded
	t := s.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := entry(t, t.hours, hourOf(at)); h != nil {
		h.searches++
		h.empty += one(empty)
		h.degraded += one(search.Degraded)
	}
	if text == "" || utf8.RuneCountInString(text) > MaxQuery {
		return
	}
	if q := entry(t, t.queries, text); q != nil {
		q.usage++
		q.empty += one(empty)
		q.lastAt, q.lastEmpty = at, empty
	}
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// vote counts votes that were reported.
func (t *tally) vote(at time.Time, n int) {
	if n == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := entry(t, t.hours, hourOf(at)); h != nil {
		h.votes += int64(n)
	}
}

// choose counts a sticker that was chosen from the answers to a query, or with an empty
// text without one.
func (t *tally) choose(at time.Time, text, sticker string, place int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := entry(t, t.hours, hourOf(at)); h != nil {
		h.chosen++
	}
	if text != "" {
		if q := entry(t, t.queries, text); q != nil {
			q.chosen++
			if q.lastAt.IsZero() {
				q.lastAt = at
			}
		}
	}
	if c := entry(t, t.chosen, stickerHour{sticker, hourOf(at)}); c != nil {
		c.chosen++
		c.places += int64(place)
	}
}

// run writes what was counted until ctx ends, and then the rest.
func (t *tally) run(ctx context.Context, s *Service) error {
	tick := time.NewTicker(s.cfg.FlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return s.Flush(last)
		case <-tick.C:
		case <-t.full:
		}
		if err := s.Flush(ctx); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "counts of searches could not be written, they wait", "error", err)
		}
	}
}

// Flush writes what was counted so far. What can't be written waits on.
func (s *Service) Flush(ctx context.Context) error {
	for {
		some := s.tally.take(mostInFlush)
		if some.none() {
			return nil
		}
		if err := s.store.Tx(ctx, func(ctx context.Context) error { return s.writeCounts(ctx, some) }); err != nil {
			s.tally.giveBack(some)
			return err
		}
	}
}

func (c counts) none() bool { return len(c.queries)+len(c.hours)+len(c.chosen) == 0 }

// take removes at most n queries and stickers, and all hours.
func (t *tally) take(n int) counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	some := newCounts()
	some.hours, t.hours = t.hours, some.hours
	move(some.queries, t.queries, n)
	move(some.chosen, t.chosen, n)
	return some
}

func move[K comparable, V any](to, from map[K]V, n int) {
	for k := range maps.Keys(from) {
		if len(to) >= n {
			return
		}
		to[k] = from[k]
		delete(from, k)
	}
}

// giveBack adds counts again that could not be written.
func (t *tally) giveBack(some counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for hour, n := range some.hours {
		if h := entry(t, t.hours, hour); h != nil {
			*h = hourCount{h.searches + n.searches, h.empty + n.empty, h.degraded + n.degraded, h.votes + n.votes, h.chosen + n.chosen}
		}
	}
	for text, n := range some.queries {
		if q := entry(t, t.queries, text); q != nil {
			if q.usage == 0 {
				q.lastAt, q.lastEmpty = n.lastAt, n.lastEmpty
			}
			q.usage, q.empty, q.chosen = q.usage+n.usage, q.empty+n.empty, q.chosen+n.chosen
		}
	}
	for key, n := range some.chosen {
		if c := entry(t, t.chosen, key); c != nil {
			*c = chosenCount{c.chosen + n.chosen, c.places + n.places}
		}
	}
}
