package ws

import "time"

// deadlines are the moments at which a socket's one timer has something to do;
// the zero time means never.
type deadlines struct {
	init   time.Time // connection_init must have come
	auth   time.Time // Init must have returned
	ping   time.Time // the next ping goes out
	pong   time.Time // the peer must have sent something since pinged
	pinged time.Time
	// A ping that confirms what was sent goes out.
	confirm time.Time
	warn    time.Time // the expiry is announced
	expiry  time.Time // the socket closes with 4403
}

// next gives the earliest; a warning waits until the client is acknowledged.
func (d *deadlines) next(acked bool) time.Time {
	all := [...]time.Time{d.init, d.auth, d.ping, d.pong, d.expiry, d.confirm, {}}
	if acked {
		all[len(all)-1] = d.warn
	}
	var first time.Time
	for _, t := range all {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// arm sets the timer to the next deadline; c.mu is held.
func (c *Conn) arm() {
	next := c.due.next(c.acked)
	if c.code != 0 || next.IsZero() {
		c.timer.Stop()
		return
	}
	c.timer.Reset(max(time.Until(next), 0))
}

// SetExpiry makes the socket close with 4403 at t, and with Config.ExpiryWarning
// warns the client before. A later call moves the expiry, the zero time takes
// it away. A time in the past closes at once.
func (c *Conn) SetExpiry(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due.expiry, c.due.warn = t, time.Time{}
	if lead := c.cfg().ExpiryWarning; lead > 0 && !t.IsZero() {
		c.due.warn = t.Add(-lead)
	}
	c.arm()
}

// Expiry gives the time of SetExpiry, zero when there is none.
func (c *Conn) Expiry() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.due.expiry
}

// tick does what is due, one thing a call, and arms the timer for the rest.
func (c *Conn) tick() {
	defer c.guard("websocket timer")
	now := time.Now()
	passed := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	c.mu.Lock()
	d := &c.due
	var act func()
	switch {
	case c.code != 0:
	case passed(d.expiry):
		act = func() { c.shut(CloseForbidden, forbiddenReason) }
	case passed(d.init):
		act = func() { c.shut(CloseTimeout, "Connection initialisation timeout") }
	case passed(d.auth):
		act = func() { c.shut(CloseTryAgain, "Authentication timeout") }
	case passed(d.pong):
		if !c.wire.heardSince(d.pinged) {
			act = func() { c.shut(CloseTimeout, "Pong timeout") }
			break
		}
		d.pong = time.Time{}
		d.ping = d.pinged.Add(c.cfg().PingInterval)
	case c.acked && passed(d.warn):
		d.warn = time.Time{}
		at := d.expiry
		act = func() { c.warnOf(at) }
	case passed(d.confirm):
		d.confirm = time.Time{}
		act = c.pingUnconfirmed
	case passed(d.ping):
		d.ping, d.pinged, d.pong = time.Time{}, now, now.Add(c.cfg().PongTimeout)
		act = c.keepAlive
	}
	c.arm()
	c.mu.Unlock()
	if act != nil {
		act()
	}
}

// warnOf announces the expiry. The ping comes last: it waits for a slow reader.
func (c *Conn) warnOf(at time.Time) {
	if tell := c.cfg().Expiring; tell != nil {
		tell(c, at)
	}
	_ = c.Ping(expiryPayload(at))
}

func expiryPayload(at time.Time) map[string]any {
	expiring := map[string]any{"expiresAt": at.UTC().Format(time.RFC3339)}
	return map[string]any{"sessionExpiring": expiring}
}

func (c *Conn) keepAlive() { _ = c.Ping(c.confirming()) }

// pingUnconfirmed pings the peer if something is unconfirmed.
func (c *Conn) pingUnconfirmed() {
	if payload := c.confirming(); payload != nil {
		_ = c.Ping(payload)
	}
}
