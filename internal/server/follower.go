package server

import (
	"context"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"parley/internal/account"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/live"
)

// Reasons with which connections are closed.
const (
	sessionEnded = "The session has ended"
	roleChanged  = "The role has changed"
	keyEnded     = "The API key is not valid any more"
)

// follower keeps one connection in step with its viewer.
type follower struct {
	sessions *sessions
	conn     connection
	// streams are those of the connection.
	streams *live.Connection

	// changing is held while another viewer is taken, over calls of the database;
	// mu is held for a moment, and never while a sitting is stopped.
	changing sync.Mutex
	mu       sync.Mutex
	now      *sitting // nil before the first
	over     bool
	// answering is the number of mutations that run, and closing the reason with
	// which the connection ends once they have answered.
	answering int
	closing   string
}

type followerKey struct{}

// followerOf gives the follower of the connection that an operation runs on, nil
// where a request stands for itself or nobody is signed in.
func followerOf(ctx context.Context) *follower {
	f, _ := ctx.Value(followerKey{}).(*follower)
	return f
}

// follow keeps conn in step with the viewer of ctx, until ctx ends, and gives
// the context for its operations. Whoever may not stay is UNAUTHENTICATED.
func (s *sessions) follow(ctx context.Context, conn connection, streams *live.Connection) (context.Context, *follower, error) {
	v, _ := auth.From(ctx)
	f := &follower{sessions: s, conn: conn, streams: streams}
	if _, err := f.become(ctx, v, secretOf(ctx)); err != nil {
		return nil, nil, err
	}
	context.AfterFunc(ctx, f.leave)
	return live.WithConnection(context.WithValue(ctx, followerKey{}, f), streams), f, nil
}

// become takes a viewer in place of the one before and gives when its time is
// over. An error changes nothing.
func (f *follower) become(ctx context.Context, v auth.Viewer, secret string) (time.Time, error) {
	w := f.sessions.sit(f, v, secret)
	// In this order: what happens after the answer is told.
	if err := f.sessions.confirm(ctx, v); err != nil {
		f.drop(w)
		return time.Time{}, err
	}
	f.mu.Lock()
	if f.over || w.ended != "" {
		f.mu.Unlock()
		f.drop(w)
		return time.Time{}, apperr.New(apperr.Unauthenticated, "This token has just ended: sign in again.")
	}
	before, expires := f.now, w.expires
	f.now = w
	f.setExpiry(expires)
	f.mu.Unlock()
	f.drop(before)
	return expires, nil
}

// setExpiry moves the end of the connection; f.mu is held. What was warned of no
// longer holds.
func (f *follower) setExpiry(at time.Time) {
	f.streams.Expiring(time.Time{})
	f.conn.SetExpiry(at)
}

// warn tells the event streams that the connection will end at a time, if that
// still holds: a timer may be late.
func (f *follower) warn(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now != nil && f.now.expires.Equal(at) {
		f.streams.Expiring(at)
	}
}

func (f *follower) drop(w *sitting) {
	if w == nil {
		return
	}
	f.mu.Lock()
	w.stopped = true
	f.mu.Unlock()
	w.stop()
}

// leave is called when the connection has ended.
func (f *follower) leave() {
	f.mu.Lock()
	f.over = true
	w := f.now
	f.mu.Unlock()
	f.drop(w)
}

// viewer gives who asks on the connection now, and the secret of a key.
func (f *follower) viewer() (v auth.Viewer, secret string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now.viewer, f.now.secret
}

// told acts on an event, quickly: it is the hub's goroutine.
func (w *sitting) told(e event.Event) {
	v := w.viewer
	switch {
	case e.Topic != account.TopicSession:
	case e.Type == account.TypeSessionChanged && e.Object == v.Session:
		if e.State == account.SessionEnded {
			w.end(sessionEnded)
		} else {
			w.extend(time.Unix(e.Version, 0))
		}
	case e.Type == account.TypeKeyRevoked && e.Object == v.Key:
		w.end(keyEnded)
	case e.Type == account.TypeRoleChanged && e.Object == v.ID:
		if v.Key != "" {
			w.f.sessions.doubt(w) // the owner may have keys in several roles
		} else if auth.Role(e.State) != v.Role {
			w.end(roleChanged)
		}
	}
}

// extend moves the end of the viewer's time, never back.
func (w *sitting) extend(at time.Time) {
	f := w.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if !at.After(w.expires) {
		return
	}
	w.expires = at
	if f.now == w {
		f.setExpiry(at)
	}
}

// lastWords is how long a mutation may take to answer when its viewer's time is
// over, perhaps because it was signOut.
const lastWords = time.Second

// end closes the connection of a viewer who may not stay.
func (w *sitting) end(reason string) {
	f := w.f
	f.mu.Lock()
	defer f.mu.Unlock()
	w.ended = reason
	switch {
	case f.now != w, f.closing != "":
	case f.answering == 0:
		f.conn.Close(reason)
	default:
		f.closing = reason
		time.AfterFunc(lastWords, func() { f.conn.Close(reason) })
	}
}

func (w *sitting) over() bool {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	return w.stopped
}

// answer lets a mutation answer before the connection is closed. ctx is the
// operation's and ends with it.
func (f *follower) answer(ctx context.Context) {
	f.mu.Lock()
	f.answering++
	f.mu.Unlock()
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.answering--
		if f.answering == 0 && f.closing != "" {
			f.conn.Close(f.closing)
		}
	})
}

// asViewer runs an operation of a connection as the viewer that this one has
// now: reauthenticate may have changed it since connection_init.
func asViewer(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	f := followerOf(ctx)
	if f == nil {
		return next(ctx)
	}
	if op := graphql.GetOperationContext(ctx).Operation; op != nil && op.Operation == ast.Mutation {
		f.answer(ctx)
	}
	v, _ := f.viewer()
	return next(auth.With(ctx, v))
}

// reauthenticate goes on with another token of the same account and gives when
// it ends.
func (f *follower) reauthenticate(ctx context.Context, token string) (time.Time, error) {
	v, err := f.sessions.verify(ctx, token)
	if err != nil {
		return time.Time{}, err
	}
	f.changing.Lock()
	defer f.changing.Unlock()
	before, _ := f.viewer()
	if err := checkSuccessor(before, v); err != nil {
		return time.Time{}, err
	}
	secret := ""
	if v.Key != "" {
		secret = token
	}
	return f.become(ctx, v, secret)
}

// checkSuccessor refuses a token with which the connection's streams, which go
// on, could not have been opened.
func checkSuccessor(before, after auth.Viewer) error {
	switch {
	case before.ID != after.ID:
		return apperr.New(apperr.Forbidden, "This token is of another account: open another connection with it.")
	case (before.Key == "") != (after.Key == ""):
		return apperr.New(apperr.Forbidden, "An API key goes on with an API key, and a session with a session.")
	case before.Role != after.Role:
		return apperr.New(apperr.Forbidden, "This token is of another role: open another connection with it.")
	case !after.Scopes.Holds(before.Scopes):
		return apperr.New(apperr.Forbidden, "This API key lacks a scope of the one before: open another connection with it.")
	}
	return nil
}
