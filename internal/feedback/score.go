package feedback

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"parley/internal/embedding"
	"parley/internal/store"
)

// Score is how the votes on a sticker stand, as an answer to a query.
type Score struct {
	StickerID string
	// Owner is whose private sticker it is, empty for a public one: nobody else may
	// learn of it.
	Owner string
	// Positives and Negatives are the votes that stand.
	Positives, Negatives int64
	// At is the latest change.
	At time.Time
	// weights as they are in the database: weight.go.
	weightPos, weightNeg float64
}

// Faded gives the votes by their age at a time: one of that time counts 1, one that is
// a HalfLife older a half.
func (s Score) Faded(at time.Time) (positives, negatives float64) {
	w := weightOf(at)
	return s.weightPos / w, s.weightNeg / w
}

// Judgement is a query with the votes on its stickers.
type Judgement struct {
	// ID is the query's, which events name.
	ID string
	// Query is the text, normalised.
	Query  string
	Usage  int64
	Scores []Score
}

// Scores gives the votes on the stickers of queries, by their normalised texts. It checks
// nobody's rights: Score.Owner says whose business a score is.
func (s *Service) Scores(ctx context.Context, queries ...string) (map[string][]Score, error) {
	ids := make([]string, len(queries))
	for i, q := range queries {
		ids[i] = queryID(embedding.Normalize(q))
	}
	found, err := s.Judged(ctx, ids...)
	scores := make(map[string][]Score, len(found))
	for _, j := range found {
		scores[j.Query] = j.Scores
	}
	return scores, err
}

// Judged gives the queries with these ids that have votes. An event for which OfScores is
// true names one as its Object; one that is not among those given here has none any more.
// As Scores it checks nobody's rights.
func (s *Service) Judged(ctx context.Context, ids ...string) ([]Judgement, error) {
	in, arg := store.Among(s.store, "s.query_id", ids)
	return s.judged(ctx, in, arg)
}

// QueryID gives the id of the query with a text.
func QueryID(text string) string { return queryID(embedding.Normalize(text)) }

// Judgements gives the queries that have votes, with their scores, at most limit of those
// whose ids come after one, in the order of their ids. For a copy in memory, which
// live.Hub.Listen with Audiences keeps current: listen first, then read all. As Scores
// it checks nobody's rights.
func (s *Service) Judgements(ctx context.Context, after string, limit int) ([]Judgement, error) {
	return s.judged(ctx, "s.query_id IN (SELECT id FROM search_queries WHERE id > ? AND votes > 0 ORDER BY id LIMIT ?)", after, limit)
}

func (s *Service) judged(ctx context.Context, condition string, args ...any) (list []Judgement, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		var j Judgement
		var one Score
		if err := rows.Scan(&j.ID, &j.Query, &j.Usage, &one.StickerID, &one.Owner, &one.Positives, &one.Negatives,
			&one.weightPos, &one.weightNeg, (*moment)(&one.At)); err != nil {
			return err
		}
		if n := len(list); n == 0 || list[n-1].ID != j.ID {
			list = append(list, j)
		}
		last := &list[len(list)-1]
		last.Scores = append(last.Scores, one)
		return nil
	}, `SELECT q.id, q.text, q.usage, s.sticker_id, s.owner_id, s.positives, s.negatives, s.weight_pos, s.weight_neg, s.updated_at
		FROM query_scores s JOIN search_queries q ON q.id = s.query_id WHERE `+condition+" ORDER BY q.id, s.id", args...)
	if err != nil {
		return nil, fmt.Errorf("read scores: %w", err)
	}
	return list, nil
}
