package dialog

import (
	"context"
	"database/sql"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/batch"
	"parley/internal/store"
)

// saying is a message that is to be written.
type saying struct {
	Message
	number int64
	owner  string
	key    *string
}

func (m *saying) order() string { return rank(m.number) }

// AddMessage appends a message to a dialog that the key's account pushed and
// returns once it is committed. TOO_LARGE when the dialog has MaxMessages. An
// idempotency key that one of the dialog's messages has gives that message again,
// with another text IDEMPOTENCY_MISMATCH.
func (s *Service) AddMessage(ctx context.Context, in MessageInput) (*Message, error) {
	viewer, err := auth.RequireScope(ctx, auth.ScopeDialogsPush)
	if err != nil {
		return nil, err
	}
	if err := in.Validate(); err != nil {
		return nil, err
	}
	n, err := parseNumber(in.DialogID, below(nil, "dialogId"))
	if err != nil {
		return nil, err
	}
	results, err := s.messages.Do(ctx, &saying{
		Message: Message{ID: store.NewID("msg"), Text: in.Text, CreatedAt: store.Now()},
		number:  n, owner: viewer.ID, key: in.IdempotencyKey,
	})
	if err != nil {
		return nil, err
	}
	return results[0].Value, results[0].Err
}

// parent is a locked dialog that messages go to.
type parent struct {
	id, owner string
	messages  int
	byKey     map[string]*Message
}

// commitMessages writes messages, those of one dialog in the order of their
// arrival. The dialogs are locked, so that none of them is erased before the
// messages are there to be erased with it.
func (s *Service) commitMessages(ctx context.Context, items []*saying) ([]batch.Result[*Message], error) {
	parents, err := s.lockParents(ctx, items)
	if err != nil {
		return nil, err
	}
	results := make([]batch.Result[*Message], len(items))
	rows := make([][]any, 0, len(items))
	for i, m := range items {
		p := parents[m.number]
		if p == nil || p.owner != m.owner {
			results[i].Err = noDialog(m.number)
			continue
		}
		if m.key != nil {
			if old := p.byKey[*m.key]; old != nil {
				results[i] = sameMessage(m, old)
				continue
			}
		}
		if p.messages >= MaxMessages {
			results[i].Err = apperr.New(apperr.TooLarge, "A dialog has at most %d messages.", MaxMessages)
			continue
		}
		p.messages++
		if m.key != nil {
			p.byKey[*m.key] = &m.Message
		}
		rows = append(rows, []any{m.ID, m.CreatedAt, p.id, m.Text, m.key})
		results[i].Value = &m.Message
	}
	_, err = s.store.InsertRows(ctx, "INSERT INTO dialog_messages (id, created_at, parent_id, text, idempotency_key) VALUES ", "(?, ?, ?, ?, ?)", "",
		len(rows), func(i int, args []any) []any { return append(args, rows[i]...) })
	return results, err
}

func noDialog(number int64) error {
	return apperr.NotFoundf("There is no dialog with the number %d.", number)
}

func sameMessage(m *saying, old *Message) batch.Result[*Message] {
	if old.Text != m.Text {
		return batch.Result[*Message]{Err: apperr.New(apperr.IdempotencyMismatch, "This idempotency key was used with another message.")}
	}
	return batch.Result[*Message]{Value: old}
}

// lockParents locks the dialogs of messages in the order of their numbers and
// gives them with what they hold already.
func (s *Service) lockParents(ctx context.Context, items []*saying) (map[int64]*parent, error) {
	list := make([]int64, len(items))
	for i, m := range items {
		list[i] = m.number
	}
	condition, arg := store.Among(s.store, "dialog_id", list)
	parents, byID := map[int64]*parent{}, map[string]*parent{}
	var ids []string
	err := s.query(ctx, "lock dialogs", func(rows *sql.Rows) error {
		p := &parent{byKey: map[string]*Message{}}
		var n int64
		err := rows.Scan(&n, &p.id, &p.owner)
		parents[n], byID[p.id], ids = p, p, append(ids, p.id)
		return err
	}, "SELECT dialog_id, id, owner_id FROM dialogs WHERE "+condition+" ORDER BY dialog_id"+s.store.ForUpdate(), arg)
	if err != nil || len(ids) == 0 {
		return parents, err
	}
	condition, arg = store.Among(s.store, "parent_id", ids)
	if err := s.query(ctx, "count messages", func(rows *sql.Rows) error {
		var id string
		var n int
		err := rows.Scan(&id, &n)
		byID[id].messages = n
		return err
	}, "SELECT parent_id, COUNT(*) FROM dialog_messages WHERE "+condition+" GROUP BY parent_id", arg); err != nil {
		return nil, err
	}
	return parents, s.findKeys(ctx, items, ids, byID)
}

// findKeys fills in the messages whose keys come again.
func (s *Service) findKeys(ctx context.Context, items []*saying, ids []string, byID map[string]*parent) error {
	var keys []string
	for _, m := range items {
		if m.key != nil {
			keys = append(keys, *m.key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	dialogs, dialogsArg := store.Among(s.store, "parent_id", ids)
	used, usedArg := store.Among(s.store, "idempotency_key", keys)
	return s.query(ctx, "look for idempotency keys", func(rows *sql.Rows) error {
		var m Message
		var id, key string
		err := rows.Scan(&id, &key, &m.ID, &m.Text, &m.CreatedAt)
		m.CreatedAt = m.CreatedAt.UTC()
		byID[id].byKey[key] = &m
		return err
	}, `SELECT parent_id, idempotency_key, id, text, created_at FROM dialog_messages
		WHERE idempotency_key IS NOT NULL AND `+dialogs+" AND "+used, dialogsArg, usedArg)
}
