package search

import (
	"context"

	lru "github.com/hashicorp/golang-lru/v2"

	"parley/internal/feedback"
	"parley/internal/indexing"
)

// maxKnown is how many queries are remembered whose vectors were asked for.
const maxKnown = 20_000

// Queries gives the queries that have votes to those who keep their vectors.
type Queries struct {
	feedback *feedback.Service
	known    *lru.Cache[string, struct{}]
}

// NewQueries makes it.
func NewQueries(f *feedback.Service) *Queries {
	known, err := lru.New[string, struct{}](maxKnown)
	if err != nil {
		panic(err) // the size is a constant
	}
	return &Queries{f, known}
}

// Source gives each query by its text.
func (q *Queries) Source() indexing.Source {
	return indexing.Source{
		Name: SourceQueries, Sides: []indexing.Side{indexing.Words},
		Page: func(ctx context.Context, after string, limit int) ([]indexing.Item, error) {
			list, err := q.feedback.Judgements(ctx, after, limit)
			items := make([]indexing.Item, len(list))
			for i, j := range list {
				items[i] = queryItem(j)
			}
			return items, err
		},
		ByID: func(ctx context.Context, ids []string) (map[string]indexing.Item, error) {
			list, err := q.feedback.Judged(ctx, ids...)
			items := make(map[string]indexing.Item, len(list))
			for _, j := range list {
				items[j.ID] = queryItem(j)
			}
			return items, err
		},
	}
}

func queryItem(j feedback.Judgement) indexing.Item {
	return indexing.Item{ID: j.ID, Version: 1, Text: j.Query}
}

// New gives those of the queries for which this was not called lately: their texts don't
// change, so that a vector is asked for once. What is missed is found by the next sweep.
func (q *Queries) New(ids []string) (fresh []string) {
	for _, id := range ids {
		if known, _ := q.known.ContainsOrAdd(id, struct{}{}); !known {
			fresh = append(fresh, id)
		}
	}
	return fresh
}
