package sse

import (
	"context"
	"net/http"
	"time"

	"parley/internal/apperr"
)

// Len is the number of open streams.
func (t *Transport) Len() int { return t.streams.Len() }

// Reserved is the number of tokens that wait for their streams.
func (t *Transport) Reserved() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reserved
}

// Each calls f for every open stream. Streams may open and end meanwhile.
func (t *Transport) Each(f func(*Stream)) {
	for _, s := range t.streams.All() {
		if !s.ending() {
			f(s)
		}
	}
}

// seat gives the stream of a token, nil when it is not in this process.
func (t *Transport) seat(key seatKey) *Stream {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seats[key]
}

// sit registers a reservation, for other processes too, and ends it when no
// stream comes.
func (t *Transport) sit(s *Stream) *answer {
	t.mu.Lock()
	switch {
	case t.streams.Draining():
		t.mu.Unlock()
		return restarting()
	case t.reserved >= t.cfg.MaxReservations:
		t.mu.Unlock()
		return refusal(http.StatusTooManyRequests, apperr.Limited(t.cfg.Reservation, "Too many streams are reserved that were never opened."))
	}
	t.reserved++
	s.idle = true
	t.seats[s.key] = s
	sub, err := t.listen(s.key)
	s.sub = sub
	t.mu.Unlock()
	if err != nil {
		t.cfg.Log.Warn("other processes can't hear of an event stream", "error", err)
	}
	t.announce()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == "" && s.phase == reserved {
		s.timer.Reset(t.cfg.Reservation)
	}
	return nil
}

// occupy notes that the stream of a reservation has come.
func (t *Transport) occupy(s *Stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle(s)
}

// settle counts a reservation no more; t.mu is held.
func (t *Transport) settle(s *Stream) {
	if s.idle {
		s.idle = false
		t.reserved--
	}
}

// vacate forgets the token of a stream that has ended.
func (t *Transport) vacate(s *Stream) {
	if !s.Single() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle(s)
	if t.seats[s.key] != s {
		return
	}
	delete(t.seats, s.key)
	if s.sub != nil {
		_ = s.sub.Unsubscribe() // fails only without a connection
	}
}

// CloseAll answers new requests with 503 from now on and ends the open streams,
// each at a random moment within spread, so that their clients do not come back
// all at once. It returns when the last one and its operations have ended. When
// ctx ends before, the rest is ended at once and ctx's error returned.
func (t *Transport) CloseAll(ctx context.Context, spread time.Duration) error {
	t.streams.Drain()
	for _, s := range t.waiting() {
		s.Close()
	}
	return t.streams.CloseAll(ctx, spread, (*Stream).Close)
}

// waiting gives the reservations that no stream has taken up.
func (t *Transport) waiting() []*Stream {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []*Stream
	for _, s := range t.seats {
		if !t.streams.Has(s) {
			all = append(all, s)
		}
	}
	return all
}

// Run answers what other processes ask about the tokens of this one, until ctx
// ends. It then ends all streams over Config.DrainSpread and returns when they
// are gone, at the latest once each could have been told.
func (t *Transport) Run(ctx context.Context) error {
	stop := t.answerOthers()
	defer stop()
	<-ctx.Done()
	limit := t.cfg.DrainSpread + t.cfg.WriteTimeout + time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	return t.CloseAll(ctx, t.cfg.DrainSpread)
}
