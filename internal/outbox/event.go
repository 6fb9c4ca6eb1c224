package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"parley/internal/event"
	"parley/internal/jobspec"
)

// eventPump publishes event rows in the order of their positions.
type eventPump struct {
	*Relay
	poll time.Duration
	// last is the position up to which everything was published, heads those
	// of the shards.
	last  int64
	heads map[int]int64
	// behind are events whose caches could not be told yet.
	behind []jobspec.Event
}

// mostBehind bounds behind: entries of caches age out by themselves.
const mostBehind = 10_000

func (p *eventPump) run(ctx context.Context) error {
	if err := p.begin(ctx); err != nil {
		return err
	}
	for {
		n, err := p.relay(ctx)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("relay events: %w", err)
		}
		if n == batch {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.Waker.events:
		case <-time.After(p.poll):
		}
	}
}

// begin tells every hub how far the shards are: whoever led before may have
// died between giving positions and publishing.
func (p *eventPump) begin(ctx context.Context) (err error) {
	// In this order: an event between the two reads is announced with its
	// shard's head and published once more. The other way round it would be
	// neither, and no hub would ever see the hole.
	if p.last, err = p.Log.Head(ctx); err != nil {
		return fmt.Errorf("read the head of the log: %w", err)
	}
	if p.heads, err = p.Log.ShardHeads(ctx); err != nil {
		return fmt.Errorf("read the heads of the shards: %w", err)
	}
	for shard, head := range p.heads {
		if err := p.publish(jobspec.EventBatch{Epoch: p.Log.Epoch(), Shard: shard, Previous: head}); err != nil {
			return err
		}
	}
	return nil
}

func (p *eventPump) relay(ctx context.Context) (int, error) {
	if _, err := p.Log.Position(ctx, batch); err != nil {
		return 0, err
	}
	events, err := p.Log.Read(ctx, event.Filter{Shard: -1, After: p.last, Limit: batch})
	if err != nil {
		return 0, err
	}
	p.invalidate(ctx, events)
	for _, b := range p.batches(events) {
		if err := p.publish(b); err != nil {
			return 0, err
		}
	}
	if len(events) > 0 {
		p.last = events[len(events)-1].Position
	}
	return len(events), nil
}

// batches gives events in the order of their positions, those of one shard that
// follow each other together: a viewer with audiences in several shards gets
// them in this order.
func (p *eventPump) batches(events []jobspec.Event) []jobspec.EventBatch {
	var all []jobspec.EventBatch
	for _, e := range events {
		shard := jobspec.EventShard(e.Audience)
		if n := len(all); n == 0 || all[n-1].Shard != shard {
			all = append(all, jobspec.EventBatch{Epoch: p.Log.Epoch(), Shard: shard, Previous: p.heads[shard]})
		}
		last := &all[len(all)-1]
		last.Events = append(last.Events, e)
		p.heads[shard] = e.Position
	}
	return all
}

// invalidate tells the caches of events. One that does not answer holds up no
// events: it is told again with the next ones.
func (p *eventPump) invalidate(ctx context.Context, events []jobspec.Event) {
	p.behind = append(p.behind, events...)
	if len(p.behind) == 0 || p.Invalidate == nil {
		p.behind = nil
		return
	}
	if err := p.Invalidate(ctx, p.behind); err != nil {
		slog.Error("a cache could not be told of changes, trying again", "events", len(p.behind), "error", err)
		p.behind = p.behind[max(0, len(p.behind)-mostBehind):]
		return
	}
	p.behind = nil
}

func (p *eventPump) publish(b jobspec.EventBatch) error {
	data, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("encode events: %w", err)
	}
	if err := p.Bus.Conn().Publish(jobspec.EventSubject(b.Shard), data); err != nil {
		return fmt.Errorf("publish events: %w", err)
	}
	return nil
}
