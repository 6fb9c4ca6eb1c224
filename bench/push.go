package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const pushEvents = `subscription { events(topics: [NOTES]) { cursor ... on NoteChanged { noteId note { title } } } }`

// measurePush measures the fan-out: one account's events to thousands of its
// subscribers, each on a socket of its own, resumable as clients have it: the
// ids of their operations are UUIDs and their pongs repeat what a ping carried.
func measurePush(ctx context.Context, o options, r *report) (err error) {
	p, _, err := start(ctx, o, launch{engine: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	people, err := signUp(ctx, p, "followed", 1)
	if err != nil {
		return err
	}
	conns, err := connect(ctx, p, people, 1)
	if err != nil {
		return err
	}
	defer closeAll(conns)
	f, err := openFanOut(ctx, p, people[0], conns[0], pick(o, 5000, 500))
	if err != nil {
		return err
	}
	defer f.close()
	rate := row{name: fmt.Sprintf("pushes to %d subscribers, 40 events in a row", len(f.sockets)), stack: "embedded", unit: "pushes"}
	delay := row{name: fmt.Sprintf("pushes to %d subscribers, 2 events/s", len(f.sockets)), stack: "embedded", unit: "pushes"}
	if _, err := f.run(ctx, 10, 0); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	for n := range 3 {
		stop := func() {}
		if n == 0 {
			stop = o.profiling(ctx, p, "push")
		}
		s, err := f.run(ctx, 40, 0)
		stop()
		if err != nil {
			return err
		}
		rate.runs = append(rate.runs, s)
		if s, err = f.run(ctx, pick(o, 20, 6), 500*time.Millisecond); err != nil {
			return err
		}
		delay.runs = append(delay.runs, s)
	}
	r.add(rate)
	r.add(delay)
	return nil
}

// fanOut is the subscribers of one account.
type fanOut struct {
	p       *process
	conn    *httpConn
	sockets []*socket
	written int
	round   atomic.Pointer[fanOutRound]
	failed  chan error
}

// fanOutRound is some events that every subscriber is to be given.
type fanOutRound struct {
	first int
	// due are the moments from which the events' latencies count.
	due []atomic.Int64
	mu  sync.Mutex
	// latencies are of the pushes so far; finished is closed with the last.
	latencies []time.Duration
	most      int
	finished  chan struct{}
}

func openFanOut(ctx context.Context, p *process, of person, conn *httpConn, n int) (*fanOut, error) {
	f := &fanOut{p: p, conn: conn, sockets: make([]*socket, n), failed: make(chan error, n)}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i := range f.sockets {
		g.Go(func() error {
			s, err := openSocket(ctx, p.addr, of.token)
			if err != nil {
				return err
			}
			f.sockets[i] = s
			return errors.Join(s.subscribe(newUUID(), pushEvents), s.sync())
		})
	}
	if err := g.Wait(); err != nil {
		f.close()
		return nil, err
	}
	for _, s := range f.sockets {
		go func() { f.failed <- s.listen(f.pushed) }()
	}
	return f, nil
}

// newUUID gives a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (f *fanOut) close() {
	for _, s := range f.sockets {
		if s != nil {
			s.close()
		}
	}
}

// pushed notes what a subscriber was given.
func (f *fanOut) pushed(data []byte) {
	now := time.Now().UnixNano()
	_, title, _ := bytes.Cut(data, []byte(`"title":"Note `))
	number, _, _ := bytes.Cut(title, []byte(`"`))
	r := f.round.Load()
	n, err := strconv.Atoi(string(number))
	if n -= r.first; err != nil || n < 0 || n >= len(r.due) {
		f.failed <- fmt.Errorf("this was not expected: %s", data)
		return
	}
	took := time.Duration(now - r.due[n].Load())
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.latencies = append(r.latencies, took); len(r.latencies) == r.most {
		close(r.finished)
	}
}

// run commits events, one after the other or at an even pace, and waits until
// every subscriber has all of them. A latency counts from the moment at which
// the mutation was due.
func (f *fanOut) run(ctx context.Context, events int, every time.Duration) (sample, error) {
	most := events * len(f.sockets)
	r := &fanOutRound{
		first: f.written, due: make([]atomic.Int64, events), most: most,
		latencies: make([]time.Duration, 0, most), finished: make(chan struct{}),
	}
	f.written += events
	f.round.Store(r)
	began := time.Now()
	g := newGauge(f.p)
	for i := range events {
		due := began.Add(time.Duration(i) * every)
		if every > 0 {
			time.Sleep(time.Until(due))
		} else {
			due = time.Now()
		}
		r.due[i].Store(due.UnixNano())
		if _, err := f.conn.do(createBody(r.first+i, "pushed")); err != nil {
			return sample{}, err
		}
	}
	select {
	case <-r.finished:
	case err := <-f.failed:
		return sample{}, fmt.Errorf("a subscriber failed: %w", err)
	case <-ctx.Done():
		return sample{}, ctx.Err()
	case <-time.After(time.Minute):
		r.mu.Lock()
		defer r.mu.Unlock()
		return sample{}, fmt.Errorf("%d of %d pushes did not come within a minute", most-len(r.latencies), most)
	}
	return g.sample(slices.Clone(r.latencies)), nil
}
