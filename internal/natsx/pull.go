package natsx

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Timing of a pull request: how long the server keeps it open, how often it
// gives a sign of life meanwhile, and after which silence it counts as lost: one
// that waits, and one that is answered at once.
const (
	pullExpires   = 25 * time.Second
	pullHeartbeat = 5 * time.Second
	waitSilence   = 12 * time.Second
	takeSilence   = 3 * time.Second
)

// ErrPullLost is why a pull ended that the server fell silent on.
var ErrPullLost = errors.New("the server does not answer a pull any more")

// PullHandler is told what becomes of a Puller's requests. The calls come from
// the connection's goroutines and must not block; Pull may be called in them.
type PullHandler interface {
	// Message hands over one message. last says that it fulfilled the request,
	// so that no Ended follows.
	Message(d Delivery, last bool)
	// Ended says that the request is over with unfilled messages missing. A nil
	// error means that there is nothing more at the moment; any other that the
	// consumer may be gone or the connection was lost.
	Ended(unfilled int, err error)
}

// Puller takes messages of one durable pull consumer, one request at a time. It
// speaks the protocol of NATS' ADR-13 ($JS.API.CONSUMER.MSG.NEXT) itself, because
// the client's Fetch loses what is on its way when it is called off, and its
// Consume decides by itself how much to ask for.
type Puller struct {
	conn    *nats.Conn
	next    string
	handler PullHandler

	mu      sync.Mutex
	sub     *nats.Subscription
	inbox   string
	request uint64
	open    bool
	waiting bool
	left    int
	sign    time.Time
}

// NewPuller makes a Puller for a consumer, which need not exist yet.
func (b *Bus) NewPuller(stream, consumer string, h PullHandler) *Puller {
	return &Puller{conn: b.conn, next: "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumer, handler: h}
}

type pullRequest struct {
	Batch     int           `json:"batch"`
	Expires   time.Duration `json:"expires,omitempty"`
	NoWait    bool          `json:"no_wait,omitempty"`
	Heartbeat time.Duration `json:"idle_heartbeat,omitempty"`
}

// Take asks for up to batch messages that are there right now.
func (p *Puller) Take(batch int) error {
	return p.pull(pullRequest{Batch: batch, NoWait: true})
}

// Wait asks for batch messages, whenever they come; after 25 seconds it ends.
func (p *Puller) Wait(batch int) error {
	return p.pull(pullRequest{Batch: batch, Expires: pullExpires, Heartbeat: pullHeartbeat})
}

func (p *Puller) pull(r pullRequest) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open {
		return errors.New("pull: a request is open already")
	}
	if p.sub == nil {
		if err := p.subscribe(); err != nil {
			return err
		}
	}
	p.request++
	reply := p.inbox + "." + strconv.FormatUint(p.request, 10)
	if err := p.conn.PublishRequest(p.next, reply, data); err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	p.open, p.waiting, p.left, p.sign = true, !r.NoWait, r.Batch, time.Now()
	return nil
}

// subscribe opens an inbox. Holds mu.
func (p *Puller) subscribe() error {
	inbox := p.conn.NewInbox()
	sub, err := p.conn.Subscribe(inbox+".*", func(m *nats.Msg) { p.receive(inbox, m) })
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	p.sub, p.inbox = sub, inbox
	return nil
}

// Open tells whether a request is open, how many messages it still may bring,
// and whether it waits for them.
func (p *Puller) Open() (open bool, left int, waiting bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open, p.left, p.waiting
}

// Cancel calls the open request off. Messages that are on their way already are
// still handed to the handler, Ended is not called. The next request may be made
// at once. False says that none was open any more: its end is known, and if the
// handler was not told yet, it is being told.
func (p *Puller) Cancel() (wasOpen bool) {
	p.mu.Lock()
	sub, wasOpen := p.sub, p.open
	p.sub, p.open = nil, false
	p.mu.Unlock()
	if sub == nil {
		return wasOpen
	}
	// The server drops a request whose inbox nobody listens to. Draining keeps
	// the subscription until what it has sent by then was received.
	if err := sub.Drain(); err != nil {
		_ = sub.Unsubscribe()
	}
	return wasOpen
}

// Check ends an open request that the server fell silent on. Call it every
// second or so.
func (p *Puller) Check(now time.Time) {
	p.mu.Lock()
	limit := takeSilence
	if p.waiting {
		limit = waitSilence
	}
	lost := p.open && now.Sub(p.sign) > limit
	p.mu.Unlock()
	if lost {
		p.Fail(ErrPullLost)
	}
}

// Fail ends the open request, if any, with err, as after a reconnect: the server
// may have forgotten it.
func (p *Puller) Fail(err error) {
	p.mu.Lock()
	open, left := p.open, p.left
	p.mu.Unlock()
	if open {
		p.Cancel()
		p.handler.Ended(left, err)
	}
}

func (p *Puller) receive(inbox string, m *nats.Msg) {
	if len(m.Data) == 0 {
		if status := m.Header.Get("Status"); status != "" {
			p.status(inbox, m, status)
			return
		}
	}
	d, err := newDelivery(p.conn, m)
	if err != nil {
		return
	}
	p.mu.Lock()
	last := false
	if p.open && p.inbox == inbox {
		p.left--
		p.sign = time.Now()
		last = p.left == 0
		p.open = !last
	}
	p.mu.Unlock()
	p.handler.Message(d, last)
}

// status handles the server's words about a request: 100 is a sign of life, 404
// and 408 say that there is nothing (more), 409 and 503 that something is wrong.
func (p *Puller) status(inbox string, m *nats.Msg, status string) {
	p.mu.Lock()
	if !p.open || p.inbox != inbox || !strings.HasSuffix(m.Subject, "."+strconv.FormatUint(p.request, 10)) {
		p.mu.Unlock()
		return
	}
	p.sign = time.Now()
	if status == "100" {
		p.mu.Unlock()
		return
	}
	left := p.left
	p.open = false
	p.mu.Unlock()
	switch status {
	case "404", "408":
		p.handler.Ended(left, nil)
	default:
		p.handler.Ended(left, fmt.Errorf("pull refused: %s %s", status, m.Header.Get("Description")))
	}
}

// Reconnects calls back after every time that the connection came back, until
// the returned function is called.
func (b *Bus) Reconnects(back func()) (stop func()) {
	status := b.conn.StatusChanged(nats.RECONNECTING, nats.CONNECTED)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			case s, ok := <-status:
				if !ok {
					return
				}
				if s == nats.CONNECTED {
					back()
				}
			}
		}
	})
	return func() {
		close(done)
		b.conn.RemoveStatusListener(status)
		wg.Wait()
	}
}
