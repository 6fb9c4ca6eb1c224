package dialog

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"parley/internal/apperr"
	"parley/internal/batch"
	"parley/internal/idempotency"
	"parley/internal/store"
)

// commitPushes writes drafts as if they came one after the other.
func (s *Service) commitPushes(ctx context.Context, items []*draft) ([]batch.Result[*Dialog], error) {
	p := &pushing{
		Service: s, results: make(map[*draft]batch.Result[*Dialog], len(items)),
		refusals: map[int64]error{}, writtenWith: map[string]*draft{},
	}
	p.unsettled = slices.SortedFunc(slices.Values(items), func(x, y *draft) int { return cmp.Compare(x.turn, y.turn) })
	holders, err := p.claim(ctx)
	if err != nil {
		return nil, err
	}
	for len(p.unsettled) > 0 { // a round settles at least the first
		if err := p.round(ctx); err != nil {
			return nil, err
		}
	}
	if err := p.handOver(ctx, holders); err != nil {
		return nil, err
	}
	results := make([]batch.Result[*Dialog], len(items))
	for i, d := range items {
		results[i] = p.results[d]
	}
	return results, nil
}

// pushing is the work of one transaction.
type pushing struct {
	*Service
	// unsettled are the drafts without a result, in the order of arrival.
	unsettled []*draft
	results   map[*draft]batch.Result[*Dialog]
	// refusals are what drafts get whose numbers were tried already.
	refusals map[int64]error
	// writtenWith are the drafts that were written, by the ids of their claims.
	writtenWith map[string]*draft
}

// claim claims all idempotency keys, answers the drafts whose keys were used
// before, and gives for each of the other keys the draft that holds it.
func (p *pushing) claim(ctx context.Context) (holders []*draft, err error) {
	var claims []*idempotency.Claim
	for _, d := range p.unsettled {
		if d.claim != nil {
			claims = append(claims, d.claim)
		}
	}
	earlier, err := p.keys.Claim(ctx, claims)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	rest := p.unsettled[:0]
	for _, d := range p.unsettled {
		if e, ok := earlier[d.claim]; ok {
			p.results[d] = p.again(d, e)
			continue
		}
		if rest = append(rest, d); d.claim != nil && !known[d.key()] {
			known[d.key()], holders = true, append(holders, d)
		}
	}
	p.unsettled = rest
	return holders, nil
}

// again gives the answer to a key that an earlier call was made with.
func (s *Service) again(d *draft, e idempotency.Earlier) batch.Result[*Dialog] {
	first := d.Dialog
	err := e.Err
	if err == nil {
		first.ID, first.CreatedAt, err = answered(e.Values)
	}
	if err != nil {
		return batch.Result[*Dialog]{Err: err}
	}
	first.ExpiresAt = s.expiresAt(first.CreatedAt, false)
	return batch.Result[*Dialog]{Value: &first}
}

// round inserts the drafts whose turn it is. One that is not inserted has a row or
// a tombstone in its way.
//
// An erasure of the same number may commit at any moment. One that did before
// the insert is seen by it, so that nothing of the text is written; one that did
// since is found by the look after it: whichever commits second, no row is left.
func (p *pushing) round(ctx context.Context) error {
	tried := p.next()
	if len(tried) == 0 {
		return nil
	}
	inserted, err := p.insert(ctx, tried)
	if err != nil {
		return err
	}
	gone, err := p.tombstones(ctx, tried)
	if err != nil {
		return err
	}
	var late []string
	for _, d := range tried {
		refusal := takenBefore(d.DialogID)
		if gone[d.DialogID] {
			refusal = erasedBefore(d.DialogID)
		}
		p.refusals[d.DialogID] = refusal
		switch {
		case !inserted[d.ID]:
			p.refuse(d, refusal)
		case gone[d.DialogID]:
			p.refuse(d, refusal)
			late = append(late, d.ID)
		default:
			p.accept(d)
		}
	}
	return p.takeBack(ctx, late)
}

func (p *pushing) refuse(d *draft, err error) { p.results[d] = batch.Result[*Dialog]{Err: err} }

func (p *pushing) accept(d *draft) {
	p.results[d] = batch.Result[*Dialog]{Value: &d.Dialog}
	if d.claim != nil {
		p.writtenWith[d.key()] = d
	}
}

// takeBack deletes what was inserted although it has a tombstone by now.
func (p *pushing) takeBack(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if err := p.store.Erased(ctx); err != nil {
		return err
	}
	return p.deleteDialogs(ctx, ids)
}

// next takes the drafts to try out of the unsettled ones: those which want neither
// number nor key of an earlier one that is unsettled. It settles those of which
// earlier rounds tell what becomes of them.
func (p *pushing) next() (tried []*draft) {
	numbers, keys := map[int64]bool{}, map[string]bool{}
	rest := p.unsettled[:0]
	for _, d := range p.unsettled {
		key := d.key()
		refusal, first := p.refusals[d.DialogID], p.writtenWith[key]
		waits := numbers[d.DialogID] || key != "" && keys[key]
		switch {
		case first != nil:
			p.results[d] = p.again(d, d.claim.After(first.claim))
			continue
		case refusal != nil && !waits:
			p.refuse(d, refusal)
			continue
		case waits:
			rest = append(rest, d)
		default:
			tried = append(tried, d)
		}
		numbers[d.DialogID], keys[key] = true, true
	}
	p.unsettled = rest
	return tried
}

// handOver gives the keys back whose holders were refused, or to other drafts that
// were written with them.
func (p *pushing) handOver(ctx context.Context, holders []*draft) error {
	var free, taken []*idempotency.Claim
	for _, d := range holders {
		written := p.writtenWith[d.key()]
		if written == d {
			continue
		}
		if free = append(free, d.claim); written != nil {
			taken = append(taken, written.claim)
		}
	}
	if err := p.keys.Release(ctx, free); err != nil {
		return err
	}
	_, err := p.keys.Claim(ctx, taken)
	return err
}

func takenBefore(number int64) error {
	return apperr.New(apperr.Conflict, "There is a dialog with the number %d already.", number)
}

func erasedBefore(number int64) error {
	return apperr.New(apperr.Conflict, "The dialog with the number %d was erased: its number can't be used again.", number)
}

const insertDialogs = "INSERT INTO dialogs (id, created_at, dialog_id, customer_id, owner_id, language, text, approved) "

// insertArrays has the same words for any number of rows, so that Postgres plans
// it once. All transactions insert in the order of the numbers, so that two don't
// wait for each other.
const insertArrays = insertDialogs + `
	SELECT new.id, new.at, new.number, new.customer, new.owner, new.language, new.text, false
	FROM unnest(?::text[], ?::timestamptz[], ?::bigint[], ?::bigint[], ?::text[], ?::text[], ?::text[])
		AS new (id, at, number, customer, owner, language, text)
	WHERE NOT EXISTS (SELECT FROM dialog_tombstones WHERE dialog_tombstones.id = new.number)
	ORDER BY new.number
	ON CONFLICT DO NOTHING RETURNING id`

// The statement of SQLite, around its rows.
const (
	insertHead = "WITH new (id, at, number, customer, owner, language, text) AS (VALUES "
	insertRow  = "(?, ?, ?, ?, ?, ?, ?)"
	insertEnd  = ") " + insertDialogs + `
	SELECT new.id, new.at, new.number, new.customer, new.owner, new.language, new.text, false FROM new
	WHERE NOT EXISTS (SELECT 1 FROM dialog_tombstones WHERE dialog_tombstones.id = new.number)
	ON CONFLICT DO NOTHING RETURNING id`
)

// insert writes those drafts whose number is free and gives the ids of their rows.
// No two of them may want the same number.
func (s *Service) insert(ctx context.Context, drafts []*draft) (map[string]bool, error) {
	inserted := make(map[string]bool, len(drafts))
	scan := func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		inserted[id] = true
		return err
	}
	if s.store.Postgres() {
		return inserted, s.query(ctx, "insert dialogs", scan, insertArrays, arrays(drafts)...)
	}
	err := s.store.QueryRows(ctx, scan, insertHead, insertRow, insertEnd, len(drafts), func(i int, args []any) []any {
		d := drafts[i]
		return append(args, d.ID, d.CreatedAt, d.DialogID, d.CustomerID, d.OwnerID, d.Language, d.Text)
	})
	if err != nil {
		return nil, fmt.Errorf("insert dialogs: %w", err)
	}
	return inserted, nil
}

// arrays gives the columns of drafts.
func arrays(drafts []*draft) []any {
	n := len(drafts)
	ids, times, numbers, customers := make([]string, n), make([]time.Time, n), make([]int64, n), make([]int64, n)
	owners, languages, texts := make([]string, n), make([]string, n), make([]string, n)
	for i, d := range drafts {
		ids[i], times[i], numbers[i], customers[i] = d.ID, d.CreatedAt, d.DialogID, d.CustomerID
		owners[i], languages[i], texts[i] = d.OwnerID, d.Language, d.Text
	}
	return []any{ids, times, numbers, customers, owners, languages, texts}
}

// tombstones gives the numbers of drafts whose dialogs were erased.
func (s *Service) tombstones(ctx context.Context, drafts []*draft) (map[int64]bool, error) {
	numbers := make([]int64, len(drafts))
	for i, d := range drafts {
		numbers[i] = d.DialogID
	}
	condition, arg := store.Among(s.store, "id", numbers)
	found := map[int64]bool{}
	return found, s.query(ctx, "look for tombstones", func(rows *sql.Rows) error {
		var n int64
		err := rows.Scan(&n)
		found[n] = true
		return err
	}, "SELECT id FROM dialog_tombstones WHERE "+condition, arg)
}
