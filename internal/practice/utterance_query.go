package practice

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"parley/ent/gen"
	"parley/internal/store"
)

// conversationInfo is what the writers must know of one.
type conversationInfo struct {
	learner string
	// owner is the account of the service that named the learner, or empty.
	owner string
}

// conversations gives those that the utterances name, by id.
func (s *Service) conversations(ctx context.Context, items []*pendingUtterance) (map[string]conversationInfo, error) {
	ids := make([]string, len(items))
	for i, u := range items {
		ids[i] = u.ConversationID
	}
	slices.Sort(ids)
	in, list := store.Among(s.store, "c.id", slices.Compact(ids))
	known := make(map[string]conversationInfo, len(ids))
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var id string
		var c conversationInfo
		if err := rows.Scan(&id, &c.learner, &c.owner); err != nil {
			return err
		}
		known[id] = c
		return nil
	}, "SELECT c.id, c.user_id, COALESCE(x.owner_id, '') FROM conversations c "+s.leftJoin("external_users x", "x.id = c.user_id")+" WHERE "+in, list)
	if err != nil {
		return nil, fmt.Errorf("look up conversations: %w", err)
	}
	return known, nil
}

// insertUtterances inserts the rows whose client keys are new and gives their
// number.
func (s *Service) insertUtterances(ctx context.Context, rows []*gen.Utterance) (int64, error) {
	if len(rows) == 0 {
		return 0, nil
	}
	const into = `INSERT INTO utterances (id, created_at, conversation_id, user_id, text, client_key)`
	const unless = ` ON CONFLICT (conversation_id, client_key) DO NOTHING`
	if !s.store.Postgres() {
		return s.store.InsertRows(ctx, into+" VALUES ", "(?, ?, ?, ?, ?, ?)", unless, len(rows), func(i int, args []any) []any {
			u := rows[i]
			return append(args, u.ID, u.CreatedAt, u.ConversationID, u.UserID, u.Text, u.ClientKey)
		})
	}
	n := len(rows)
	ids, conversations, learners, texts := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	times, keys := make([]time.Time, n), make([]*string, n)
	for i, u := range rows {
		ids[i], times[i], conversations[i], learners[i], texts[i], keys[i] = u.ID, u.CreatedAt, u.ConversationID, u.UserID, u.Text, u.ClientKey
	}
	written, err := s.store.Exec(ctx, into+
		` SELECT * FROM unnest(?::text[], ?::timestamptz[], ?::text[], ?::text[], ?::text[], ?::text[])`+unless,
		ids, times, conversations, learners, texts, keys)
	if err != nil {
		return 0, fmt.Errorf("insert utterances: %w", err)
	}
	return written, nil
}

// utterancesBefore gives the rows that have the client keys of the given ones,
// by pendingUtterance.key.
func (s *Service) utterancesBefore(ctx context.Context, rows []*gen.Utterance) (map[string]*gen.Utterance, error) {
	var conversations, keys []string
	for _, u := range rows {
		if u.ClientKey != nil {
			conversations, keys = append(conversations, u.ConversationID), append(keys, *u.ClientKey)
		}
	}
	from := "unnest(?::text[], ?::text[]) k(conversation_id, client_key)"
	args := []any{conversations, keys}
	if !s.store.Postgres() {
		from = "(SELECT a.value AS conversation_id, b.value AS client_key FROM json_each(?) a JOIN json_each(?) b ON b.key = a.key) k"
		args = []any{store.List(conversations), store.List(keys)}
	}
	before := map[string]*gen.Utterance{}
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var u gen.Utterance
		var key string
		if err := rows.Scan(&u.ID, &u.CreatedAt, &u.ConversationID, &u.UserID, &u.Text, &key); err != nil {
			return err
		}
		u.CreatedAt, u.ClientKey = u.CreatedAt.UTC(), &key
		before[u.ConversationID+"\x00"+key] = &u
		return nil
	}, "SELECT u.id, u.created_at, u.conversation_id, u.user_id, u.text, u.client_key FROM "+from+
		" "+s.join("utterances u", "u.conversation_id = k.conversation_id AND u.client_key = k.client_key"), args...)
	if err != nil {
		return nil, fmt.Errorf("look for utterances of the same keys: %w", err)
	}
	return before, nil
}
