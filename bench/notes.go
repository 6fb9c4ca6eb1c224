package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// httpConns is how many connections send at once, as in the baselines.
const httpConns = 16

// cachedNotes is how many notes are read over and over.
const cachedNotes = 160

const readNote = `query($id: ID!) { note(id: $id) { id title text language version createdAt updatedAt translations { language text state } } }`

// measureNotes measures reads and creations on the real binary.
func measureNotes(ctx context.Context, o options, r *report) (err error) {
	p, _, err := start(ctx, o, launch{engine: o.profile != "", models: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	return notesOn(ctx, o, p, r, "embedded")
}

func notesOn(ctx context.Context, o options, p *process, r *report, stack string) error {
	people, err := signUp(ctx, p, "writer", 8)
	if err != nil {
		return err
	}
	conns, err := connect(ctx, p, people, httpConns)
	if err != nil {
		return err
	}
	defer closeAll(conns)
	ids, err := writeNotes(conns, cachedNotes, func(n int) string { return fmt.Sprintf("The %d birds sing. ", n) + words[:41] })
	if err != nil {
		return err
	}
	if err := translated(ctx, p, people, ids); err != nil {
		return err
	}
	bodies := make([][]byte, len(ids))
	for i, id := range ids {
		bodies[i] = request(readNote, map[string]any{"id": id})
	}
	read := func(conn, n int) []byte { return bodies[(conn+n*httpConns)%len(bodies)] }
	goal := ""
	if stack == "embedded" {
		goal = "15,000/s"
	}
	err = repeat(ctx, o, p, r, row{name: "note, cached", stack: stack, goal: goal, least: 15000, unit: "requests"},
		func(d time.Duration) (sample, error) { return closedLoop(ctx, p, conns, d, read) })
	if err != nil {
		return err
	}
	made := 1000
	counters := make([]int, httpConns)
	create := func(conn, _ int) []byte {
		counters[conn]++
		n := made + counters[conn]*httpConns + conn
		return createBody(n, text(n))
	}
	return repeat(ctx, o, p, r, row{name: "createNote", stack: stack, unit: "requests"},
		func(d time.Duration) (sample, error) { return closedLoop(ctx, p, conns, d, create) })
}

// translated gives every note one translation, where there is a worker that
// can make it, and waits for it.
func translated(ctx context.Context, p *process, people []person, ids []string) error {
	for who, person := range people {
		c, err := dial(ctx, p.addr, person.token)
		if err != nil {
			return err
		}
		defer c.close()
		var own []string
		for at, id := range ids {
			if at%httpConns%len(people) == who {
				own = append(own, id)
			}
		}
		var out struct {
			TranslateNotes struct{ Jobs []struct{ ID string } }
		}
		if err := c.ask(`mutation($ids: [ID!]!) { translateNotes(input: {noteIds: $ids, languages: ["es"]}) { jobs { id } } }`,
			map[string]any{"ids": own}, &out); err != nil {
			return fmt.Errorf("have the notes translated: %w", err)
		}
		for began := time.Now(); ; {
			var all struct {
				Jobs struct{ TotalCount int }
			}
			if err := c.ask(`{ jobs(filter: {states: [QUEUED, RUNNING]}, first: 1) { totalCount } }`, nil, &all); err != nil {
				return err
			}
			if all.Jobs.TotalCount == 0 {
				break
			}
			if time.Since(began) > time.Minute {
				return errors.New("the notes are not translated after a minute")
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return ctx.Err()
}

// repeat warms up, runs and keeps the samples.
func repeat(ctx context.Context, o options, p *process, r *report, what row, once func(d time.Duration) (sample, error)) error {
	if _, err := once(pick(o, 2*time.Second, time.Second)); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	stop := o.profiling(ctx, p, what.stack+"-"+what.name)
	for range 3 {
		s, err := once(pick(o, 5*time.Second, 2*time.Second))
		if err != nil {
			return err
		}
		what.runs = append(what.runs, s)
	}
	stop()
	r.add(what)
	return nil
}
