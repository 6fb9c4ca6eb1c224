package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// memory is what a process uses once its garbage is gone.
type memory struct {
	resident, heap, stack int64
	goroutines            int
}

func (p *process) memory(ctx context.Context) (memory, error) {
	var m memory
	// The second call finds what finalizers of the first let go.
	for range 2 {
		data, err := p.get(ctx, "/free")
		if err != nil {
			return m, err
		}
		if _, err := fmt.Sscan(string(data), &m.heap, &m.stack, &m.goroutines); err != nil {
			return m, fmt.Errorf("read the memory: %w", err)
		}
	}
	m.resident = p.resident()
	return m, nil
}

// measureIdle opens sockets with one subscription each and divides what the
// server then uses more.
func measureIdle(ctx context.Context, o options, r *report) (err error) {
	kinds := []struct{ name, query string }{
		{"events", `subscription { events { cursor at } }`},
		{"translations", `subscription { translations(noteId: "NOTE") { cursor translation { state text } } }`},
	}
	for _, kind := range kinds {
		if err := idleKind(ctx, o, r, kind.name, kind.query); err != nil {
			return err
		}
	}
	return nil
}

func idleKind(ctx context.Context, o options, r *report, name, query string) (err error) {
	p, _, err := start(ctx, o, launch{engine: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	people, err := signUp(ctx, p, "listener", 16)
	if err != nil {
		return err
	}
	queries, err := idleQueries(ctx, p, people, query)
	if err != nil {
		return err
	}
	// What is made once is not what a subscription costs.
	warm, err := subscribers(ctx, p, people, queries, 200)
	if err != nil {
		return err
	}
	closeSockets(warm)
	if err := p.settled(ctx); err != nil {
		return err
	}
	before, err := p.memory(ctx)
	if err != nil {
		return err
	}
	if o.profile != "" {
		o.keep(ctx, p, "idle-"+name+"-before.heap", "/debug/pprof/heap")
	}
	n := pick(o, 4000, 1000)
	all, err := subscribers(ctx, p, people, queries, n)
	if err != nil {
		return err
	}
	defer closeSockets(all)
	stop := o.profiling(ctx, p, "idle-"+name)
	after, err := p.memory(ctx)
	if err != nil {
		return err
	}
	stop()
	r.addIdle(idleRow{
		name: name, sockets: n,
		resident: float64(after.resident-before.resident) / float64(n), heap: float64(after.heap-before.heap) / float64(n),
		stack: float64(after.stack-before.stack) / float64(n), goroutines: float64(after.goroutines-before.goroutines) / float64(n),
	})
	return nil
}

// idleQueries gives each person's query, with a note of theirs where it names
// one.
func idleQueries(ctx context.Context, p *process, people []person, query string) ([]string, error) {
	conns, err := connect(ctx, p, people, len(people))
	if err != nil {
		return nil, err
	}
	defer closeAll(conns)
	ids, err := writeNotes(conns, len(people), text)
	if err != nil {
		return nil, err
	}
	queries := make([]string, len(people))
	for i, id := range ids {
		queries[i] = strings.ReplaceAll(query, "NOTE", id)
	}
	return queries, nil
}

// settled waits until the closed sockets are gone from the server.
func (p *process) settled(ctx context.Context) error {
	last := -1
	for range 100 {
		m, err := p.memory(ctx)
		if err != nil {
			return err
		}
		if m.goroutines == last {
			return nil
		}
		last = m.goroutines
		time.Sleep(200 * time.Millisecond)
	}
	return errors.New("the server does not come to rest")
}

func subscribers(ctx context.Context, p *process, people []person, queries []string, n int) ([]*socket, error) {
	all := make([]*socket, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i := range all {
		g.Go(func() error {
			s, err := openSocket(ctx, p.addr, people[i%len(people)].token)
			if err != nil {
				return err
			}
			all[i] = s
			return errors.Join(s.subscribe("1", queries[i%len(queries)]), s.sync())
		})
	}
	return all, g.Wait()
}

func closeSockets(all []*socket) {
	for _, s := range all {
		if s != nil {
			s.close()
		}
	}
}
