package dialog

import (
	"context"
	"database/sql"
	"strconv"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/batch"
	"parley/internal/idempotency"
	"parley/internal/store"
)

// newMessage is a message that is to be written.
type newMessage struct {
	Message
	number int64
	owner  string
	// claim is that of its idempotency key; nil without one.
	claim *idempotency.Claim
}

func (m *newMessage) order() string { return rank(m.number) }

// AddMessage appends a message to a dialog that the key's account pushed and
// returns once it is committed. TOO_LARGE when the dialog has MaxMessages. The
// idempotency key of a message of the dialog in the last 24 hours gives that
// message again, with another text IDEMPOTENCY_MISMATCH.
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
	m := &newMessage{Message: Message{ID: store.NewID("msg"), Text: in.Text, CreatedAt: store.Now()}, number: n, owner: viewer.ID}
	if in.IdempotencyKey != nil {
		// A key belongs to one dialog.
		operation := "addDialogMessage " + strconv.FormatInt(n, 10)
		if m.claim, err = idempotency.NewClaim(m.owner, operation, *in.IdempotencyKey, m.Text); err != nil {
			return nil, err
		}
		m.claim.Answer = answer(m.ID, m.CreatedAt)
	}
	results, err := s.messages.Do(ctx, m)
	if err != nil {
		return nil, err
	}
	return results[0].Value, results[0].Err
}

// parent is a locked dialog that messages go to.
type parent struct {
	id, owner string
	messages  int
}

// parent gives the dialog that the message goes to, or nil.
func (m *newMessage) parent(locked map[int64]*parent) *parent {
	if p := locked[m.number]; p != nil && p.owner == m.owner {
		return p
	}
	return nil
}

// commitMessages writes messages, those of one dialog in the order of their
// arrival. The dialogs are locked, so that none of them is erased before the
// messages are there to be erased with it.
func (s *Service) commitMessages(ctx context.Context, items []*newMessage) ([]batch.Result[*Message], error) {
	locked, err := s.lockParents(ctx, items)
	if err != nil {
		return nil, err
	}
	a := &adding{locked: locked, writtenWith: map[string]*newMessage{}}
	if a.earlier, err = s.keys.Claim(ctx, a.claims(items)); err != nil {
		return nil, err
	}
	results := make([]batch.Result[*Message], len(items))
	for i, m := range items {
		results[i] = a.add(m)
	}
	if err := s.keys.Release(ctx, a.refused); err != nil {
		return nil, err
	}
	_, err = s.store.InsertRows(ctx, "INSERT INTO dialog_messages (id, created_at, parent_id, text) VALUES ", "(?, ?, ?, ?)", "",
		len(a.rows), func(i int, args []any) []any { return append(args, a.rows[i]...) })
	return results, err
}

// adding is the work of one transaction.
type adding struct {
	locked  map[int64]*parent
	earlier map[*idempotency.Claim]idempotency.Earlier
	// writtenWith are the messages to be written, by the ids of their claims.
	writtenWith map[string]*newMessage
	rows        [][]any
	// refused are the claims of messages that are not written.
	refused []*idempotency.Claim
}

// claims gives the claims of messages that have a dialog to go to, with which they
// are to be erased.
func (a *adding) claims(items []*newMessage) (claims []*idempotency.Claim) {
	for _, m := range items {
		if p := m.parent(a.locked); p != nil && m.claim != nil {
			m.claim.About = p.id
			claims = append(claims, m.claim)
		}
	}
	return claims
}

// add gives what becomes of a message, and notes its row when it is to be written.
func (a *adding) add(m *newMessage) batch.Result[*Message] {
	p := m.parent(a.locked)
	if p == nil {
		return batch.Result[*Message]{Err: noDialog(m.number)}
	}
	if m.claim != nil {
		if e, ok := a.earlier[m.claim]; ok {
			return m.again(e)
		}
		if first := a.writtenWith[m.claim.ID]; first != nil {
			return m.again(m.claim.After(first.claim))
		}
	}
	if p.messages >= MaxMessages {
		if m.claim != nil {
			a.refused = append(a.refused, m.claim)
		}
		return batch.Result[*Message]{Err: apperr.New(apperr.TooLarge, "A dialog has at most %d messages.", MaxMessages)}
	}
	p.messages++
	if m.claim != nil {
		a.writtenWith[m.claim.ID] = m
	}
	a.rows = append(a.rows, []any{m.ID, m.CreatedAt, p.id, m.Text})
	return batch.Result[*Message]{Value: &m.Message}
}

// again gives the answer to a key that an earlier call was made with.
func (m *newMessage) again(e idempotency.Earlier) batch.Result[*Message] {
	first := m.Message
	err := e.Err
	if err == nil {
		first.ID, first.CreatedAt, err = answered(e.Values)
	}
	if err != nil {
		return batch.Result[*Message]{Err: err}
	}
	return batch.Result[*Message]{Value: &first}
}

func noDialog(number int64) error {
	return apperr.NotFoundf("There is no dialog with the number %d.", number)
}

// lockParents locks the dialogs of messages in the order of their numbers and
// gives them with what they hold already.
func (s *Service) lockParents(ctx context.Context, items []*newMessage) (map[int64]*parent, error) {
	list := make([]int64, len(items))
	for i, m := range items {
		list[i] = m.number
	}
	condition, arg := store.Among(s.store, "dialog_id", list)
	parents, byID := map[int64]*parent{}, map[string]*parent{}
	var ids []string
	err := s.query(ctx, "lock dialogs", func(rows *sql.Rows) error {
		p := &parent{}
		var n int64
		err := rows.Scan(&n, &p.id, &p.owner)
		parents[n], byID[p.id], ids = p, p, append(ids, p.id)
		return err
	}, "SELECT dialog_id, id, owner_id FROM dialogs WHERE "+condition+" ORDER BY dialog_id"+s.store.ForUpdate(), arg)
	if err != nil || len(ids) == 0 {
		return parents, err
	}
	condition, arg = store.Among(s.store, "parent_id", ids)
	return parents, s.query(ctx, "count messages", func(rows *sql.Rows) error {
		var id string
		var n int
		err := rows.Scan(&id, &n)
		byID[id].messages = n
		return err
	}, "SELECT parent_id, COUNT(*) FROM dialog_messages WHERE "+condition+" GROUP BY parent_id", arg)
}
