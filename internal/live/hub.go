// Package live takes committed events to subscribers: it fans them out, heals
// holes from the event log, and replays.
package live

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/nats-io/nats.go"

	"parley/internal/event"
	"parley/internal/jobspec"
	"parley/internal/natsx"
)

// Hub is the one subscriber to the event log in a process. Watches hang on it
// by key: the id of an object, of its parent, of a run, or an audience.
type Hub struct {
	log *event.Log
	bus *natsx.Bus
	// check is how often the hub compares itself with the database.
	check time.Duration

	mu      sync.RWMutex
	watches map[string]map[*Watch]struct{}

	// shards holds the last position seen of each shard; only Run uses it.
	shards   [jobspec.EventShards]int64
	inbox    chan *nats.Msg
	progress *lru.Cache[string, jobspec.Progress]
	// partial is the size of the texts that progress holds, in bytes, and
	// maxPartial its bound.
	partial    atomic.Int64
	maxPartial int64
	healed     atomic.Int64
}

// NewHub makes a hub; nothing happens before Run.
func NewHub(log *event.Log, bus *natsx.Bus) (*Hub, error) {
	h := &Hub{
		log: log, bus: bus, check: 5 * time.Second, watches: map[string]map[*Watch]struct{}{},
		inbox: make(chan *nats.Msg, 4096), maxPartial: 64 << 20,
	}
	var err error
	h.progress, err = lru.NewWithEvict(8192, func(_ string, p jobspec.Progress) { h.partial.Add(-int64(len(p.Partial))) })
	return h, err
}

// Watch registers for the keys. Register first, then read the state: whatever
// changes after the read reaches the watch.
func (h *Hub) Watch(keys ...string) *Watch {
	w := &Watch{C: make(chan struct{}, 1), hub: h, keys: keys}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, key := range keys {
		set := h.watches[key]
		if set == nil {
			set = make(map[*Watch]struct{}, 1)
			h.watches[key] = set
		}
		set[w] = struct{}{}
	}
	return w
}

func (h *Hub) remove(w *Watch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, key := range w.keys {
		delete(h.watches[key], w)
		if len(h.watches[key]) == 0 {
			delete(h.watches, key)
		}
	}
}

// Progress gives the last report of a run, if there was one lately.
func (h *Hub) Progress(run string) (jobspec.Progress, bool) { return h.progress.Get(run) }

// Healed tells how many events came from the database instead of NATS.
func (h *Hub) Healed() int64 { return h.healed.Load() }

// Watches tells how many watches hang on the hub's keys.
func (h *Hub) Watches() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	n := 0
	for _, set := range h.watches {
		n += len(set)
	}
	return n
}

// Run hands events on until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	events, err := h.bus.Conn().ChanSubscribe(jobspec.SubjectEventsAll, h.inbox)
	if err != nil {
		return fmt.Errorf("subscribe to the event log: %w", err)
	}
	defer func() { _ = events.Unsubscribe() }()
	progress, err := h.bus.Conn().Subscribe(jobspec.SubjectProgressAll, h.report)
	if err != nil {
		return fmt.Errorf("subscribe to progress: %w", err)
	}
	defer func() { _ = progress.Unsubscribe() }()
	if err := h.bus.Conn().FlushTimeout(5 * time.Second); err != nil {
		slog.Warn("NATS did not confirm a subscription, the database will fill the gap", "error", err)
	}
	if err := h.begin(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	back := make(chan struct{}, 1)
	stop := h.bus.Reconnects(func() {
		select {
		case back <- struct{}{}:
		default:
		}
	})
	defer stop()
	return h.loop(ctx, back)
}

// begin waits for a database that is away: the process must outlive that at
// its start as it does later.
func (h *Hub) begin(ctx context.Context) error {
	heads, err := persist(ctx, func() (map[int]int64, error) { return h.log.ShardHeads(ctx) })
	if err != nil {
		return fmt.Errorf("read the heads of the event log: %w", err)
	}
	for shard, position := range heads {
		h.shards[shard] = max(h.shards[shard], position)
	}
	// Watches may be older than the hub: what they missed lies in the database.
	h.loseAll()
	return nil
}

func (h *Hub) loop(ctx context.Context, back <-chan struct{}) error {
	tick := time.NewTicker(h.check)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case m := <-h.inbox:
			err = h.receive(ctx, m)
		case <-back:
			err = h.catchUp(ctx)
		case <-tick.C:
			err = h.catchUp(ctx)
		}
		if err != nil && ctx.Err() == nil {
			slog.Error("the hub could not read the event log, it tries again", "error", err)
		}
	}
}

func (h *Hub) receive(ctx context.Context, m *nats.Msg) error {
	var b jobspec.EventBatch
	if err := json.Unmarshal(m.Data, &b); err != nil {
		return fmt.Errorf("decode an event batch: %w", err)
	}
	if b.Shard < 0 || b.Shard >= jobspec.EventShards {
		return fmt.Errorf("an event batch is of shard %d, which does not exist", b.Shard)
	}
	if b.Epoch != h.log.Epoch() {
		return nil // another database's
	}
	if b.Previous > h.shards[b.Shard] {
		if err := h.heal(ctx, b.Shard, b.Previous); err != nil {
			return err
		}
	}
	for _, e := range b.Events {
		h.hand(e)
	}
	return nil
}

// heal hands on what the hub missed of a shard. What was deleted with age is
// lost: every reader must look for itself then, before it gets what is newer.
func (h *Hub) heal(ctx context.Context, shard int, until int64) error {
	for h.shards[shard] < until {
		events, err := h.log.Read(ctx, event.Filter{Shard: shard, After: h.shards[shard], Limit: 500})
		if err != nil {
			return err
		}
		trimmed, err := h.log.Trimmed(ctx)
		if err != nil {
			return err
		}
		if h.shards[shard] < trimmed {
			h.loseAll()
		}
		h.healed.Add(int64(len(events)))
		for _, e := range events {
			h.hand(e)
		}
		if len(events) == 0 {
			// Only what was deleted may be passed over unseen: a batch that claims
			// more must not make the hub deaf to what is still to come.
			h.shards[shard] = max(h.shards[shard], min(until, trimmed))
			return nil
		}
	}
	return nil
}

// catchUp compares the hub with the database, in case the last events of a
// shard were lost and no later one tells.
func (h *Hub) catchUp(ctx context.Context) error {
	heads, err := h.log.ShardHeads(ctx)
	if err != nil {
		return err
	}
	for shard, position := range heads {
		if position > h.shards[shard] {
			if err := h.heal(ctx, shard, position); err != nil {
				return err
			}
		}
	}
	return nil
}

// hand gives an event to whoever watches its object, parent or audience.
func (h *Hub) hand(e jobspec.Event) {
	shard := jobspec.EventShard(e.Audience)
	if e.Position <= h.shards[shard] {
		return
	}
	h.shards[shard] = e.Position
	h.mu.RLock()
	for _, key := range []string{e.Object, e.Parent, e.Audience} {
		if key == "" {
			continue
		}
		for w := range h.watches[key] {
			w.add(e)
		}
	}
	h.mu.RUnlock()
}

func (h *Hub) loseAll() {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, set := range h.watches {
		for w := range set {
			w.lost()
		}
	}
}

func (h *Hub) report(m *nats.Msg) {
	var p jobspec.Progress
	if err := json.Unmarshal(m.Data, &p); err != nil || p.Run == "" {
		return
	}
	old, ok := h.progress.Get(p.Run)
	if ok {
		switch {
		case old.Attempt > p.Attempt:
			return
		case old.Attempt == p.Attempt:
			// Another worker may have begun the attempt anew: readers see it grow
			// only, so they wait until it is further than the first one came.
			if p.Progress <= old.Progress && len(p.Partial) <= len(old.Partial) {
				return
			}
			p.Progress = max(p.Progress, old.Progress)
			if len(p.Partial) < len(old.Partial) {
				p.Partial = old.Partial
			}
		}
	}
	h.keep(p, old)
	h.mu.RLock()
	defer h.mu.RUnlock()
	for w := range h.watches[p.Run] {
		w.report(p)
	}
}

// keep remembers a report in place of the run's last one.
func (h *Hub) keep(p, old jobspec.Progress) {
	h.progress.Add(p.Run, p)
	h.partial.Add(int64(len(p.Partial) - len(old.Partial)))
	for h.partial.Load() > h.maxPartial && h.progress.Len() > 1 {
		h.progress.RemoveOldest()
	}
}
