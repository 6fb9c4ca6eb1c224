package ws

import (
	"context"
	"time"
)

// Len is the number of open sockets.
func (t *Transport) Len() int { return t.conns.Len() }

// Each calls f for every open socket, also those that have not authenticated.
// Sockets may open and close meanwhile.
func (t *Transport) Each(f func(*Conn)) {
	for _, c := range t.conns.All() {
		if !c.ending() {
			f(c)
		}
	}
}

// CloseAll answers new sockets with 503 from now on and closes the open ones,
// each at a random moment within spread, so that their clients do not come back
// all at once. It returns when the last one and its operations have ended. When
// ctx ends before, the rest is closed at once and ctx's error returned.
func (t *Transport) CloseAll(ctx context.Context, code int, reason string, spread time.Duration) error {
	return t.conns.CloseAll(ctx, spread, func(c *Conn) { c.retire(code, reason) })
}

// Run waits for the end of ctx and then closes all sockets with 1012 over
// Config.DrainSpread. It returns when they are gone, at the latest once each
// could have been told and have answered.
func (t *Transport) Run(ctx context.Context) error {
	<-ctx.Done()
	limit := t.cfg.DrainSpread + t.cfg.AnswerTimeout + t.cfg.WriteTimeout + closeGrace + time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	return t.CloseAll(ctx, CloseRestart, restartReason, t.cfg.DrainSpread)
}
