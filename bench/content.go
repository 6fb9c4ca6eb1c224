package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

const (
	askContent   = `mutation($in: RequestContentInput!) { requestContent(input: $in) { request { jobs { id } id } } }`
	watchContent = `subscription($id: ID!) { contentUpdated(id: $id) { version partialText progress preview { url } request { state } } }`
)

// measureContent measures content requests with a worker that does nothing, how soon the
// first word and the first preview of small models are seen, and what a text that grows
// costs that a thousand watch.
func measureContent(ctx context.Context, o options, r *report) error {
	for _, step := range []func(context.Context, options, *report) error{contentRate, grownText, firstSeen} {
		if err := step(ctx, o, r); err != nil {
			return err
		}
	}
	return nil
}

func contentRate(ctx context.Context, o options, r *report) (err error) {
	p, _, err := start(ctx, o, launch{engine: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	c, err := newCrowd(ctx, p)
	if err != nil {
		return err
	}
	defer c.close()
	c.prepare = func(n int) (bodies [][]byte, err error) {
		for range n {
			c.written++
			bodies = append(bodies, request(askContent, map[string]any{"in": map[string]any{"prompt": fmt.Sprint("wish ", c.written), "kind": "TEXT"}}))
		}
		return bodies, nil
	}
	if _, err := c.burst(ctx, pick(o, 1000, 300)); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	return c.repeat(ctx, o, r, row{name: "content requests, end to end, no-op worker", stack: "embedded", unit: "requests"}, func() (sample, error) {
		return c.burst(ctx, pick(o, 5000, 1000))
	})
}

// ask makes a content request and gives its id.
func ask(c *httpConn, in map[string]any) (string, error) {
	var out struct {
		RequestContent struct{ Request struct{ ID string } }
	}
	err := c.ask(askContent, map[string]any{"in": in}, &out)
	return out.RequestContent.Request.ID, err
}

// grownText has sockets watch one text. A push counts from when its newest word was
// written to when a watcher has it.
func grownText(ctx context.Context, o options, r *report) (err error) {
	p, _, err := start(ctx, o, launch{engine: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	people, err := signUp(ctx, p, "teller", 1)
	if err != nil {
		return err
	}
	conns, err := connect(ctx, p, people, 1)
	if err != nil {
		return err
	}
	defer closeAll(conns)
	what := row{name: "pushes of a text that grows ten times a second, 1,000 watchers", stack: "embedded", unit: "pushes"}
	for range pick(o, 3, 1) {
		s, err := tellAll(ctx, p, people[0], conns[0], 1000)
		if err != nil {
			return err
		}
		what.runs = append(what.runs, s)
	}
	r.add(what)
	return nil
}

func tellAll(ctx context.Context, p *process, of person, conn *httpConn, watchers int) (sample, error) {
	sockets := make([]*socket, watchers)
	defer func() {
		for _, s := range sockets {
			if s != nil {
				s.close()
			}
		}
	}()
	for i := range sockets {
		s, err := openSocket(ctx, p.addr, of.token)
		if err != nil {
			return sample{}, err
		}
		sockets[i] = s
	}
	g := newGauge(p)
	id, err := ask(conn, map[string]any{"prompt": tell, "kind": "TEXT"})
	if err != nil {
		return sample{}, err
	}
	var mu sync.Mutex
	var all []time.Duration
	var done sync.WaitGroup
	var left error
	for _, s := range sockets {
		if err := s.subscribeTo("1", watchContent, map[string]any{"id": id}); err != nil {
			return sample{}, err
		}
		done.Add(1)
		go func() {
			defer done.Done()
			ended := false
			err := s.listen(func(data []byte) {
				took, told := sinceLastWord(data)
				mu.Lock()
				defer mu.Unlock()
				if told {
					all = append(all, took)
				}
				if bytes.Contains(data, []byte(`"state":"READY"`)) {
					ended = true
					s.close()
				}
			})
			mu.Lock()
			defer mu.Unlock()
			if !ended {
				left = fmt.Errorf("a watcher did not see the end: %w", err)
			}
		}()
	}
	done.Wait()
	if left != nil {
		return sample{}, left
	}
	return g.sample(all), nil
}

// sinceLastWord tells how old the newest word of a teller's text is.
func sinceLastWord(data []byte) (time.Duration, bool) {
	now := time.Now().UnixNano()
	_, text, ok := bytes.Cut(data, []byte(`"partialText":"`))
	if !ok {
		return 0, false
	}
	text, _, _ = bytes.Cut(text, []byte(`"`))
	words := bytes.Fields(text)
	if len(words) == 0 {
		return 0, false
	}
	at, err := strconv.ParseInt(string(words[len(words)-1]), 10, 64)
	return time.Duration(now - at), err == nil
}

// firstSeen measures from the mutation to the first word, and to the first preview.
func firstSeen(ctx context.Context, o options, r *report) (err error) {
	models, err := os.MkdirTemp("", "parley-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(models)) }()
	for name, from := range map[string]string{
		"caption-mini": filepath.Join(o.root, "models", "caption-mini"), "lcm-random": filepath.Join(o.root, "..", "shared", "models", "random", "lcm-random"),
	} {
		if err := os.Symlink(from, filepath.Join(models, name)); err != nil {
			return err
		}
	}
	p, _, err := start(ctx, o, launch{folder: models})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	people, err := signUp(ctx, p, "first", 1)
	if err != nil {
		return err
	}
	conns, err := connect(ctx, p, people, 1)
	if err != nil {
		return err
	}
	defer closeAll(conns)
	for _, w := range []struct {
		name, sign string
		in         map[string]any
	}{
		{"first word of caption-mini, one text", `"partialText":"`, map[string]any{"prompt": "a dog on a beach", "kind": "TEXT", "options": map[string]any{"text": map[string]any{"candidates": 1}}}},
		{"first preview of lcm-random, 64 pixels, 20 steps", `"preview":{`, map[string]any{"prompt": "a dog", "kind": "IMAGE", "options": map[string]any{"image": map[string]any{"steps": 20}}}},
	} {
		what := row{name: w.name, stack: "embedded", unit: "requests"}
		for range pick(o, 3, 1) {
			var took []time.Duration
			g := newGauge(p)
			for range pick(o, 50, 10) {
				one, err := seenAfter(ctx, p, people[0], conns[0], w.in, w.sign)
				if err != nil {
					return fmt.Errorf("%s: %w", w.name, err)
				}
				took = append(took, one)
			}
			what.runs = append(what.runs, g.sample(took))
		}
		r.add(what)
	}
	return nil
}

// seenAfter gives how long after the mutation a message with the sign came; where the
// result came first, that counts.
func seenAfter(ctx context.Context, p *process, of person, conn *httpConn, in map[string]any, sign string) (time.Duration, error) {
	s, err := openSocket(ctx, p.addr, of.token)
	if err != nil {
		return 0, err
	}
	defer s.close()
	began := time.Now()
	id, err := ask(conn, in)
	if err == nil {
		err = s.subscribeTo("1", watchContent, map[string]any{"id": id})
	}
	if err != nil {
		return 0, err
	}
	var seen time.Duration
	err = s.listen(func(data []byte) {
		if seen == 0 && (bytes.Contains(data, []byte(sign)) || bytes.Contains(data, []byte(`"state":"READY"`))) {
			seen = time.Since(began)
			s.close()
		}
	})
	if seen == 0 {
		return 0, fmt.Errorf("nothing was seen: %w", err)
	}
	return seen, nil
}
