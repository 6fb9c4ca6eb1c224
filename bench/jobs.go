package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// jobUsers is how many accounts ask for jobs; each has one websocket.
const jobUsers = 16

// inFlight is how many jobs are under way at once in the measurement of the
// rate, over all users.
const inFlight = 256

const translateNote = `mutation($id: ID!) { translateNote(input: {noteId: $id, languages: ["es"]}) { jobs { id state } cursor } }`

// jobEvents is what a user listens to: every change of every job of theirs,
// with the result once it is there.
const jobEvents = `subscription { events(topics: [JOBS]) { cursor ... on JobChanged { jobId version job { state result { ... on Translation { text } ... on ContentRequest { text } } } } } }`

// measureJobs measures the way of a job: HTTP mutation, relay, JOBS, a worker
// that does nothing, RESULTS, recorder, relay, push.
func measureJobs(ctx context.Context, o options, r *report) (err error) {
	p, _, err := start(ctx, o, launch{engine: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	return jobsOn(ctx, o, p, r, "embedded")
}

func jobsOn(ctx context.Context, o options, p *process, r *report, stack string) error {
	c, err := newCrowd(ctx, p)
	if err != nil {
		return err
	}
	defer c.close()
	burst, paced := pick(o, 5000, 1500), pick(o, 2000, 500)
	rate := row{name: "no-op jobs, end to end", stack: stack, unit: "jobs"}
	delay := row{name: "no-op jobs at 200/s", stack: stack, unit: "jobs"}
	if stack == "embedded" {
		rate.goal, rate.least = "1,000/s", 1000
		delay.goal, delay.most = "p99 < 50 ms", 50*time.Millisecond
	}
	if _, err := c.burst(ctx, pick(o, 1000, 500)); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	if err := c.repeat(ctx, o, r, rate, func() (sample, error) { return c.burst(ctx, burst) }); err != nil {
		return err
	}
	if _, err := c.paced(ctx, pick(o, 400, 200), 200); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	return c.repeat(ctx, o, r, delay, func() (sample, error) { return c.paced(ctx, paced, 200) })
}

func (c *crowd) repeat(ctx context.Context, o options, r *report, what row, once func() (sample, error)) error {
	c.beforeRun = func() {}
	for n := range 3 {
		stop := func() {}
		if n == 0 {
			c.beforeRun = func() { stop = o.profiling(ctx, c.p, what.stack+"-"+what.name) }
		}
		s, err := once()
		if err != nil {
			return err
		}
		stop()
		c.beforeRun = func() {}
		what.runs = append(what.runs, s)
	}
	r.add(what)
	return nil
}

// crowd is users with connections and sockets.
type crowd struct {
	p       *process
	conns   []*httpConn
	sockets []*socket
	users   []*user
	written int
	// prepare gives the bodies of mutations that ask for so many jobs, each for one of its
	// own, whose id comes first in the answer.
	prepare func(n int) ([][]byte, error)
	// beforeRun is called when the notes are written and the run begins.
	beforeRun func()
}

// user matches the pushes of one account with its mutations, whichever comes
// first.
type user struct {
	mu     sync.Mutex
	waits  map[string]func(at time.Time)
	pushed map[string]time.Time
	failed error
}

func newCrowd(ctx context.Context, p *process) (*crowd, error) {
	c := &crowd{p: p, beforeRun: func() {}}
	c.prepare = c.translations
	people, err := signUp(ctx, p, "asker", jobUsers)
	if err != nil {
		return nil, err
	}
	if c.conns, err = connect(ctx, p, people, 2*jobUsers); err != nil {
		return nil, err
	}
	for _, person := range people {
		s, err := openSocket(ctx, p.addr, person.token)
		if err != nil {
			c.close()
			return nil, err
		}
		c.sockets = append(c.sockets, s)
		u := &user{waits: map[string]func(time.Time){}, pushed: map[string]time.Time{}}
		c.users = append(c.users, u)
		if err := errors.Join(s.subscribe("1", jobEvents), s.sync()); err != nil {
			c.close()
			return nil, err
		}
		go func() { u.fail(s.listen(u.push)) }()
	}
	return c, nil
}

func (c *crowd) close() {
	closeAll(c.conns)
	for _, s := range c.sockets {
		s.close()
	}
}

// push notes that a job's last state was pushed.
func (u *user) push(data []byte) {
	now := time.Now()
	switch field(data, `"state":"`) {
	case "QUEUED", "RUNNING":
		return
	case "SUCCEEDED":
	default:
		u.fail(fmt.Errorf("this was not expected: %s", data))
		return
	}
	id := field(data, `"jobId":"`)
	u.mu.Lock()
	defer u.mu.Unlock()
	if wait, ok := u.waits[id]; ok {
		delete(u.waits, id)
		wait(now)
		return
	}
	u.pushed[id] = now
}

// await calls done once the job was pushed.
func (u *user) await(id string, done func(at time.Time)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at, ok := u.pushed[id]; ok {
		delete(u.pushed, id)
		done(at)
		return
	}
	u.waits[id] = done
}

func (u *user) fail(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.failed == nil {
		u.failed = err
	}
}

// round is one run of jobs.
type round struct {
	mu        sync.Mutex
	latencies []time.Duration
	left      int
	finished  chan struct{}
}

func newRound(n int) *round {
	return &round{latencies: make([]time.Duration, 0, n), left: n, finished: make(chan struct{})}
}

func (r *round) done(took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latencies = append(r.latencies, took)
	if r.left--; r.left == 0 {
		close(r.finished)
	}
}

// wait ends the round, with the number of jobs that were never pushed in its
// error if there are any.
func (r *round) wait(ctx context.Context, c *crowd, g gauge) (sample, error) {
	select {
	case <-r.finished:
		return g.sample(slices.Clone(r.latencies)), nil
	case <-ctx.Done():
		return sample{}, ctx.Err()
	case <-time.After(time.Minute):
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	err := fmt.Errorf("%d jobs were not pushed within a minute", r.left)
	for _, u := range c.users {
		u.mu.Lock()
		err = errors.Join(err, u.failed)
		u.mu.Unlock()
	}
	return sample{}, err
}

// translations writes notes, each with a text of its own, so that no two jobs are
// the same work.
func (c *crowd) translations(n int) ([][]byte, error) {
	from := c.written
	c.written += n
	ids, err := writeNotes(c.conns, n, func(i int) string { return text(from + i) })
	bodies := make([][]byte, len(ids))
	for i, id := range ids {
		bodies[i] = request(translateNote, map[string]any{"id": id})
	}
	return bodies, err
}

// burst does n jobs with inFlight of them under way; an operation's latency is
// from its mutation to its push.
func (c *crowd) burst(ctx context.Context, n int) (sample, error) {
	bodies, err := c.prepare(n)
	if err != nil {
		return sample{}, err
	}
	c.beforeRun()
	r := newRound(n)
	slots := make(chan struct{}, inFlight)
	failed := make(chan error, len(c.conns))
	g := newGauge(c.p)
	for i, conn := range c.conns {
		go func() {
			u := c.users[i%len(c.users)]
			for at := i; at < n; at += len(c.conns) {
				slots <- struct{}{}
				began := time.Now()
				body, err := conn.do(bodies[at])
				if err != nil {
					failed <- err
					return
				}
				u.await(field(body, `"id":"`), func(pushed time.Time) {
					<-slots
					r.done(pushed.Sub(began))
				})
			}
		}()
	}
	return c.end(ctx, r, g, failed)
}

func (c *crowd) end(ctx context.Context, r *round, g gauge, failed <-chan error) (sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-failed:
			cancel(err)
		case <-ctx.Done():
		}
	}()
	s, err := r.wait(ctx, c, g)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return s, err
}

// paced sends n mutations at an even rate, whether or not earlier ones were
// answered. A latency is from the moment at which the mutation was due, so
// that a server that stalls is charged for those that wait.
func (c *crowd) paced(ctx context.Context, n, perSecond int) (sample, error) {
	bodies, err := c.prepare(n)
	if err != nil {
		return sample{}, err
	}
	c.beforeRun()
	r := newRound(n)
	failed := make(chan error, len(c.conns))
	began := time.Now()
	g := newGauge(c.p)
	// Each connection sends its share at its own times.
	for i, conn := range c.conns {
		go func() {
			u := c.users[i%len(c.users)]
			for at := i; at < n; at += len(c.conns) {
				due := began.Add(time.Duration(at) * time.Second / time.Duration(perSecond))
				time.Sleep(time.Until(due))
				body, err := conn.do(bodies[at])
				if err != nil {
					failed <- err
					return
				}
				u.await(field(body, `"id":"`), func(pushed time.Time) { r.done(pushed.Sub(due)) })
			}
		}()
	}
	return c.end(ctx, r, g, failed)
}
