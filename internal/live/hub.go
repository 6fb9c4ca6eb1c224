// Package live takes committed events to subscribers: it fans them out in the
// order of the log, heals holes from the database, and replays.
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

	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/jobspec"
	"parley/internal/natsx"
)

// Hub is the one subscriber to the event log in a process. Subscribers hang on
// it by key: the id of an object, of its parent, of a run, or an audience. It
// hands on events in the order of their positions, and listens to those shards
// only that its subscribers need.
type Hub struct {
	log     *event.Log
	bus     *natsx.Bus
	domains *domain.Set
	// check is how often the hub compares itself with the database, and settle
	// how long an event may wait for the end of its round.
	check, settle time.Duration

	mu          sync.RWMutex
	subscribers map[string]map[subscriber]struct{}
	shards      shards
	running     atomic.Bool

	// Only Run uses these. Everything up to head was handed on, pending is what
	// came behind it, and behind is where the database was at the last check.
	head, behind int64
	pending      []event.Event

	inbox    chan *nats.Msg
	progress *lru.Cache[string, jobspec.Progress]
	// partial is the size of the texts and previews that progress holds, in bytes, and
	// maxPartial its bound.
	partial    atomic.Int64
	maxPartial int64
	// held is the number of events that wait in watches, and maxHeld its bound.
	held    atomic.Int64
	maxHeld int64
	counts  Counts
}

// Counts are what a hub counts.
type Counts struct {
	// Healed are events that came from the database instead of NATS.
	Healed atomic.Int64
	// Conflated are states and reports that a newer one replaced before their
	// reader took them.
	Conflated atomic.Int64
	// Overflows are readers that fell behind by more than they may, and read the
	// log instead.
	Overflows atomic.Int64
	// Dropped are readers that read the log and did not find what had been
	// dropped from memory. It must stay 0.
	Dropped atomic.Int64
}

// subscriber is a Watch, or a listener.
type subscriber interface {
	// add is told of an event, progress of that of a run; lost that there may have been
	// events behind a position that it was not told of. None may block.
	add(e event.Event)
	progress(p jobspec.Progress)
	lost(whole int64)
}

// NewHub makes a hub; nothing happens before Run. domains tell which states a
// newer one may stand for.
func NewHub(log *event.Log, bus *natsx.Bus, domains *domain.Set) (*Hub, error) {
	h := &Hub{
		log: log, bus: bus, domains: domains, check: 5 * time.Second, settle: 200 * time.Millisecond,
		subscribers: map[string]map[subscriber]struct{}{},
		inbox:       make(chan *nats.Msg, 4096), maxPartial: 64 << 20, maxHeld: 200_000,
	}
	var err error
	h.progress, err = lru.NewWithEvict(8192, func(_ string, p jobspec.Progress) { h.partial.Add(-sizeOf(p)) })
	return h, err
}

// subscribe registers for events of the audiences that are about one of the
// keys. Register first, then read the state: whatever changes after the read
// reaches the subscriber.
func (h *Hub) subscribe(s subscriber, audiences, keys []string) {
	h.mu.Lock()
	for _, key := range keys {
		set := h.subscribers[key]
		if set == nil {
			set = make(map[subscriber]struct{}, 1)
			h.subscribers[key] = set
		}
		set[s] = struct{}{}
	}
	h.mu.Unlock()
	h.hold(audiences)
}

func (h *Hub) unsubscribe(s subscriber, audiences, keys []string) {
	h.release(audiences)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, key := range keys {
		delete(h.subscribers[key], s)
		if len(h.subscribers[key]) == 0 {
			delete(h.subscribers, key)
		}
	}
}

// Subscriptions tells how many keys subscribers hang on.
func (h *Hub) Subscriptions() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	n := 0
	for _, set := range h.subscribers {
		n += len(set)
	}
	return n
}

// Held tells how many events wait in memory for their readers.
func (h *Hub) Held() int64 { return h.held.Load() }

// Counts gives the hub's counters.
func (h *Hub) Counts() *Counts { return &h.counts }

// Run hands events on until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	rounds, err := h.bus.Conn().ChanSubscribe(event.SubjectRounds, h.inbox)
	if err != nil {
		return fmt.Errorf("subscribe to the event log: %w", err)
	}
	defer func() { _ = rounds.Unsubscribe() }()
	progress, err := h.bus.Conn().Subscribe(jobspec.SubjectProgressAll, h.hear)
	if err != nil {
		return fmt.Errorf("subscribe to progress: %w", err)
	}
	defer func() { _ = progress.Unsubscribe() }()
	h.flush()
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
	h.running.Store(true)
	defer h.running.Store(false)
	return h.loop(ctx, back)
}

// begin waits for a database that is away: the process must outlive that at
// its start as it does later.
func (h *Hub) begin(ctx context.Context) error {
	head, err := persist(ctx, func() (int64, error) { return h.log.Head(ctx) })
	if err != nil {
		return fmt.Errorf("read the head of the event log: %w", err)
	}
	// Subscribers may be older than the hub: what they missed lies in the database.
	h.loseAll(h.head)
	h.head, h.behind = head, head
	h.forgetPending()
	return nil
}

func (h *Hub) loop(ctx context.Context, back <-chan struct{}) error {
	tick := time.NewTicker(h.check)
	defer tick.Stop()
	settle := time.NewTimer(h.settle)
	defer settle.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case m := <-h.inbox:
			err = h.receive(ctx, m)
			if len(h.pending) > 0 {
				settle.Reset(h.settle)
			}
		case <-back:
			err = h.heal(ctx)
		case <-settle.C:
			if len(h.pending) > 0 { // the end of their round was lost
				err = h.heal(ctx)
			}
		case <-tick.C:
			h.shards.tidy()
			err = h.compare(ctx)
		}
		if err != nil && ctx.Err() == nil {
			slog.Error("the hub could not read the event log, it tries again", "error", err)
		}
	}
}

func (h *Hub) receive(ctx context.Context, m *nats.Msg) error {
	if m.Subject == event.SubjectRounds {
		var r event.Round
		if err := json.Unmarshal(m.Data, &r); err != nil {
			return fmt.Errorf("decode a round of events: %w", err)
		}
		return h.round(ctx, r)
	}
	var b event.Batch
	if err := json.Unmarshal(m.Data, &b); err != nil {
		return fmt.Errorf("decode an event batch: %w", err)
	}
	return h.batch(ctx, b)
}

// hand gives an event to whoever asked for its object, parent or audience.
func (h *Hub) hand(e event.Event) {
	h.head = e.Position
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, key := range [...]string{e.Object, e.Parent, e.Audience} {
		if key == "" {
			continue
		}
		for s := range h.subscribers[key] {
			s.add(e)
		}
	}
}

// passing tells whether an event is of no interest once a newer one of its
// object is there.
func (h *Hub) passing(e event.Event) bool {
	t, ok := h.domains.Type(e.Type)
	return ok && t.Passing != nil && t.Passing(e.State)
}

// loseAll tells every subscriber that it may have missed what lies behind a
// position.
func (h *Hub) loseAll(whole int64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, set := range h.subscribers {
		for s := range set {
			s.lost(whole)
		}
	}
}
