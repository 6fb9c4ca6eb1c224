package dialog

import (
	"context"
	"strconv"
	"time"

	"parley/internal/apperr"
	"parley/internal/auth"
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

// key is equal for drafts with the same idempotency key; empty without one.
func (d *draft) key() string {
	if d.claim == nil {
		return ""
	}
	return d.claim.ID
}

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
