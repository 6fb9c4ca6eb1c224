package feedback

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"parley/internal/store"
)

// writeVotes inserts the votes that are new, locks the others, and gives by their ids how
// they stood.
func (s *Service) writeVotes(ctx context.Context, votes []vote, at time.Time) (map[string]before, error) {
	const into = "INSERT INTO votes (id, voter, query_id, sticker_id, value, at, reports) "
	const end = " ON CONFLICT (id) DO UPDATE SET reports = votes.reports + 1 RETURNING id, value, at, reports"
	stood := make(map[string]before, len(votes))
	scan := scanVotes(stood)
	if !s.store.Postgres() {
		return stood, s.store.QueryRows(ctx, scan, into+"VALUES ", "(?, ?, ?, ?, ?, ?, 1)", end, len(votes), func(i int, args []any) []any {
			v := &votes[i]
			return append(args, v.id, v.voter, v.query, v.sticker.id, v.value, at)
		})
	}
	n := len(votes)
	ids, voters, queries, stickers, values := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]int64, n)
	for i := range votes {
		v := &votes[i]
		ids[i], voters[i], queries[i], stickers[i], values[i] = v.id, v.voter, v.query, v.sticker.id, int64(v.value)
	}
	err := s.store.Query(ctx, scan, into+`SELECT v.id, v.voter, v.query, v.sticker, v.value, ?::timestamptz, 1
		FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::bigint[]) AS v (id, voter, query, sticker, value)`+end,
		at, ids, voters, queries, stickers, values)
	if err != nil {
		return nil, fmt.Errorf("write votes: %w", err)
	}
	return stood, nil
}

func scanVotes(into map[string]before) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var id string
		var b before
		err := rows.Scan(&id, &b.value, (*moment)(&b.at), &b.reports)
		into[id] = b
		return err
	}
}

// turnVotes gives votes, which are locked, the other value.
func (s *Service) turnVotes(ctx context.Context, ids []string, at time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	in, arg := store.Among(s.store, "id", ids)
	if _, err := s.store.Exec(ctx, "UPDATE votes SET value = -value, at = ? WHERE "+in, at, arg); err != nil {
		return fmt.Errorf("change votes: %w", err)
	}
	return nil
}

// lockVotes gives those votes that stand, and keeps them until the end of the transaction.
func (s *Service) lockVotes(ctx context.Context, ids []string) (map[string]before, error) {
	stood := map[string]before{}
	in, arg := store.Among(s.store, "id", ids)
	err := s.store.Query(ctx, scanVotes(stood), "SELECT id, value, at, reports FROM votes WHERE "+in+" ORDER BY id"+s.store.ForUpdate(), arg)
	if err != nil {
		return nil, fmt.Errorf("lock votes: %w", err)
	}
	return stood, nil
}

func (s *Service) deleteVotes(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	in, arg := store.Among(s.store, "id", ids)
	if _, err := s.store.Exec(ctx, "DELETE FROM votes WHERE "+in, arg); err != nil {
		return fmt.Errorf("delete votes: %w", err)
	}
	return nil
}

// writeScores adds changes to the scores with the ids, in their order.
func (s *Service) writeScores(ctx context.Context, ids []string, gained changes, at time.Time) error {
	const into = "INSERT INTO query_scores (id, query_id, sticker_id, owner_id, positives, negatives, weight_pos, weight_neg, updated_at) "
	// What is left of a sum of floats of which every part was taken away is not 0.
	const add = ` ON CONFLICT (id) DO UPDATE SET
		positives = query_scores.positives + excluded.positives, negatives = query_scores.negatives + excluded.negatives,
		weight_pos = CASE WHEN query_scores.positives + excluded.positives <= 0 THEN 0 ELSE query_scores.weight_pos + excluded.weight_pos END,
		weight_neg = CASE WHEN query_scores.negatives + excluded.negatives <= 0 THEN 0 ELSE query_scores.weight_neg + excluded.weight_neg END,
		updated_at = excluded.updated_at`
	if !s.store.Postgres() {
		_, err := s.store.InsertRows(ctx, into+"VALUES ", "(?, ?, ?, ?, ?, ?, ?, ?, ?)", add, len(ids), func(i int, args []any) []any {
			c := gained[ids[i]]
			return append(args, ids[i], c.query, c.sticker, c.owner, c.positives, c.negatives, c.weightPos, c.weightNeg, at)
		})
		return err
	}
	n := len(ids)
	queries, stickers, owners := make([]string, n), make([]string, n), make([]string, n)
	positives, negatives, weightsPos, weightsNeg := make([]int64, n), make([]int64, n), make([]float64, n), make([]float64, n)
	for i, id := range ids {
		c := gained[id]
		queries[i], stickers[i], owners[i] = c.query, c.sticker, c.owner
		positives[i], negatives[i], weightsPos[i], weightsNeg[i] = c.positives, c.negatives, c.weightPos, c.weightNeg
	}
	_, err := s.store.Exec(ctx, into+`SELECT c.*, ?::timestamptz
		FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::bigint[], ?::bigint[], ?::float8[], ?::float8[]) AS c`+add,
		at, ids, queries, stickers, owners, positives, negatives, weightsPos, weightsNeg)
	if err != nil {
		return fmt.Errorf("count votes: %w", err)
	}
	return nil
}

// writeTotals adds votes to queries, sorted by their ids, and makes those that are not
// there.
func (s *Service) writeTotals(ctx context.Context, list []*total, at time.Time) error {
	const into = `INSERT INTO search_queries
		(id, text, text_key, created_at, last_at, votes, positives, negatives, listed, usage, empty, chosen, last_empty) `
	const add = ` ON CONFLICT (id) DO UPDATE SET votes = search_queries.votes + excluded.votes,
		positives = search_queries.positives + excluded.positives, negatives = search_queries.negatives + excluded.negatives,
		listed = search_queries.listed OR excluded.listed`
	if !s.store.Postgres() {
		_, err := s.store.InsertRows(ctx, into+"VALUES ", "(?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, FALSE)", add, len(list), func(i int, args []any) []any {
			t := list[i]
			return append(args, t.id, t.text, []byte(t.text), at, at, t.votes, t.positives, t.negatives, t.public)
		})
		return err
	}
	n := len(list)
	ids, texts, keys := make([]string, n), make([]string, n), make([][]byte, n)
	votes, positives, negatives, public := make([]int64, n), make([]int64, n), make([]int64, n), make([]bool, n)
	for i, t := range list {
		ids[i], texts[i], keys[i] = t.id, t.text, []byte(t.text)
		votes[i], positives[i], negatives[i], public[i] = t.votes, t.positives, t.negatives, t.public
	}
	_, err := s.store.Exec(ctx, into+`SELECT q.id, q.text, q.text_key, ?::timestamptz, ?::timestamptz, q.votes, q.positives, q.negatives, q.listed, 0, 0, 0, FALSE
		FROM unnest(?::text[], ?::text[], ?::bytea[], ?::bigint[], ?::bigint[], ?::bigint[], ?::boolean[])
			AS q (id, text, text_key, votes, positives, negatives, listed)`+add,
		at, at, ids, texts, keys, votes, positives, negatives, public)
	if err != nil {
		return fmt.Errorf("count the votes of queries: %w", err)
	}
	return nil
}

// dropEmpty deletes the scores without a vote, and the queries that nobody searched for
// and nobody votes on any more. The rows are locked: what others add comes later.
func (s *Service) dropEmpty(ctx context.Context, scores []string, queries []*total) error {
	var left []string
	for _, q := range queries {
		if q.votes < 0 {
			left = append(left, q.id)
		}
	}
	if len(left) == 0 {
		return nil
	}
	in, arg := store.Among(s.store, "id", scores)
	if _, err := s.store.Exec(ctx, "DELETE FROM query_scores WHERE positives <= 0 AND negatives <= 0 AND "+in, arg); err != nil {
		return fmt.Errorf("delete scores: %w", err)
	}
	in, arg = store.Among(s.store, "id", left)
	if _, err := s.store.Exec(ctx, "DELETE FROM search_queries WHERE votes <= 0 AND usage = 0 AND "+in, arg); err != nil {
		return fmt.Errorf("delete queries: %w", err)
	}
	return nil
}
