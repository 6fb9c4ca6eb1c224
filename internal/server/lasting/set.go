package lasting

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/apperr"
	"parley/internal/resume"
)

// Config is what the operations of a transport have in common. Everything is
// required.
type Config struct {
	// MaxOperations is how many operations one connection may have at a time.
	MaxOperations int
	// Started, Ended and Refused are the hooks of operations.
	Started func(kind string)
	Ended   func(kind string, took time.Duration, failed bool)
	Refused func()
	// Internal is what a client reads of an error of ours that could not be
	// presented.
	Internal string
}

// Set holds the operations of one connection. What is exported is set before the
// first of them.
type Set struct {
	*Config
	Exec graphql.GraphExecutor
	Sink Sink

	mu        sync.Mutex            // held for a moment, and never while calling Sink
	live      map[string]*Operation // by id
	held      int64                 // bytes of the live operations' requests
	working   int                   // operations that have started and not returned, live or not
	answering int                   // queries and mutations among those that are executed
}

// Why an operation was not admitted.
var (
	ErrTaken = errors.New("an operation with this id is live")
	ErrFull  = errors.New("too many operations on one connection")
)

// Admit makes the operation live. It gives ErrTaken where its id is another one's,
// and ErrFull where there are too many, or their requests would hold more bytes
// than given.
func (s *Set) Admit(o *Operation, bytes int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch most := s.MaxOperations; {
	case s.live[o.ID] != nil:
		return ErrTaken
	// Operations that the client has ended may take a while to return; there is
	// as much room for them again.
	case len(s.live) >= most || s.working >= 2*most || s.held+o.Size > bytes:
		return ErrFull
	}
	s.take(o)
	return nil
}

// Take makes an operation live that was admitted elsewhere.
func (s *Set) Take(o *Operation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(o)
}

func (s *Set) take(o *Operation) {
	if s.live == nil {
		s.live = make(map[string]*Operation, 1)
	}
	o.set = s
	s.live[o.ID] = o
	s.held += o.Size
}

// Drop makes the operation's id free again, and tells whether it was its.
func (s *Set) Drop(o *Operation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drop(o)
}

func (s *Set) drop(o *Operation) bool {
	if s.live[o.ID] != o {
		return false
	}
	delete(s.live, o.ID)
	s.held -= o.Size
	return true
}

// Live tells whether the operation is: admitted, and neither dropped nor dismissed.
func (s *Set) Live(o *Operation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[o.ID] == o
}

// Taken tells whether an id is that of a live operation.
func (s *Set) Taken(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[id] != nil
}

// All gives the live operations.
func (s *Set) All() []*Operation {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Operation, 0, len(s.live))
	for _, o := range s.live {
		all = append(all, o)
	}
	return all
}

// Answering is the number of queries and mutations that are executed.
func (s *Set) Answering() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answering
}

// Start executes the operation in ctx, on goroutines of its own. It gives false
// where the operation is not live any more.
func (s *Set) Start(ctx context.Context, o *Operation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[o.ID] != o {
		return false
	}
	o.pulling, o.Reader.Notify = true, o.attend
	o.ctx, o.cancel = context.WithCancel(resume.With(ctx, o.Reader))
	s.working++
	go o.run()
	return true
}

// Dismiss ends the operation of an id, if there is one, at the client's wish.
func (s *Set) Dismiss(id string) {
	s.mu.Lock()
	o := s.live[id]
	if o == nil {
		s.mu.Unlock()
		return
	}
	s.drop(o)
	o.dismissed = true
	cancel := o.cancel
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// answer counts a query or mutation until it has left.
func (s *Set) answer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answering++
}

// leave forgets an operation that has ended.
func (s *Set) leave(o *Operation, told bool) {
	o.cancel()
	s.mu.Lock()
	s.drop(o)
	s.working--
	if o.counted {
		s.answering--
	}
	over := told || o.dismissed
	s.mu.Unlock()
	s.Sink.Returned(o, over)
}

// Refuse counts an operation that is not started.
func (s *Set) Refuse() { s.Tell(s.Refused) }

// Tell calls a hook, whose panic must harm nothing but itself.
func (s *Set) Tell(hook func()) {
	defer func() {
		if r := recover(); r != nil {
			_ = s.broken("a hook panicked", r)
		}
	}()
	hook()
}

// broken logs a panic and gives what the client may know of it.
func (s *Set) broken(what string, panicked any) gqlerror.List {
	s.Sink.Log().Error(what, "panic", panicked, "stack", string(debug.Stack()))
	return gqlerror.List{{Message: s.Internal, Extensions: map[string]any{"code": apperr.Internal}}}
}
