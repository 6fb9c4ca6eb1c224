package dialog

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/batch"
	"parley/internal/idempotency"
	"parley/internal/store"
)

// draft is a dialog that is to be written.
type draft struct {
	Dialog
	// claim is that of its idempotency key; nil without one.
	claim *idempotency.Claim
	// turn is its place in the order of arrival.
	turn uint64
}

func (d *draft) order() string { return rank(d.DialogID) }

// PushResult is what became of one item: a dialog or an error.
type PushResult struct {
	Dialog *Dialog
	Err    error
}

// Push writes a dialog for the account of the key and returns once it is
// committed. CONFLICT when there is or was a dialog of that number, whoever
// pushed it. The idempotency key of the last 24 hours with the same dialog gives
// the first answer again, with another one IDEMPOTENCY_MISMATCH.
func (s *Service) Push(ctx context.Context, in PushInput) (*Dialog, error) {
	viewer, err := auth.RequireScope(ctx, auth.ScopeDialogsPush)
	if err != nil {
		return nil, err
	}
	d, err := s.draft(viewer, in)
	if err != nil {
		return nil, err
	}
	results, err := s.pushes.Do(ctx, d)
	if err != nil {
		return nil, err
	}
	return results[0].Value, results[0].Err
}

// PushAll pushes 1 to MaxPush dialogs, each by itself, and gives what became of
// them in their order. What is wrong with an item has the path "input", "items",
// its place and the field.
func (s *Service) PushAll(ctx context.Context, items []*PushInput) ([]PushResult, error) {
	viewer, err := auth.RequireScope(ctx, auth.ScopeDialogsPush)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 || len(items) > MaxPush {
		return nil, apperr.Input("items", "A call has 1 to %d dialogs, not %d.", MaxPush, len(items))
	}
	results := make([]PushResult, len(items))
	drafts := make([]*draft, 0, len(items))
	indexes := make([]int, 0, len(items))
	for i, in := range items {
		path := []string{"input", "items", strconv.Itoa(i)}
		if in == nil {
			results[i].Err = badInput(path, "There is no dialog.")
			continue
		}
		d, err := s.draft(viewer, *in, path...)
		if err != nil {
			results[i].Err = err
			continue
		}
		drafts, indexes = append(drafts, d), append(indexes, i)
	}
	written, err := s.pushes.Do(ctx, drafts...)
	if err != nil {
		return nil, err
	}
	for j, r := range written {
		results[indexes[j]] = PushResult{Dialog: r.Value, Err: r.Err}
	}
	return results, nil
}

func (s *Service) draft(viewer auth.Viewer, in PushInput, base ...string) (*draft, error) {
	dialog, err := in.dialog(base)
	if err != nil {
		return nil, err
	}
	d := &draft{Dialog: dialog}
	d.ID, d.OwnerID, d.CreatedAt = store.NewID("dlg"), viewer.ID, store.Now()
	d.ExpiresAt = s.expiresAt(d.CreatedAt, false)
	d.turn = s.turns.Add(1)
	if in.IdempotencyKey == nil {
		return d, nil
	}
	same := []any{d.DialogID, d.CustomerID, d.Language, d.Text}
	if d.claim, err = idempotency.NewClaim(d.OwnerID, "pushDialog", *in.IdempotencyKey, same); err != nil {
		return nil, err
	}
	d.claim.Answer, d.claim.About = answer(d.ID, d.CreatedAt), d.ID
	return d, nil
}

// expiresAt gives when a dialog is erased, nil once it is approved.
func (s *Service) expiresAt(created time.Time, approved bool) *time.Time {
	if approved {
		return nil
	}
	at := created.Add(s.cfg.Expiry)
	return &at
}

// commitPushes writes drafts as if they came one after the other.
func (s *Service) commitPushes(ctx context.Context, items []*draft) ([]batch.Result[*Dialog], error) {
	p := &pushing{
		Service: s, results: make(map[*draft]batch.Result[*Dialog], len(items)),
		refusals: map[int64]error{}, writtenWith: map[string]*draft{},
	}
	p.unsettled = slices.SortedFunc(slices.Values(items), func(x, y *draft) int { return cmp.Compare(x.turn, y.turn) })
	claimed, err := p.claim(ctx)
	if err != nil {
		return nil, err
	}
	for len(p.unsettled) > 0 { // a round settles at least the first
		if err := p.round(ctx); err != nil {
			return nil, err
		}
	}
	if err := p.handOver(ctx, claimed); err != nil {
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

func (p *pushing) refuse(d *draft, err error) { p.results[d] = batch.Result[*Dialog]{Err: err} }

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
		if rest = append(rest, d); d.claim != nil && !known[d.claim.ID] {
			known[d.claim.ID], holders = true, append(holders, d)
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
		p.refusals[d.DialogID] = apperr.New(apperr.Conflict, "There is a dialog with the number %d already.", d.DialogID)
		switch {
		case gone[d.DialogID]:
			p.refusals[d.DialogID] = erasedBefore(d.DialogID)
			p.refuse(d, p.refusals[d.DialogID])
			if inserted[d.ID] {
				late = append(late, d.ID)
			}
		case inserted[d.ID]:
			p.results[d] = batch.Result[*Dialog]{Value: &d.Dialog}
			if d.claim != nil {
				p.writtenWith[d.claim.ID] = d
			}
		default:
			p.refuse(d, p.refusals[d.DialogID])
		}
	}
	if len(late) == 0 {
		return nil
	}
	if err := p.store.Erased(ctx); err != nil {
		return err
	}
	return p.deleteDialogs(ctx, late)
}

// next takes the drafts to try out of the unsettled ones: those which want neither
// number nor key of an earlier one that is unsettled. It settles those of which
// earlier rounds tell what becomes of them.
func (p *pushing) next() (tried []*draft) {
	numbers, keys := map[int64]bool{}, map[string]bool{}
	rest := p.unsettled[:0]
	for _, d := range p.unsettled {
		key := ""
		if d.claim != nil {
			key = d.claim.ID
		}
		first := p.writtenWith[key]
		waits := numbers[d.DialogID] || keys[key]
		switch {
		case first != nil:
			p.results[d] = p.again(d, d.claim.After(first.claim))
			continue
		case !waits && p.refusals[d.DialogID] != nil:
			p.refuse(d, p.refusals[d.DialogID])
			continue
		case waits:
			rest = append(rest, d)
		default:
			tried = append(tried, d)
		}
		numbers[d.DialogID] = true
		if key != "" {
			keys[key] = true
		}
	}
	p.unsettled = rest
	return tried
}

// handOver gives the keys back whose holders were refused, or to other drafts that
// were written with them.
func (p *pushing) handOver(ctx context.Context, holders []*draft) error {
	var free, taken []*idempotency.Claim
	for _, d := range holders {
		written := p.writtenWith[d.claim.ID]
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

func erasedBefore(number int64) error {
	return apperr.New(apperr.Conflict, "The dialog with the number %d was erased: its number can't be used again.", number)
}
