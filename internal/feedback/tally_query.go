package feedback

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// countedQuery is a queryCount with its text.
type countedQuery struct {
	id, text string
	*queryCount
}

// writeCounts adds counts to their rows inside the transaction of the context, those of
// each table in the order of their ids.
func (s *Service) writeCounts(ctx context.Context, some counts) error {
	queries := make([]countedQuery, 0, len(some.queries))
	for text, n := range some.queries {
		queries = append(queries, countedQuery{queryID(text), text, n})
	}
	slices.SortFunc(queries, func(a, b countedQuery) int { return cmp.Compare(a.id, b.id) })
	if err := s.writeQueries(ctx, queries); err != nil {
		return fmt.Errorf("count queries: %w", err)
	}
	hours := slices.Sorted(maps.Keys(some.hours))
	_, err := s.store.InsertRows(ctx, "INSERT INTO search_hours (id, searches, empty, degraded, votes, chosen) VALUES ", "(?, ?, ?, ?, ?, ?)",
		` ON CONFLICT (id) DO UPDATE SET searches = search_hours.searches + excluded.searches, empty = search_hours.empty + excluded.empty,
			degraded = search_hours.degraded + excluded.degraded, votes = search_hours.votes + excluded.votes, chosen = search_hours.chosen + excluded.chosen`,
		len(hours), func(i int, args []any) []any {
			h := some.hours[hours[i]]
			return append(args, hours[i], h.searches, h.empty, h.degraded, h.votes, h.chosen)
		})
	if err != nil {
		return fmt.Errorf("count hours: %w", err)
	}
	return s.writeChosen(ctx, some.chosen)
}

func (s *Service) writeQueries(ctx context.Context, queries []countedQuery) error {
	const into = `INSERT INTO search_queries
		(id, text, text_key, created_at, last_at, usage, empty, chosen, last_empty, votes, positives, negatives, listed) `
	const add = ` ON CONFLICT (id) DO UPDATE SET usage = search_queries.usage + excluded.usage,
		empty = search_queries.empty + excluded.empty, chosen = search_queries.chosen + excluded.chosen, listed = TRUE,
		last_empty = CASE WHEN excluded.usage > 0 AND excluded.last_at >= search_queries.last_at THEN excluded.last_empty ELSE search_queries.last_empty END,
		last_at = CASE WHEN excluded.last_at > search_queries.last_at THEN excluded.last_at ELSE search_queries.last_at END`
	if !s.store.Postgres() {
		_, err := s.store.InsertRows(ctx, into+"VALUES ", "(?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, TRUE)", add, len(queries), func(i int, args []any) []any {
			q := queries[i]
			return append(args, q.id, q.text, []byte(q.text), q.lastAt, q.lastAt, q.usage, q.empty, q.chosen, q.lastEmpty)
		})
		return err
	}
	n := len(queries)
	ids, texts, keys, times := make([]string, n), make([]string, n), make([][]byte, n), make([]time.Time, n)
	usage, empty, chosen, lastEmpty := make([]int64, n), make([]int64, n), make([]int64, n), make([]bool, n)
	for i, q := range queries {
		ids[i], texts[i], keys[i], times[i] = q.id, q.text, []byte(q.text), q.lastAt
		usage[i], empty[i], chosen[i], lastEmpty[i] = q.usage, q.empty, q.chosen, q.lastEmpty
	}
	_, err := s.store.Exec(ctx, into+`SELECT q.id, q.text, q.text_key, q.at, q.at, q.usage, q.empty, q.chosen, q.last_empty, 0, 0, 0, TRUE
		FROM unnest(?::text[], ?::text[], ?::bytea[], ?::timestamptz[], ?::bigint[], ?::bigint[], ?::bigint[], ?::boolean[])
			AS q (id, text, text_key, at, usage, empty, chosen, last_empty)`+add,
		ids, texts, keys, times, usage, empty, chosen, lastEmpty)
	return err
}

func (s *Service) writeChosen(ctx context.Context, all map[stickerHour]*chosenCount) error {
	keys := make(map[string]stickerHour, len(all))
	for k := range all {
		keys[derived("sh", k.sticker, fmt.Sprint(k.hour))] = k
	}
	ids := slices.Sorted(maps.Keys(keys))
	_, err := s.store.InsertRows(ctx, "INSERT INTO sticker_hours (id, sticker_id, hour, chosen, places) VALUES ", "(?, ?, ?, ?, ?)",
		" ON CONFLICT (id) DO UPDATE SET chosen = sticker_hours.chosen + excluded.chosen, places = sticker_hours.places + excluded.places",
		len(ids), func(i int, args []any) []any {
			k := keys[ids[i]]
			return append(args, ids[i], k.sticker, k.hour, all[k].chosen, all[k].places)
		})
	if err != nil {
		return fmt.Errorf("count chosen stickers: %w", err)
	}
	return nil
}
