package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
)

const (
	learners = 1000
	kinds    = 20 // kinds of error of each learner
)

const (
	startConversation = `mutation($who: String!) { startConversation(input: {externalId: $who}) { conversation { id } } }`
	addUtterances     = `mutation($items: [UtteranceInput!]!) { addUtterances(input: {items: $items}) { results { utterance { id } error { message } } } }`
	recordErrors      = `mutation($items: [ErrorInput!]!) { recordErrors(input: {items: $items}) { recorded results { status errorId error { code message } } } }`
	exerciseQuery     = `query($who: String!) { exercise(externalId: $who) { category subcategory frequency lastAt } }`
)

// measurePractice measures how fast errors are recorded and exercises read.
func measurePractice(ctx context.Context, b bed) error {
	secret, err := b.key(ctx, "PRACTICE_RECORD", "PRACTICE_READ")
	if err != nil {
		return err
	}
	conns, err := b.connect(ctx, secret)
	if err != nil {
		return err
	}
	defer closeAll(conns)
	utterances, err := b.talk(ctx, secret)
	if err != nil {
		return err
	}
	reports := &reports{utterances: utterances}
	if err := reports.fill(conns[0]); err != nil {
		return err
	}
	if err := b.vacuum(ctx); err != nil {
		return err
	}
	err = b.load(ctx, conns, row{name: "exercise, top 5 of 20 kinds", unit: "requests", goal: "8,000/s", least: 8000}, exercises())
	if err != nil {
		return err
	}
	for _, size := range []int{100, 3} {
		what := row{name: fmt.Sprintf("recordErrors, items, %d a call", size), unit: "items", each: size}
		if size == 100 {
			what.goal, what.least = "20,000/s", 20000
		}
		if err := b.load(ctx, conns, what, func(int, int) []byte { return reports.next(size) }); err != nil {
			return err
		}
	}
	return nil
}

func learner(n int) string { return "learner-" + strconv.Itoa(n) }

func exercises() func(conn, n int) []byte {
	bodies := make([][]byte, learners)
	for i := range bodies {
		bodies[i] = request(exerciseQuery, map[string]any{"who": learner(i)})
	}
	return func(int, int) []byte { return bodies[rand.IntN(learners)] }
}

// talk gives every learner a conversation with an utterance and tells their ids.
func (b bed) talk(ctx context.Context, secret string) ([]string, error) {
	c, err := dial(ctx, b.p.addr, secret)
	if err != nil {
		return nil, err
	}
	defer c.close()
	var items []map[string]any
	for i := range learners {
		var out struct {
			StartConversation struct{ Conversation struct{ ID string } }
		}
		if err := c.ask(startConversation, map[string]any{"who": learner(i)}, &out); err != nil {
			return nil, err
		}
		items = append(items, map[string]any{"conversationId": out.StartConversation.Conversation.ID, "text": "Yesterday I go to the station with my friend."})
	}
	var ids []string
	for at := 0; at < len(items); at += 100 {
		var out struct {
			AddUtterances struct {
				Results []struct{ Utterance struct{ ID string } }
			}
		}
		if err := c.ask(addUtterances, map[string]any{"items": items[at : at+100]}, &out); err != nil {
			return nil, err
		}
		for _, r := range out.AddUtterances.Results {
			ids = append(ids, r.Utterance.ID)
		}
	}
	return ids, nil
}

// reports makes calls of recordErrors, none of them like another.
type reports struct{ utterances []string }

type reported struct {
	UtteranceID string `json:"utteranceId"`
	ClientKey   string `json:"clientKey"`
	Index       int    `json:"index"`
	Category    string `json:"category"`
	Subcategory string `json:"subcategory"`
	StartOffset int    `json:"startOffset"`
	EndOffset   int    `json:"endOffset"`
}

func (r *reports) item(learner, kind, index int, key string) reported {
	return reported{
		UtteranceID: r.utterances[learner], ClientKey: key, Index: index, Category: "grammar " + strconv.Itoa(kind%4),
		Subcategory: "kind " + strconv.Itoa(kind), StartOffset: 12, EndOffset: 14,
	}
}

// next is a call with three errors of each of some learners, as an app sends
// what it found in their utterances.
func (r *reports) next(size int) []byte {
	key := strconv.FormatUint(rand.Uint64(), 36)
	items := make([]reported, size)
	who := 0
	for i := range items {
		if i%3 == 0 {
			who = rand.IntN(learners)
		}
		items[i] = r.item(who, rand.IntN(kinds), i, key)
	}
	body, err := json.Marshal(map[string]any{"query": recordErrors, "variables": map[string]any{"items": items}})
	if err != nil {
		panic(err) // strings and numbers can be encoded
	}
	return body
}

// fill gives every learner every kind of error.
func (r *reports) fill(c *httpConn) error {
	for at := range learners * kinds / 100 {
		items := make([]reported, 100)
		for i := range items {
			n := at*100 + i
			items[i] = r.item(n/kinds, n%kinds, i, "fill")
		}
		if err := c.ask(recordErrors, map[string]any{"items": items}, nil); err != nil {
			return err
		}
	}
	return nil
}
