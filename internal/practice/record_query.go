package practice

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"parley/internal/store"
)

// said gives the utterances that the records name, by id.
func (s *Service) said(ctx context.Context, items []*record) (map[string]utteranceInfo, error) {
	ids := make([]string, 0, len(items))
	for _, r := range items { // sorted by utterance
		if n := len(ids); n == 0 || ids[n-1] != r.UtteranceID {
			ids = append(ids, r.UtteranceID)
		}
	}
	in, list := store.Among(s.store, "u.id", ids)
	length := "length(u.text)" // in code points
	found := make(map[string]utteranceInfo, len(ids))
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var id string
		var u utteranceInfo
		if err := rows.Scan(&id, &u.learner, &u.conversation, &u.length, &u.owner, &u.externalID); err != nil {
			return err
		}
		found[id] = u
		return nil
	}, "SELECT u.id, u.user_id, u.conversation_id, "+length+", COALESCE(x.owner_id, ''), COALESCE(x.external_id, '') FROM utterances u "+
		s.leftJoin("external_users x", "x.id = u.user_id")+" WHERE "+in, list)
	if err != nil {
		return nil, fmt.Errorf("look up utterances: %w", err)
	}
	return found, nil
}

// insertErrors inserts the rows whose keys are new and gives their number.
func (s *Service) insertErrors(ctx context.Context, rows []row) (int64, error) {
	const into = `INSERT INTO learner_errors
		(id, created_at, user_id, utterance_id, client_key, ordinal, category, subcategory, start_offset, end_offset, source)`
	const unless = ` ON CONFLICT (utterance_id, client_key, ordinal) DO NOTHING`
	if !s.store.Postgres() {
		return s.store.InsertRows(ctx, into+" VALUES ", "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", unless, len(rows), func(i int, args []any) []any {
			r := &rows[i]
			return append(args, r.id, r.made, r.learner, r.UtteranceID, r.ClientKey, r.Index, r.Category, r.Subcategory, r.StartOffset, r.EndOffset, string(r.source))
		})
	}
	n := len(rows)
	texts := make([]string, 7*n)
	column := func(i int) []string { return texts[i*n : (i+1)*n : (i+1)*n] }
	ids, learners, utterances, keys, categories, subcategories, sources := column(0), column(1), column(2), column(3), column(4), column(5), column(6)
	times, indexes, starts, ends := make([]time.Time, n), make([]int64, n), make([]*int, n), make([]*int, n)
	for i := range rows {
		r := &rows[i]
		ids[i], times[i], learners[i], utterances[i], keys[i], indexes[i] = r.id, r.made, r.learner, r.UtteranceID, r.ClientKey, int64(r.Index)
		categories[i], subcategories[i], starts[i], ends[i], sources[i] = r.Category, r.Subcategory, r.StartOffset, r.EndOffset, string(r.source)
	}
	written, err := s.store.Exec(ctx, into+` SELECT * FROM unnest(?::text[], ?::timestamptz[], ?::text[], ?::text[], ?::text[], ?::bigint[],
		?::text[], ?::text[], ?::bigint[], ?::bigint[], ?::text[])`+unless,
		ids, times, learners, utterances, keys, indexes, categories, subcategories, starts, ends, sources)
	if err != nil {
		return 0, fmt.Errorf("insert learners' errors: %w", err)
	}
	return written, nil
}

// markEarlier finds the rows whose keys an earlier transaction has used.
func (s *Service) markEarlier(ctx context.Context, rows []row) error {
	utterances, keys, indexes := make([]string, len(rows)), make([]string, len(rows)), make([]int64, len(rows))
	own := make(map[string]int, len(rows))
	for i := range rows {
		utterances[i], keys[i], indexes[i] = rows[i].UtteranceID, rows[i].ClientKey, int64(rows[i].Index)
		own[rows[i].key] = i
	}
	from := "unnest(?::text[], ?::text[], ?::bigint[]) k(utterance_id, client_key, ordinal)"
	args := []any{utterances, keys, indexes}
	if !s.store.Postgres() {
		from = `(SELECT a.value AS utterance_id, b.value AS client_key, c.value AS ordinal
			FROM json_each(?) a JOIN json_each(?) b ON b.key = a.key JOIN json_each(?) c ON c.key = a.key) k`
		args = []any{store.List(utterances), store.List(keys), store.List(indexes)}
	}
	err := s.store.Query(ctx, func(found *sql.Rows) error {
		var utterance, key string
		var index int
		var start, end *int
		var e earlier
		err := found.Scan(&e.id, &utterance, &key, &index, &e.category, &e.subcategory, &start, &end, (*string)(&e.source))
		if err != nil {
			return err
		}
		e.start, e.end = known(start), known(end)
		if i := own[string(appendKey(nil, utterance, key, index))]; rows[i].id != e.id {
			rows[i].before = &e
		}
		return nil
	}, `SELECT e.id, e.utterance_id, e.client_key, e.ordinal, e.category, e.subcategory, e.start_offset, e.end_offset, e.source
		FROM `+from+" "+
		s.join("learner_errors e", "e.utterance_id = k.utterance_id AND e.client_key = k.client_key AND e.ordinal = k.ordinal"), args...)
	if err != nil {
		return fmt.Errorf("look for errors of the same keys: %w", err)
	}
	return nil
}

// count adds tallies, sorted by id, to the learners' frequencies.
func (s *Service) count(ctx context.Context, all []tally) error {
	if len(all) == 0 {
		return nil
	}
	const into = "INSERT INTO error_frequencies (id, user_id, category, subcategory, pair, frequency, last_at)"
	const add = ` ON CONFLICT (id) DO UPDATE SET frequency = error_frequencies.frequency + excluded.frequency, last_at = `
	if !s.store.Postgres() {
		_, err := s.store.InsertRows(ctx, into+" VALUES ", "(?, ?, ?, ?, ?, ?, ?)",
			add+"max(error_frequencies.last_at, excluded.last_at)", len(all), func(i int, args []any) []any {
				t := &all[i]
				return append(args, t.id(), t.learner, t.Category, t.Subcategory, pair(t.Category, t.Subcategory), t.n, t.last)
			})
		return err
	}
	n := len(all)
	ids, learners, categories, subcategories := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	pairs, counts, times := make([][]byte, n), make([]int64, n), make([]time.Time, n)
	for i := range all {
		t := &all[i]
		ids[i], learners[i], categories[i], subcategories[i] = t.id(), t.learner, t.Category, t.Subcategory
		pairs[i], counts[i], times[i] = pair(t.Category, t.Subcategory), t.n, t.last
	}
	_, err := s.store.Exec(ctx, into+` SELECT * FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::bytea[], ?::bigint[], ?::timestamptz[])`+
		add+"greatest(error_frequencies.last_at, excluded.last_at)", ids, learners, categories, subcategories, pairs, counts, times)
	if err != nil {
		return fmt.Errorf("count learners' errors: %w", err)
	}
	return nil
}
