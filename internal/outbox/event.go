package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"parley/internal/event"
)

// eventPump publishes event rows in the order of their positions.
type eventPump struct {
	*Relay
	poll time.Duration
	// last is the position up to which everything was published.
	last int64
	// behind are events whose caches could not be told yet.
	behind []event.Event
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

// begin tells every hub how far the log is: whoever led before may have died
// between giving positions and publishing.
func (p *eventPump) begin(ctx context.Context) (err error) {
	if p.last, err = p.Log.Head(ctx); err != nil {
		return fmt.Errorf("read the head of the log: %w", err)
	}
	return p.publish(event.SubjectRounds, event.Round{Epoch: p.Log.Epoch(), Previous: p.last, Position: p.last})
}

func (p *eventPump) relay(ctx context.Context) (int, error) {
	if _, err := p.Log.Position(ctx, batch); err != nil {
		return 0, err
	}
	events, err := p.Log.Read(ctx, event.Filter{After: p.last, Limit: batch})
	if err != nil {
		return 0, err
	}
	p.invalidate(ctx, events)
	if len(events) == 0 {
		return 0, nil
	}
	if err := p.publishRound(events); err != nil {
		return 0, err
	}
	p.last = events[len(events)-1].Position
	return len(events), nil
}

func (p *eventPump) publishRound(events []event.Event) error {
	byShard := map[int][]event.Event{}
	for _, e := range events {
		shard := event.ShardOf(e.Audience)
		byShard[shard] = append(byShard[shard], e)
	}
	round := event.Round{
		Epoch: p.Log.Epoch(), Previous: p.last, Position: events[len(events)-1].Position, Counts: make(map[int]int, len(byShard)),
	}
	for shard, events := range byShard {
		round.Counts[shard] = len(events)
		batch := event.Batch{Epoch: round.Epoch, Shard: shard, Events: events}
		if err := p.publish(event.ShardSubject(shard), batch); err != nil {
			return err
		}
	}
	return p.publish(event.SubjectRounds, round)
}

// invalidate tells the caches of events. One that does not answer holds up no
// events: it is told again with the next ones.
func (p *eventPump) invalidate(ctx context.Context, events []event.Event) {
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

func (p *eventPump) publish(subject string, message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode events: %w", err)
	}
	if err := p.Bus.Conn().Publish(subject, data); err != nil {
		return fmt.Errorf("publish events: %w", err)
	}
	return nil
}
