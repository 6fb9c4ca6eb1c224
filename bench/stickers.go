package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"parley/internal/testkit"
)

const (
	// judgedQueries have votes on pageOf stickers each, as those of the system before.
	judgedQueries = 100
	pageOf        = 20
	// itemOf is how many stickers an item of feedback names.
	itemOf = 5
	// liked is how many stickers get votes: as many as the system before had.
	liked = 657
	// voters are as many accounts.
	voters = 64
)

const (
	searchIndexesQuery = `{ searchIndexes { state total done failed } }`
	stickersQuery      = `query($after: Cursor) { stickers(first: 100, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }`
	searchQuery        = `query($q: String!) { searchStickers(query: $q, first: 10) { degraded edges { score node { id name url caption tags } } } }`
	reportQuery        = `mutation($items: [FeedbackItemInput!]!) { reportFeedback(input: {items: $items}) { results { saved failed error { code } } } }`
	feedbackQuery      = `query($q: String!) { searchFeedback(query: $q, first: 20) { nodes { query { text usage } sticker { name } positives negatives } } }`
	digitQuery         = `query($n: BigInt!) { digitCount(digit: 7, upTo: $n) { integers occurrences } }`
)

// asked are queries that people ask of the demo set.
var asked = []string{"cat", "happy birthday", "love", "pizza", "sad face", "rocket", "thank you", "rain", "football", "good night"}

// measureStickers measures searches of the demo set, feedback and analytics.
func measureStickers(ctx context.Context, o options, r *report) error {
	admin := os.Getenv(testkit.EnvPostgres)
	if admin == "" {
		fmt.Println("left out: `make bench` starts PostgreSQL for it")
		return nil
	}
	l := launch{
		engine: o.profile != "", models: o.profile != "", demo: true,
		env: []string{"PARLEY_SEARCH_RATE=0", "PARLEY_FEEDBACK_RATE=0", "PARLEY_QUERY_DEADLINE=20s"},
	}
	return onServers(ctx, o, admin, l, func(p *process, database string) error {
		return searches(ctx, bed{o: o, p: p, r: r, database: database})
	})
}

func searches(ctx context.Context, b bed) error {
	ids, err := b.demoStickers(ctx)
	if err != nil {
		return err
	}
	people, err := signUp(ctx, b.p, "voter", voters)
	if err != nil {
		return err
	}
	conns, err := connect(ctx, b.p, people, domainConns)
	if err != nil {
		return err
	}
	defer closeAll(conns)
	if err := judge(conns, ids); err != nil {
		return err
	}
	if err := b.vacuum(ctx); err != nil {
		return err
	}
	if err := b.load(ctx, conns, row{name: "searchStickers, ten of 1,545, a query that is kept", unit: "requests", goal: "8,000/s", least: 8000}, each(asked, searchQuery, "q")); err != nil {
		return err
	}
	for _, size := range []int{20, 1} {
		what := row{name: fmt.Sprintf("reportFeedback, items of 5 stickers, %d a call", size), unit: "items", each: size, goal: "2,250/s", least: 2250}
		if err := b.load(ctx, conns, what, func(int, int) []byte { return request(reportQuery, map[string]any{"items": items(ids, size)}) }); err != nil {
			return err
		}
	}
	if err := b.load(ctx, conns, row{name: "digitCount up to 10^9", unit: "requests", goal: "6,750/s", least: 6750}, func(int, int) []byte {
		return request(digitQuery, map[string]any{"n": strconv.Itoa(1 + rand.IntN(1_000_000_000))})
	}); err != nil {
		return err
	}
	return b.analytics(ctx)
}

// demoStickers waits until every demo sticker has its vectors, and gives the ids.
func (b bed) demoStickers(ctx context.Context) ([]string, error) {
	token, err := b.account(ctx, "ADMIN")
	if err != nil {
		return nil, err
	}
	c, err := dial(ctx, b.p.addr, token)
	if err != nil {
		return nil, err
	}
	defer c.close()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		var out struct {
			SearchIndexes []struct {
				State               string
				Total, Done, Failed int
			}
		}
		if err := c.ask(searchIndexesQuery, nil, &out); err != nil {
			return nil, err
		}
		if all := out.SearchIndexes; len(all) > 0 && all[0].State == "ACTIVE" && all[0].Done >= 2*1545 {
			break
		}
		if time.Now().After(deadline) {
			return nil, errors.New("the demo set has no vectors after 5 minutes")
		}
	}
	var ids []string
	for after := any(nil); ; {
		var out struct {
			Stickers struct {
				Nodes    []struct{ ID string }
				PageInfo struct {
					HasNextPage bool
					EndCursor   string
				}
			}
		}
		if err := c.ask(stickersQuery, map[string]any{"after": after}, &out); err != nil {
			return nil, err
		}
		for _, n := range out.Stickers.Nodes {
			ids = append(ids, n.ID)
		}
		if !out.Stickers.PageInfo.HasNextPage {
			return ids, nil
		}
		after = out.Stickers.PageInfo.EndCursor
	}
}

// judge gives the queries of analytics their votes.
func judge(conns []*httpConn, ids []string) error {
	for q := range judgedQueries {
		item := map[string]any{"query": "query " + strconv.Itoa(q), "positive": ids[:pageOf], "negative": []string{}}
		if err := conns[q%len(conns)].ask(reportQuery, map[string]any{"items": []any{item}}, nil); err != nil {
			return err
		}
	}
	return nil
}

// items are of queries and stickers as the system before was asked about them, with the
// votes now this way and now that.
func items(ids []string, size int) []any {
	all := make([]any, size)
	for i := range all {
		at := rand.IntN(liked - itemOf)
		good, bad := ids[at:at+3], ids[at+3:at+itemOf]
		if rand.IntN(2) == 0 {
			good, bad = bad, good
		}
		// One call names a query once.
		n := rand.IntN(judgedQueries/size)*size + i
		all[i] = map[string]any{"query": "asked " + strconv.Itoa(n), "positive": good, "negative": bad}
	}
	return all
}

func (b bed) analytics(ctx context.Context) error {
	token, err := b.account(ctx, "ANALYST")
	if err != nil {
		return err
	}
	conns, err := b.connect(ctx, token)
	if err != nil {
		return err
	}
	defer closeAll(conns)
	queries := make([]string, judgedQueries)
	for i := range queries {
		queries[i] = "query " + strconv.Itoa(i)
	}
	return b.load(ctx, conns, row{name: "searchFeedback, a query's page of 20 stickers", unit: "requests", goal: "2,300/s", least: 2300}, each(queries, feedbackQuery, "q"))
}

// each sends an operation with one of some values.
func each(values []string, operation, variable string) func(conn, n int) []byte {
	bodies := make([][]byte, len(values))
	for i, v := range values {
		bodies[i] = request(operation, map[string]any{variable: v})
	}
	return func(int, int) []byte { return bodies[rand.IntN(len(bodies))] }
}
