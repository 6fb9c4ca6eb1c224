package feedback

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/embedding"
	"parley/internal/page"
	"parley/internal/store"
)

// Query is a text that was searched for or voted on, as analysts see it.
type Query struct {
	ID, Text string
	// Usage is how many searches were answered, Empty how many of them found nothing.
	Usage, Empty int64
	// Chosen is how many stickers were chosen from the answers.
	Chosen int64
	// Positives and Negatives are the votes on public stickers that stand.
	Positives, Negatives int64
	LastAt               time.Time
	// LastEmpty tells that the latest search found nothing.
	LastEmpty bool
}

const queryColumns = "id, text, usage, empty, chosen, positives, negatives, last_at, last_empty"

func (q *Query) columns() []any {
	return []any{&q.ID, &q.Text, &q.Usage, &q.Empty, &q.Chosen, &q.Positives, &q.Negatives, (*moment)(&q.LastAt), &q.LastEmpty}
}

// Sticker is what analysts see of one.
type Sticker struct{ ID, Name string }

// Feedback is the votes on a public sticker as an answer to a query.
type Feedback struct {
	ID                   string
	Query                *Query
	Sticker              *Sticker
	Positives, Negatives int64
	UpdatedAt            time.Time
}

// Filter narrows what analysts are shown; nil fields narrow nothing.
type Filter struct {
	// Query is the whole text.
	Query, StickerID *string
	// Since and Until bound the latest change, Until exclusive.
	Since, Until *time.Time
}

func asAnalyst(ctx context.Context) error {
	if viewer, _ := auth.From(ctx); viewer.System() {
		return nil
	}
	_, err := auth.RequireRole(ctx, auth.RoleAnalyst, auth.RoleAdmin)
	return err
}

// List gives a page of the votes on public stickers, the latest changed first, with
// queries and stickers by one statement. For ANALYST and ADMIN.
func (s *Service) List(ctx context.Context, f Filter, args page.Args) (*page.Page[*Feedback], error) {
	if err := asAnalyst(ctx); err != nil {
		return nil, err
	}
	where, values, index, err := f.narrow()
	if err != nil {
		return nil, err
	}
	return page.Newest(args, "FEEDBACK", func(r *Feedback) page.Key { return page.Key{At: r.UpdatedAt, ID: r.ID} },
		func(span page.Span) ([]*Feedback, error) {
			span.After, span.Before = f.bound(span)
			end, args := span.SQL(index, values.fixed, values.rest)
			order := " ORDER BY s.updated_at DESC, s.id DESC"
			if span.Backward {
				order = " ORDER BY s.updated_at, s.id"
			}
			return s.readFeedback(ctx, where+end, order, args)
		},
		func() (n int, err error) {
			condition, args := where, values.rest
			for i, column := range index.Fixed {
				condition, args = condition+" AND "+column+" = ?", append(args, values.fixed[i])
			}
			if f.Since != nil {
				condition, args = condition+" AND updated_at >= ?", append(args, f.Since.UTC())
			}
			if f.Until != nil {
				condition, args = condition+" AND updated_at < ?", append(args, f.Until.UTC())
			}
			return n, s.store.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&n) }, "SELECT COUNT(*) FROM query_scores"+condition, args...)
		})
}

// narrowed are the values of a Filter: of the columns that an index begins with, and of
// the other conditions.
type narrowed struct{ fixed, rest []any }

func (f Filter) narrow() (where string, values narrowed, index page.Index, err error) {
	where = " WHERE owner_id = ''"
	index = page.Index{Time: "updated_at", ID: "id", Closed: true}
	if f.StickerID != nil {
		if _, ok := store.Prefix(*f.StickerID); !ok {
			return "", values, index, apperr.Argument("stickerId", "This is not the id of a sticker.")
		}
	}
	switch {
	case f.Query != nil:
		text, err := checkQuery(*f.Query, "query")
		if err != nil {
			return "", values, index, err
		}
		index.Fixed, values.fixed = []string{"query_id"}, []any{queryID(text)}
		if f.StickerID != nil {
			where, values.rest = where+" AND sticker_id = ?", []any{*f.StickerID}
		}
	case f.StickerID != nil:
		index.Fixed, values.fixed = []string{"sticker_id"}, []any{*f.StickerID}
	}
	return where, values, index, nil
}

// bound narrows a span to the times of the filter.
func (f Filter) bound(span page.Span) (after, before *page.Key) {
	after, before = span.After, span.Before
	if f.Until != nil && (after == nil || after.At.After(*f.Until)) {
		after = &page.Key{At: f.Until.UTC()}
	}
	if f.Since != nil && (before == nil || before.At.Before(*f.Since)) {
		before = &page.Key{At: f.Since.UTC()}
	}
	return after, before
}

// readFeedback reads scores by the rest of a statement, with their queries and stickers.
func (s *Service) readFeedback(ctx context.Context, rest, order string, args []any) (list []*Feedback, err error) {
	queries, stickers := "JOIN search_queries q ON q.id = s.query_id", "JOIN stickers t ON t.id = s.sticker_id"
	if s.store.Postgres() {
		// One look-up for each row: a plan made while the tables were small, and kept,
		// would read all of them.
		queries = "CROSS JOIN LATERAL (SELECT * FROM search_queries WHERE id = s.query_id LIMIT 1) q"
		stickers = "CROSS JOIN LATERAL (SELECT id, name FROM stickers WHERE id = s.sticker_id LIMIT 1) t"
	}
	columns := "q." + strings.ReplaceAll(queryColumns, ", ", ", q.")
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		r := &Feedback{Query: &Query{}, Sticker: &Sticker{}}
		into := append([]any{&r.ID, &r.Positives, &r.Negatives, (*moment)(&r.UpdatedAt), &r.Sticker.ID, &r.Sticker.Name}, r.Query.columns()...)
		err := rows.Scan(into...)
		list = append(list, r)
		return err
	}, "SELECT s.id, s.positives, s.negatives, s.updated_at, t.id, t.name, "+columns+
		" FROM (SELECT id, query_id, sticker_id, positives, negatives, updated_at FROM query_scores"+rest+") AS s"+
		" "+queries+" "+stickers+order, args...)
	if err != nil {
		return nil, fmt.Errorf("read feedback: %w", err)
	}
	return list, nil
}

// Query gives a query by its id, nil when there is none. For ANALYST and ADMIN.
func (s *Service) Query(ctx context.Context, id string) (found *Query, err error) {
	if err := asAnalyst(ctx); err != nil {
		return nil, err
	}
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		found = &Query{}
		return rows.Scan(found.columns()...)
	}, "SELECT "+queryColumns+" FROM search_queries WHERE id = ? AND listed", id)
	if err != nil {
		return nil, fmt.Errorf("read a query: %w", err)
	}
	return found, nil
}

// QueryFilter narrows the queries that analysts are shown.
type QueryFilter struct {
	// Prefix is how the text begins.
	Prefix *string `json:"prefix"`
	// NoResult keeps those whose latest search found nothing, OnlyNegative those with
	// votes none of which is positive.
	NoResult     bool `json:"noResult"`
	OnlyNegative bool `json:"onlyNegative"`
	// Since and Until bound the latest search, Until exclusive.
	Since *time.Time `json:"since"`
	Until *time.Time `json:"until"`
}

// QueryOrder is what queries are sorted by, the most or the latest first.
type QueryOrder string

// The orders.
const (
	ByUsage QueryOrder = "USAGE"
	ByTime  QueryOrder = "TIME"
)

// Queries gives a page of the queries that were searched for, or that have votes on
// public stickers. For ANALYST and ADMIN.
func (s *Service) Queries(ctx context.Context, f QueryFilter, by QueryOrder, args page.Args) (*page.Page[*Query], error) {
	if err := asAnalyst(ctx); err != nil {
		return nil, err
	}
	where, err := f.where()
	if err != nil {
		return nil, err
	}
	order := page.Order[*Query]{Name: "QUERY_USAGE", Column: "usage", Descending: true, Key: func(q *Query) (any, string) { return q.Usage, q.ID }}
	if by == ByTime {
		order = page.Order[*Query]{Name: "QUERY_TIME", Column: "last_at", Descending: true, Key: func(q *Query) (any, string) { return q.LastAt, q.ID }}
	}
	words := dialect.SQLite
	if s.store.Postgres() {
		words = dialect.Postgres
	}
	table := entsql.Table("search_queries")
	from := func(columns ...string) *entsql.Selector {
		q := entsql.Dialect(words).Select(columns...).From(table)
		where(q)
		return q
	}
	return page.Load(args, order,
		func(c page.Cut, limit int) (list []*Query, err error) {
			q := from(strings.Split(queryColumns, ", ")...)
			c.Where(q)
			c.Order(q)
			text, args := q.Limit(limit).Query()
			err = s.store.Query(ctx, func(rows *sql.Rows) error {
				one := &Query{}
				err := rows.Scan(one.columns()...)
				list = append(list, one)
				return err
			}, text, args...)
			if err != nil {
				return nil, fmt.Errorf("read queries: %w", err)
			}
			return list, nil
		},
		func() (n int, err error) {
			text, args := from("COUNT(*)").Query()
			return n, s.store.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&n) }, text, args...)
		})
}

func (f QueryFilter) where() (func(*entsql.Selector), error) {
	var prefix []byte
	if f.Prefix != nil {
		if !store.Storable(*f.Prefix) || utf8.RuneCountInString(*f.Prefix) > MaxQuery {
			return nil, within(apperr.New(apperr.BadInput, "A prefix has at most %d characters of UTF-8 without NUL.", MaxQuery), []string{"filter", "prefix"})
		}
		prefix = []byte(embedding.Normalize(*f.Prefix))
	}
	return func(q *entsql.Selector) {
		q.Where(entsql.ExprP("listed"))
		if len(prefix) > 0 {
			q.Where(entsql.GTE(q.C("text_key"), prefix))
			q.Where(entsql.LT(q.C("text_key"), append(prefix[:len(prefix):len(prefix)], 0xff))) // no UTF-8 has this byte
		}
		if f.NoResult {
			q.Where(entsql.ExprP("last_empty"))
		}
		if f.OnlyNegative {
			q.Where(entsql.ExprP("negatives > 0 AND positives = 0"))
		}
		if f.Since != nil {
			q.Where(entsql.GTE(q.C("last_at"), f.Since.UTC()))
		}
		if f.Until != nil {
			q.Where(entsql.LT(q.C("last_at"), f.Until.UTC()))
		}
	}, nil
}
