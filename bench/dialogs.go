package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"parley/bench/paper"
	"parley/internal/store"
)

const (
	manyDialogs = 1_000_000
	customers   = 10_000
)

var dialogLanguages = []string{"en", "de", "fr", "es", "pt-BR"}

const (
	pushDialog  = `mutation($input: PushDialogInput!) { pushDialog(input: $input) { dialog { id dialogId createdAt expiresAt } } }`
	pushDialogs = `mutation($items: [PushDialogInput!]!) { pushDialogs(input: {items: $items}) { results { dialog { id dialogId } error { code message } } } }`
	dialogPage  = `query($language: Language, $customer: BigInt, $first: Int!, $after: Cursor) {
		dialogs(language: $language, customerId: $customer, first: $first, after: $after) {
			nodes { id dialogId customerId text language createdAt } pageInfo { hasNextPage endCursor } } }`
)

// measureDialogs measures pushes into and pages of a million dialogs.
func measureDialogs(ctx context.Context, b bed) error {
	secret, err := b.key(ctx, "DIALOGS_PUSH", "DIALOGS_CONSENT")
	if err != nil {
		return err
	}
	analyst, err := b.account(ctx, "ANALYST")
	if err != nil {
		return err
	}
	if err := b.fillDialogs(ctx, pick(b.o, manyDialogs, manyDialogs/10)); err != nil {
		return err
	}
	readers, err := b.connect(ctx, analyst)
	if err != nil {
		return err
	}
	defer closeAll(readers)
	for _, page := range []struct {
		size int
		goal float64
	}{{10, 5000}, {100, 1000}} {
		next, err := pages(readers[0], page.size)
		if err != nil {
			return err
		}
		what := row{name: fmt.Sprintf("dialogs, pages of %d", page.size), unit: "pages", goal: paper.Thousands(page.goal) + "/s", least: page.goal}
		if err := b.load(ctx, readers, what, next); err != nil {
			return err
		}
	}
	writers, err := b.connect(ctx, secret)
	if err != nil {
		return err
	}
	defer closeAll(writers)
	single := row{name: "pushDialog", unit: "dialogs", goal: "4,000/s", least: 4000}
	if err := b.load(ctx, writers, single, func(int, int) []byte { return request(pushDialog, map[string]any{"input": newDialog()}) }); err != nil {
		return err
	}
	bulk := row{name: "pushDialogs, items, 50 a call", unit: "dialogs", each: 50, goal: "10,000/s", least: 10000}
	return b.load(ctx, writers, bulk, func(int, int) []byte {
		items := make([]any, 50)
		for i := range items {
			items[i] = newDialog()
		}
		return request(pushDialogs, map[string]any{"items": items})
	})
}

// lastDialog counts the dialogs' numbers up.
var lastDialog atomic.Int64

func newDialog() any {
	n := lastDialog.Add(1)
	return map[string]any{
		"dialogId": strconv.FormatInt(n, 10), "customerId": strconv.Itoa(rand.IntN(customers)),
		"language": dialogLanguages[n%int64(len(dialogLanguages))], "text": dialogText(n),
	}
}

func dialogText(n int64) string {
	return "Good morning, my order number " + strconv.FormatInt(n, 10) + " has not arrived yet. Could you tell me where it is? Thank you."
}

// fillDialogs copies dialogs into the table as pushDialog would have left them,
// nine of ten agreed to, a second apart.
func (b bed) fillDialogs(ctx context.Context, n int) error {
	conn, err := pgx.Connect(ctx, b.database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	began := store.Now().Add(-time.Duration(n) * time.Second)
	columns := []string{"id", "created_at", "dialog_id", "customer_id", "owner_id", "language", "text", "approved", "approved_at"}
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"dialogs"}, columns, pgx.CopyFromSlice(n, func(i int) ([]any, error) {
		number := lastDialog.Add(1)
		at := began.Add(time.Duration(i) * time.Second)
		approved := rand.IntN(10) > 0
		var approvedAt any
		if approved {
			approvedAt = at
		}
		return []any{
			store.NewID("dlg"), at, number, int64(rand.IntN(customers)), "user_bench", dialogLanguages[rand.IntN(len(dialogLanguages))],
			dialogText(number), approved, approvedAt,
		}, nil
	}))
	if err != nil {
		return fmt.Errorf("fill the table of dialogs: %w", err)
	}
	return b.vacuum(ctx)
}

// vacuum leaves the tables as autovacuum would before long.
func (b bed) vacuum(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, b.database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "VACUUM ANALYZE")
	return err
}

// pages asks for pages of everything, of each language and of customers, a
// third each, half of them from a place somewhere in the list.
func pages(c *httpConn, size int) (func(conn, n int) []byte, error) {
	var bodies [][]byte
	for i := range 300 {
		variables := map[string]any{"first": size}
		switch i % 3 {
		case 1:
			variables["language"] = dialogLanguages[i%len(dialogLanguages)]
		case 2:
			variables["customer"] = strconv.Itoa(rand.IntN(customers))
		}
		body := request(dialogPage, variables)
		for range i % 2 * (1 + i/30) { // walk into the list
			var out struct {
				Dialogs struct{ PageInfo struct{ EndCursor *string } }
			}
			if err := c.ask(dialogPage, variables, &out); err != nil {
				return nil, err
			}
			if out.Dialogs.PageInfo.EndCursor == nil {
				break
			}
			variables["after"] = *out.Dialogs.PageInfo.EndCursor
			body = request(dialogPage, variables)
		}
		bodies = append(bodies, body)
	}
	return func(int, int) []byte { return bodies[rand.IntN(len(bodies))] }, nil
}
