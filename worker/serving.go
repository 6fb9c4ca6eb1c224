package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"parley/internal/jobspec"
	"parley/internal/lifecycle"
	"parley/internal/natsx"
	"parley/worker/intake"
)

// served is a handler whose work the worker takes.
type served struct {
	handler Handler
	// kind and pool are those of the handler's bundle, which don't change.
	kind, pool string
	// tasks are the handler's, service what runs of it besides.
	tasks, service sync.WaitGroup
	endService     context.CancelFunc
	// desk takes the handler's queries, nil while nothing does or where it has none.
	desk *desk
}

// running is what handlers that come and go need of a Run.
type running struct {
	// work is the context of tasks, helpers that of handlers' own services.
	work, helpers context.Context //nolint:containedctx // Run is the scope that they describe
	helping       *sync.WaitGroup
	// broken takes the first fault of a handler's service.
	broken chan error
}

// fail ends the worker's Run, unless an earlier fault does already.
func (r *running) fail(err error) {
	select {
	case r.broken <- err:
	default:
	}
}

// Serve takes work for a handler, now if the worker runs, else from then on. It refuses
// a bundle that no subject or consumer can be made of, and a second one of the same kind
// and pool.
func (w *Worker) Serve(h Handler) error {
	b := h.Bundle()
	for _, word := range []string{b.Kind, b.Pool} {
		if word == "" || word != jobspec.Token(word) {
			return fmt.Errorf("worker: bundle %q: %q is no name for a kind or pool", b.Name, word)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, other := range w.served {
		if other.kind == b.Kind && other.pool == b.Pool {
			return fmt.Errorf("worker: bundles %q and %q both serve %s.%s", other.handler.Bundle().Name, b.Name, b.Kind, b.Pool)
		}
	}
	s := &served{handler: h, kind: b.Kind, pool: b.Pool, endService: func() {}}
	w.served = append(w.served, s)
	if w.now != nil {
		w.beginHandler(s)
	}
	return nil
}

// Withdraw takes no more work for a handler that Serve was given. Tasks that run, and
// queries that came, go on;
// when the last one has ended, the handler's own service ends, and then the channel is
// closed. A handler that is not served is gone at once.
func (w *Worker) Withdraw(h Handler) (gone <-chan struct{}) {
	b := h.Bundle()
	done := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.served, func(s *served) bool { return s.kind == b.Kind && s.pool == b.Pool })
	if i < 0 {
		close(done)
		return done
	}
	s := w.served[i]
	w.served = slices.Delete(w.served, i, i+1)
	if w.now != nil {
		w.intake.Remove(s.kind, s.pool)
	}
	go func() {
		defer close(done)
		s.desk.close()
		s.tasks.Wait()
		s.endService()
		s.service.Wait()
	}()
	return done
}

// begin starts to take work for every handler.
func (w *Worker) begin(now *running) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = now
	for _, s := range w.served {
		w.beginHandler(s)
	}
}

// end keeps handlers that come from now on for the next Run, and takes no more queries.
func (w *Worker) end() {
	w.mu.Lock()
	w.now = nil
	var desks []*desk
	for _, s := range w.served {
		if s.desk != nil {
			desks, s.desk = append(desks, s.desk), nil
		}
	}
	w.mu.Unlock()
	var closing sync.WaitGroup
	for _, d := range desks {
		closing.Go(d.close)
	}
	closing.Wait()
}

// beginHandler runs the handler's own service and takes work for it. Holds mu.
func (w *Worker) beginHandler(s *served) {
	now := w.now
	if own, ok := s.handler.(lifecycle.Service); ok {
		var ctx context.Context
		ctx, s.endService = context.WithCancel(now.helpers)
		s.service.Add(1)
		now.helping.Go(func() {
			defer s.service.Done()
			if err := runService(ctx, s.handler.Bundle().Name, own); err != nil {
				now.fail(err)
			}
		})
	}
	if a, ok := s.handler.(Answerer); ok {
		var err error
		if s.desk, err = w.openDesk(now.work, a, &s.tasks); err != nil {
			now.fail(err)
		}
	}
	w.intake.Add(intake.Queue{Kind: s.kind, Pool: s.pool, Start: func(d natsx.Delivery) {
		s.tasks.Add(1)
		w.tasks.Go(func() {
			defer s.tasks.Done()
			w.process(now.work, s.handler, s.kind, d)
		})
	}})
}

// runService runs a handler's own service, whose end is a fault until it was told.
func runService(ctx context.Context, bundle string, s lifecycle.Service) error {
	err := s.Run(ctx)
	if err == nil && ctx.Err() == nil {
		err = errors.New("ended although nobody stopped it")
	}
	if err != nil {
		return fmt.Errorf("worker: bundle %s: %w", bundle, err)
	}
	return nil
}

// bundles are those of the handlers, in the order in which they came.
func (w *Worker) bundles() []jobspec.Bundle {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]jobspec.Bundle, len(w.served))
	for i, s := range w.served {
		all[i] = s.handler.Bundle()
	}
	return all
}
