package live

import (
	"log/slog"
	"sync"
	"time"

	"parley/internal/event"

	"github.com/nats-io/nats.go"
)

// flushTimeout is how long a subscriber waits for NATS to confirm that it gets
// a shard. When NATS is away the database fills the gap.
const flushTimeout = 2 * time.Second

// shards are the parts of the event log that a hub listens to.
type shards struct {
	mu  sync.Mutex
	all [event.Shards]shard
}

type shard struct {
	// users is how many subscribers need the shard; idle is set when none did
	// since the last look.
	users int
	idle  bool
	sub   *nats.Subscription
	// ready is closed once NATS has confirmed sub.
	ready chan struct{}
}

// hold makes the hub listen to the shards of audiences, from before it returns.
func (h *Hub) hold(audiences []string) {
	var wait []chan struct{}
	for _, audience := range audiences {
		if ready, fresh := h.join(event.ShardOf(audience)); fresh {
			h.flush()
			close(ready)
		} else {
			wait = append(wait, ready)
		}
	}
	for _, ready := range wait {
		<-ready
	}
}

func (h *Hub) join(number int) (ready chan struct{}, fresh bool) {
	h.shards.mu.Lock()
	defer h.shards.mu.Unlock()
	s := &h.shards.all[number]
	s.users++
	s.idle = false
	if s.sub != nil {
		return s.ready, false
	}
	s.ready = make(chan struct{})
	sub, err := h.bus.Conn().ChanSubscribe(event.ShardSubject(number), h.inbox)
	if err != nil { // the connection is closed for good: the process is about to end
		slog.Warn("the hub can't listen to a shard of the event log", "shard", number, "error", err)
	}
	s.sub = sub
	return s.ready, true
}

func (h *Hub) flush() {
	if err := h.bus.Conn().FlushTimeout(flushTimeout); err != nil {
		slog.Warn("NATS did not confirm a subscription, the database will fill the gap", "error", err)
	}
}

// release gives the shards of audiences up. They are left when nobody came for
// them until the second tidy after.
func (h *Hub) release(audiences []string) {
	h.shards.mu.Lock()
	defer h.shards.mu.Unlock()
	for _, audience := range audiences {
		h.shards.all[event.ShardOf(audience)].users--
	}
}

// tidy leaves the shards that nobody needs.
func (s *shards) tidy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.all {
		one := &s.all[i]
		switch {
		case one.users > 0 || one.sub == nil:
		case !one.idle:
			one.idle = true
		default:
			_ = one.sub.Unsubscribe()
			*one = shard{}
		}
	}
}

// wanted tells whether somebody needs the shard.
func (s *shards) wanted(number int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[number].users > 0
}

// list gives the shards that somebody needs.
func (s *shards) list() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []int
	for i := range s.all {
		if s.all[i].users > 0 {
			list = append(list, i)
		}
	}
	return list
}

// Shards tells how many of the event log's shards the hub listens to.
func (h *Hub) Shards() int {
	h.shards.mu.Lock()
	defer h.shards.mu.Unlock()
	n := 0
	for i := range h.shards.all {
		if h.shards.all[i].sub != nil {
			n++
		}
	}
	return n
}
