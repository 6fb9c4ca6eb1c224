// Package lifecycle runs long-lived services and stops them in order.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Service is anything that lives until its context ends. Run returns nil when
// it was told to stop, and an error only when it could not go on.
type Service interface {
	Run(ctx context.Context) error
}

// Func makes a Service of a function.
type Func func(ctx context.Context) error

// Run calls f.
func (f Func) Run(ctx context.Context) error { return f(ctx) }

type member struct {
	name    string
	service Service
}

// Group runs services that depend on one another. Their Run is called in the
// order in which they were added, without waiting until one is ready: what the
// others need of it must be there before. They stop in the reverse order, each
// one only after those that were added later have returned.
type Group struct {
	// Grace is how long one service may take to stop before the group goes on
	// without it; 0 means 10 seconds.
	Grace   time.Duration
	members []member
}

// Add appends a service under the name that errors and logs give it.
func (g *Group) Add(name string, s Service) { g.members = append(g.members, member{name, s}) }

// Run starts all services and blocks until ctx ends or one of them returns
// early; then it stops the others. A service that ends by itself without an
// error is a failure too: nothing here is meant to finish. The error is that of
// the service that failed first; a group is run once.
func (g *Group) Run(ctx context.Context) error {
	grace := g.Grace
	if grace <= 0 {
		grace = 10 * time.Second
	}
	type exit struct {
		index int
		err   error
	}
	exits := make(chan exit, len(g.members))
	cancels := make([]context.CancelFunc, len(g.members))
	done := make([]chan struct{}, len(g.members))
	for i, m := range g.members {
		// Not derived from ctx: the end of ctx must stop them one by one.
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		cancels[i], done[i] = cancel, make(chan struct{})
		called := make(chan struct{})
		go func() {
			defer close(done[i])
			close(called)
			exits <- exit{i, m.service.Run(own)}
		}()
		<-called
	}
	var failure error
	select {
	case <-ctx.Done():
	case e := <-exits:
		failure = describe(g.members[e.index].name, e.err)
	}
	for i := len(g.members) - 1; i >= 0; i-- {
		cancels[i]()
		select {
		case <-done[i]:
		case <-time.After(grace):
			slog.Warn("service did not stop in time", "service", g.members[i].name, "grace", grace)
		}
	}
	for {
		select {
		case e := <-exits:
			if e.err != nil && failure == nil {
				failure = describe(g.members[e.index].name, e.err)
			}
		default:
			return failure
		}
	}
}

func describe(name string, err error) error {
	if err == nil {
		err = errors.New("ended although nobody stopped it")
	}
	return fmt.Errorf("%s: %w", name, err)
}
