package resume

import (
	"context"
	"sync"
	"time"

	"parley/internal/event"
)

// Reader is one operation of a client as its transport sees it. The transport
// makes it, puts it into the operation's context and tells it which responses
// have left; the operation's stream tells it the position of each.
type Reader struct {
	// Operation is the id that the client gives its operation and uses again when
	// it sends the operation again; empty where there is no such id.
	Operation string
	// Last is the position after the last message that the client says it has, such
	// as Last-Event-ID; empty for none.
	Last string
	// Notify is called before each message of a stream that announces them, and
	// after its end, so that nobody need wait for one. It must not block. It may
	// be nil.
	Notify func()

	mu sync.Mutex
	// marks are the positions of responses that have not left yet.
	marks []event.Cursor
	sent  event.Cursor
	// kept is the reader's position in the book, nil where nothing is kept.
	kept *kept
	// announced tells that the stream calls Notify.
	announced bool
}

type kept struct {
	book     *Book
	position position
	touched  time.Time
}

type readerKey struct{}

// With gives a context in which streams find r.
func With(ctx context.Context, r *Reader) context.Context {
	return context.WithValue(ctx, readerKey{}, r)
}

// From gives the reader of a context, nil when there is none; its methods then
// do nothing.
func From(ctx context.Context) *Reader {
	r, _ := ctx.Value(readerKey{}).(*Reader)
	return r
}

// Announce is called by a stream that will Mark each of its messages and tell
// its end by Close.
func (r *Reader) Announce() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.announced = true
}

// Announced tells whether the stream announces its messages.
func (r *Reader) Announced() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.announced
}

// Mark is called by a stream before it gives a message: at is the position from
// which a client goes on that has the message.
func (r *Reader) Mark(at event.Cursor) {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.marks = append(r.marks, at)
	r.mu.Unlock()
	r.notify()
}

// Close is called by a stream after its end.
func (r *Reader) Close() {
	if r != nil {
		r.notify()
	}
}

func (r *Reader) notify() {
	if r.Notify != nil {
		r.Notify()
	}
}

// Sent is called by a transport for each response, in their order, and gives
// its position, false when it has none.
func (r *Reader) Sent() (event.Cursor, bool) {
	if r == nil {
		return event.Cursor{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.marks) == 0 {
		return event.Cursor{}, false
	}
	r.sent = r.marks[0]
	if r.marks = r.marks[1:]; len(r.marks) == 0 {
		r.marks = nil
	}
	return r.sent, true
}

// Kept tells whether it is of use to Confirm what was sent.
func (r *Reader) Kept() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept != nil
}

// Unconfirmed gives the position of the last response that left, and whether the
// book does not have it yet or should hear of the reader again.
func (r *Reader) Unconfirmed() (event.Cursor, bool) {
	if r == nil {
		return event.Cursor{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil {
		return event.Cursor{}, false
	}
	at := r.sent
	if at.Epoch == "" {
		at = r.kept.position.at
	}
	if at.Epoch == "" { // nothing was given yet, and nothing kept
		return at, false
	}
	return at, at != r.kept.position.at || time.Since(r.kept.touched) > r.kept.book.cfg.KeepOperations/4
}

// Confirm writes down that the client has everything up to a position that
// Unconfirmed gave.
func (r *Reader) Confirm(ctx context.Context, at event.Cursor) error {
	r.mu.Lock()
	k := r.kept
	r.mu.Unlock()
	if k == nil {
		return nil
	}
	p := k.position
	p.at = at
	if _, err := k.book.save(ctx, p); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept != nil {
		r.kept.position.at, r.kept.touched = at, time.Now()
	}
	return nil
}

// Forget is called when the operation has come to its own end, by the client's
// wish or because there is nothing more to come: nobody will resume it.
func (r *Reader) Forget(ctx context.Context) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	k := r.kept
	r.kept = nil
	r.mu.Unlock()
	if k == nil {
		return nil
	}
	return k.book.forget(ctx, k.position.owner, k.position.name)
}

func (r *Reader) keep(b *Book, p position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = &kept{book: b, position: p, touched: time.Now()}
}
