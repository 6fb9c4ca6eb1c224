package dialog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/batch"
	"parley/internal/store"
)

// keepKey is how long an idempotency key of a push is kept.
const keepKey = 24 * time.Hour

// draft is a dialog that is to be written.
type draft struct {
	Dialog
	key *string
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
	places := make([]int, 0, len(items))
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
		drafts, places = append(drafts, d), append(places, i)
	}
	written, err := s.pushes.Do(ctx, drafts...)
	if err != nil {
		return nil, err
	}
	for j, r := range written {
		results[places[j]] = PushResult{Dialog: r.Value, Err: r.Err}
	}
	return results, nil
}

func (s *Service) draft(viewer auth.Viewer, in PushInput, base ...string) (*draft, error) {
	d, err := in.draft(base)
	if err != nil {
		return nil, err
	}
	d.ID, d.OwnerID, d.CreatedAt = store.NewID("dlg"), viewer.ID, store.Now()
	d.ExpiresAt = s.expiresAt(d.CreatedAt, false)
	d.turn = s.turns.Add(1)
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
	b := &pushing{service: s, results: make(map[*draft]batch.Result[*Dialog], len(items))}
	b.open = slices.SortedFunc(slices.Values(items), func(x, y *draft) int { return cmp.Compare(x.turn, y.turn) })
	// Each round settles at least the first that is open, unless another
	// transaction just erased what was in its way.
	for round := 0; len(b.open) > 0; round++ {
		if round > 2*len(items)+10 {
			return nil, fmt.Errorf("push dialogs: %d of %d are open after %d rounds", len(b.open), len(items), round)
		}
		if err := b.round(ctx); err != nil {
			return nil, err
		}
	}
	results := make([]batch.Result[*Dialog], len(items))
	for i, d := range items {
		results[i] = b.results[d]
	}
	return results, nil
}

// pushing is the work of one transaction.
type pushing struct {
	service *Service
	// open are the drafts without a result, in the order of arrival.
	open    []*draft
	results map[*draft]batch.Result[*Dialog]
}

// ownKey is an idempotency key with whose it is.
type ownKey struct{ owner, key string }

// claims are the numbers and keys that drafts want.
type claims struct {
	numbers map[int64]bool
	keys    map[ownKey]bool
}

func newClaims(n int) *claims {
	return &claims{numbers: make(map[int64]bool, n), keys: map[ownKey]bool{}}
}

// free tells whether nobody wants what d wants; add makes d one who does.
func (c *claims) free(d *draft) bool {
	return !c.numbers[d.DialogID] && (d.key == nil || !c.keys[ownKey{d.OwnerID, *d.key}])
}

func (c *claims) add(d *draft) {
	c.numbers[d.DialogID] = true
	if d.key != nil {
		c.keys[ownKey{d.OwnerID, *d.key}] = true
	}
}

// round inserts the drafts that no earlier open one is in the way of, and finds
// out why others could not be inserted.
//
// An erasure of the same number may commit at any moment. One that did before
// the insert is seen by it, so that nothing of the text is written; one that did
// since is found by the look after it: whichever commits second, no row is left.
func (b *pushing) round(ctx context.Context) error {
	first := make([]*draft, 0, len(b.open))
	seen := newClaims(len(b.open))
	for _, d := range b.open {
		if seen.free(d) {
			first = append(first, d)
		}
		seen.add(d)
	}
	inserted, err := b.service.insert(ctx, first)
	if err != nil {
		return err
	}
	gone, err := b.service.tombstones(ctx, b.open)
	if err != nil {
		return err
	}
	if err := b.takeBack(ctx, inserted, gone); err != nil {
		return err
	}
	b.keepOpen(func(d *draft) bool { return !inserted[d.ID] })
	if len(b.open) == 0 {
		return nil
	}
	return b.explain(ctx, gone)
}

// takeBack deletes what was inserted although it has a tombstone by now, and
// gives the others their results.
func (b *pushing) takeBack(ctx context.Context, inserted map[string]bool, gone map[int64]bool) error {
	var late []string
	for _, d := range b.open {
		switch {
		case !inserted[d.ID]:
		case gone[d.DialogID]:
			late = append(late, d.ID)
			delete(inserted, d.ID)
		default:
			b.results[d] = batch.Result[*Dialog]{Value: &d.Dialog}
		}
	}
	if len(late) == 0 {
		return nil
	}
	if err := b.service.store.Erased(ctx); err != nil {
		return err
	}
	return b.service.deleteDialogs(ctx, late)
}

func (b *pushing) keepOpen(keep func(*draft) bool) {
	b.open = slices.DeleteFunc(b.open, func(d *draft) bool { return !keep(d) })
}

// explain settles those open drafts that a row or a tombstone is in the way of.
// The others have their turn in the next round.
func (b *pushing) explain(ctx context.Context, gone map[int64]bool) error {
	s := b.service
	taken, err := s.taken(ctx, b.open)
	if err != nil {
		return err
	}
	byKey, err := s.keyed(ctx, b.open)
	if err != nil {
		return err
	}
	var free []string
	before := newClaims(len(b.open))
	b.keepOpen(func(d *draft) bool {
		var old *keyedDialog
		if d.key != nil {
			old = byKey[ownKey{d.OwnerID, *d.key}]
		}
		if old != nil && d.CreatedAt.Sub(old.CreatedAt) > keepKey {
			free = append(free, old.ID)
			old = nil
		}
		settled := false
		switch {
		case !before.free(d):
		case old != nil:
			settled, b.results[d] = true, s.again(d, old)
		case gone[d.DialogID]:
			settled, b.results[d] = true, batch.Result[*Dialog]{Err: erasedBefore(d.DialogID)}
		case taken[d.DialogID]:
			settled, b.results[d] = true, batch.Result[*Dialog]{
				Err: apperr.New(apperr.Conflict, "There is a dialog with the number %d already.", d.DialogID),
			}
		}
		if !settled {
			before.add(d)
		}
		return !settled
	})
	if len(free) == 0 {
		return nil
	}
	return s.freeKeys(ctx, free)
}

// again gives the answer to a key that was used before.
func (s *Service) again(d *draft, old *keyedDialog) batch.Result[*Dialog] {
	if old.DialogID != d.DialogID || old.CustomerID != d.CustomerID || old.Language != d.Language || old.Text != d.Text {
		return batch.Result[*Dialog]{Err: apperr.New(apperr.IdempotencyMismatch, "This idempotency key was used with another dialog.")}
	}
	first := old.Dialog
	first.ExpiresAt = s.expiresAt(first.CreatedAt, false)
	return batch.Result[*Dialog]{Value: &first}
}

func erasedBefore(number int64) error {
	return apperr.New(apperr.Conflict, "The dialog with the number %d was erased: its number can't be used again.", number)
}
