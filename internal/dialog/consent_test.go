package dialog_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/dialog"
	"parley/internal/event"
	"parley/internal/page"
)

func TestConsentTellsTheOwnerAndAnalysts(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		d := r.push(7, "text")
		require.Zero(t, r.wakes.Load())
		c := r.agree(7)
		require.Equal(t, int64(1), r.wakes.Load())
		require.Equal(t, []string{
			"u:user_owner DIALOGS/ConsentChanged " + d.ID + " 7 v2 APPROVED",
			"r:ANALYST DIALOGS/ConsentChanged " + d.ID + " 7 v2 APPROVED",
		}, r.events(c.Cursor))
		refusedDialog := r.push(8, "text")
		c = r.withdraw(8)
		require.Equal(t, []string{"u:user_owner DIALOGS/ConsentChanged " + refusedDialog.ID + " 8 v3 WITHDRAWN"}, r.events(c.Cursor),
			"analysts never saw it")
		require.Equal(t, int64(2), r.wakes.Load())
	})
}

func TestHistoryIsForTheOwnerAndAdmins(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.push(7, "text")
		require.Empty(t, r.history(7))
		r.agree(7)
		r.withdraw(7)
		for _, ctx := range []ctxt{key(t, owner), key(t, owner, auth.ScopeDialogsErase), admin(t)} {
			changes, err := r.History(ctx, "7")
			require.NoError(t, err)
			require.Len(t, changes, 2)
			require.Equal(t, int64(7), changes[0].DialogID)
			require.Equal(t, owner, changes[0].ActorID)
			require.Equal(t, "key_of_"+owner, *changes[0].KeyID)
		}
		changes, err := r.History(key(t, stranger), "7")
		require.NoError(t, err)
		require.Empty(t, changes)
		for _, ctx := range []ctxt{analyst(t), person(t, auth.RoleUser), key(t, owner, auth.ScopePracticeRead)} {
			_, err := r.History(ctx, "7")
			refused(t, err, apperr.Forbidden)
		}
		_, err = r.History(t.Context(), "7")
		refused(t, err, apperr.Unauthenticated)
	})
}

func TestConsentTrueAgainstFalse(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for n := range int64(40) {
			r.push(n, "text")
			var all sync.WaitGroup
			for i := range 6 {
				all.Go(func() {
					_, err := r.consent(n, i%2 == 0)
					assert.False(t, err != nil && !apperr.Is(err, apperr.Conflict), "%v", err)
				})
			}
			all.Wait()
			require.Zero(t, r.count("dialogs"))
			history := r.history(n)
			require.Equal(t, "WITHDRAWN", history[len(history)-1])
			require.LessOrEqual(t, len(history), 2)
			require.Equal(t, 1, r.count("consent_changes WHERE dialog_id = ? AND state = 'WITHDRAWN'", n))
		}
		require.Equal(t, 40, r.count("dialog_tombstones"))
	})
}

func TestEraseCustomerGoesThroughManyDialogs(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		const n = 2*dialog.EraseStep + 17
		for start := 0; start < n; start += dialog.MaxPush {
			items := make([]*dialog.PushInput, min(dialog.MaxPush, n-start))
			for i := range items {
				items[i] = ptr(input(5, int64(start+i), "text"))
			}
			_, err := r.PushAll(key(t, owner), items)
			require.NoError(t, err)
		}
		_, err := r.Push(key(t, stranger), input(5, 90_000, "theirs"))
		require.NoError(t, err)
		var counts [3]int
		var all sync.WaitGroup
		for i := range counts {
			all.Go(func() {
				var err error
				counts[i], _, err = r.EraseCustomer(key(t, owner), dialog.EraseInput{CustomerID: "5"})
				assert.NoError(t, err)
			})
		}
		all.Wait()
		require.Equal(t, n, counts[0]+counts[1]+counts[2], "each is counted once")
		require.Equal(t, 1, r.count("dialogs"), "another account's stays")
		require.Equal(t, n, r.count("dialog_tombstones"))
		require.Equal(t, n, r.count("consent_changes WHERE state = 'ERASED'"))
		erased, _, err := r.EraseCustomer(admin(t), dialog.EraseInput{CustomerID: "5"})
		require.NoError(t, err)
		require.Equal(t, 1, erased, "an admin erases everybody's")
		changes, err := r.History(key(t, stranger), "90000")
		require.NoError(t, err)
		require.Equal(t, "user_ADMIN", changes[0].ActorID)
		require.Nil(t, changes[0].KeyID)
		require.Len(t, r.events(event.Cursor{}), n+1)
	})
}

func TestWithdrawnDialogsVanishAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		d := r.approved(7, "text")
		r.say(7, "more")
		p := r.list(dialog.Filter{}, page.Args{})
		require.Len(t, p.Edges, 1)
		r.withdraw(7)
		require.Empty(t, r.list(dialog.Filter{}, page.Args{}).Edges)
		for _, ctx := range []ctxt{analyst(t), admin(t), key(t, owner)} {
			_, err := r.Get(ctx, "7")
			refused(t, err, apperr.NotFound)
			found, err := r.ByID(ctx, []string{d.ID})
			require.NoError(t, err)
			require.Empty(t, found)
			messages, err := r.Messages(ctx, []string{d.ID})
			require.NoError(t, err)
			require.Empty(t, messages)
		}
		n, text := r.exported(analyst(t), dialog.JSONL, dialog.Filter{})
		require.Zero(t, n)
		require.Empty(t, text)
		count, err := p.Count()
		require.NoError(t, err)
		require.Zero(t, count)
	})
}

func TestAKeyForConsentAloneReadsNoText(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.push(1, "text")
		c, err := r.SetConsent(key(t, owner, auth.ScopeDialogsConsent), dialog.ConsentInput{DialogID: "1", Approved: true})
		require.NoError(t, err)
		require.Nil(t, c.Dialog)
		c, err = r.SetConsent(key(t, owner, auth.ScopeDialogsConsent, auth.ScopeDialogsPush), dialog.ConsentInput{DialogID: "1", Approved: true})
		require.NoError(t, err)
		require.Equal(t, "text", c.Dialog.Text)
	})
}
