package main

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
)

// person is an account with a token.
type person struct{ token string }

// signUp makes accounts; who keeps those of two measurements apart.
func signUp(ctx context.Context, p *process, who string, n int) ([]person, error) {
	people := make([]person, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i := range people {
		g.Go(func() error {
			c, err := dial(ctx, p.addr, "")
			if err != nil {
				return err
			}
			defer c.close()
			var out struct{ SignUp struct{ AccessToken string } }
			err = c.ask(`mutation($e: String!) { signUp(input: {email: $e, password: "correct horse battery"}) { accessToken } }`,
				map[string]any{"e": fmt.Sprintf("%s%d@bench.localhost", who, i)}, &out)
			people[i].token = out.SignUp.AccessToken
			return err
		})
	}
	return people, g.Wait()
}

// connect opens connections, shared evenly among the people.
func connect(ctx context.Context, p *process, people []person, n int) ([]*httpConn, error) {
	conns := make([]*httpConn, 0, n)
	for i := range n {
		c, err := dial(ctx, p.addr, people[i%len(people)].token)
		if err != nil {
			closeAll(conns)
			return nil, err
		}
		conns = append(conns, c)
	}
	return conns, nil
}

func closeAll(conns []*httpConn) {
	for _, c := range conns {
		c.close()
	}
}

// words make notes of about 300 bytes, no two alike.
const words = "The little girl has a doll in her hands. A child today would not do that. " +
	"It rained all night, and in the morning the river had left its bed. We will see each other at the station tomorrow."

func text(n int) string { return fmt.Sprintf("Note %d. %s", n, words) }

const createNote = `mutation($input: CreateNoteInput!) { createNote(input: $input) { note { id title text language version createdAt updatedAt } cursor } }`

func createBody(n int, text string) []byte {
	return request(createNote, map[string]any{"input": map[string]string{"title": fmt.Sprintf("Note %d", n), "text": text, "language": "en"}})
}

// writeNotes makes notes for the owner of each connection in turn and gives
// their ids: the nth belongs to connection n % len(conns).
func writeNotes(conns []*httpConn, n int, text func(int) string) ([]string, error) {
	ids := make([]string, n)
	var g errgroup.Group
	for i, c := range conns {
		g.Go(func() error {
			for at := i; at < n; at += len(conns) {
				body, err := c.do(createBody(at, text(at)))
				if err != nil {
					return err
				}
				if ids[at] = field(body, `"id":"`); ids[at] == "" {
					return fmt.Errorf("an answer without an id: %s", body)
				}
			}
			return nil
		})
	}
	return ids, g.Wait()
}

// field gives the string after the first mark, up to the next quote.
func field(body []byte, mark string) string {
	_, after, ok := strings.Cut(string(body), mark)
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(after, `"`)
	return value
}
