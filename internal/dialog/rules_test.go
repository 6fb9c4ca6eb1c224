package dialog_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/dialog"
	"parley/internal/page"
	"parley/internal/store"
)

// The rules D1 to D9 are what the original systems got wrong, one test each.

func TestD1ConsentIsABoolean(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.push(1, "yes")
		r.push(2, "no")
		c := r.agree(1)
		require.Equal(t, "APPROVED", string(c.State))
		require.True(t, c.Dialog.Approved)
		require.Nil(t, c.Dialog.ExpiresAt)
		c = r.withdraw(2)
		require.Equal(t, "WITHDRAWN", string(c.State))
		require.Nil(t, c.Dialog)
		require.Equal(t, []int64{1}, listed(r.list(dialog.Filter{}, page.Args{})))
	})
}

func TestD2ConsentOfUnknownDialogsTwiceAndWithdrawn(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for _, approved := range []bool{true, false} {
			_, err := r.consent(404, approved)
			refused(t, err, apperr.NotFound)
		}
		d := r.push(7, "text")
		before := r.agree(7)
		require.Equal(t, before.Dialog, r.agree(7).Dialog, "twice is a no-op")
		require.Equal(t, []string{"APPROVED"}, r.history(7))
		require.Len(t, r.events(before.Cursor), 2)
		after := r.withdraw(7)
		require.Equal(t, []string{
			"u:user_owner DIALOGS/ConsentChanged " + d.ID + " 7 v3 WITHDRAWN",
			"r:ANALYST DIALOGS/ConsentChanged " + d.ID + " 7 v3 WITHDRAWN",
		}, r.events(after.Cursor))
		again := r.withdraw(7)
		require.Equal(t, "WITHDRAWN", string(again.State))
		require.Nil(t, again.Dialog)
		require.Empty(t, r.events(again.Cursor))
		require.Equal(t, []string{"APPROVED", "WITHDRAWN"}, r.history(7))
		_, err := r.consent(7, true)
		refused(t, err, apperr.Conflict)
	})
}

func TestD3AnErasedDialogStaysErased(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		in := input(1, 7, "text")
		in.IdempotencyKey = ptr("k")
		_, err := r.Push(key(t, owner), in)
		require.NoError(t, err)
		_, err = r.AddMessage(key(t, owner), dialog.MessageInput{DialogID: "7", Text: "more", IdempotencyKey: ptr("l")})
		require.NoError(t, err)
		require.Equal(t, 2, r.count("idempotency_keys"))
		r.withdraw(7)
		require.Zero(t, r.count("idempotency_keys"), "the fingerprints of the texts are erased with them")
		for _, late := range []dialog.PushInput{in, input(1, 7, "other"), input(2, 7, "text")} {
			_, err := r.Push(key(t, owner), late)
			refused(t, err, apperr.Conflict)
			require.ErrorContains(t, err, "was erased")
		}
		_, err = r.Push(key(t, stranger), input(1, 7, "text"))
		refused(t, err, apperr.Conflict)
		require.Zero(t, r.count("dialogs"))
		require.Zero(t, r.count("idempotency_keys"), "a push that is refused leaves none")
		require.Equal(t, 1, r.count("dialog_tombstones WHERE id = 7 AND owner_id = ?", owner))
	})
}

func TestD4AWithdrawalErasesMessagesAndEraseCustomerEverything(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.approved(1, "a")
		r.say(1, "more")
		r.withdraw(1)
		require.Zero(t, r.count("dialog_messages"))
		r.approved(2, "b")
		r.say(2, "more")
		r.push(3, "c")
		r.pushFor(2, 4, "another customer's", "en")
		r.position()
		n, cursor, err := r.EraseCustomer(key(t, owner), dialog.EraseInput{CustomerID: "1"})
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.Len(t, r.events(cursor), 3, "one for each to the owner, one to analysts for what was approved")
		require.Equal(t, 1, r.count("dialogs"))
		require.Zero(t, r.count("dialog_messages"))
		require.Equal(t, []string{"APPROVED", "ERASED"}, r.history(2))
		c := r.withdraw(3)
		require.Equal(t, "ERASED", string(c.State), "it says how it was erased")
	})
}

func TestD5ADialogHasMessages(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		d := r.push(1, "first")
		var want []string
		for i := range 5 {
			want = append(want, "message "+dec(i))
			r.say(1, want[i])
		}
		_, err := r.Push(key(t, owner), input(1, 1, "second"))
		refused(t, err, apperr.Conflict)
		require.ErrorContains(t, err, "already")
		byDialog, err := r.Messages(key(t, owner), []string{d.ID})
		require.NoError(t, err)
		var got []string
		for _, m := range byDialog[d.ID] {
			got = append(got, m.Text)
		}
		require.Equal(t, want, got)
	})
}

func TestD6NumbersHave63BitsAndNothingElse(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for i, n := range []int64{0, 1, math.MaxInt32, math.MaxInt32 + 1, math.MaxInt64} {
			d := r.pushFor(math.MaxInt64-int64(i), n, "text", "en")
			require.Equal(t, n, d.DialogID)
			r.say(n, "more")
			r.agree(n)
			got, err := r.Get(analyst(t), dec(n))
			require.NoError(t, err)
			require.Equal(t, n, got.DialogID)
			require.Equal(t, math.MaxInt64-int64(i), got.CustomerID)
			r.withdraw(n)
		}
		for _, bad := range []string{
			"", "abc", "-1", "-0", "+1", " 1", "1.0", "1e3", "0x10", "1_0", "٣", "\x00", "9223372036854775808",
			"99999999999999999999999999999999999999", "NULL",
		} {
			_, err := r.Push(key(t, owner), dialog.PushInput{CustomerID: dialog.Number(bad), DialogID: dialog.Number(bad), Text: "t", Language: "en"})
			refused(t, err, apperr.BadInput, "input", "customerId")
			refused(t, err, apperr.BadInput, "input", "dialogId")
			_, err = r.AddMessage(key(t, owner), dialog.MessageInput{DialogID: bad, Text: "t"})
			refused(t, err, apperr.BadInput, "input", "dialogId")
			_, err = r.SetConsent(key(t, owner), dialog.ConsentInput{DialogID: bad, Approved: true})
			refused(t, err, apperr.BadInput, "input", "dialogId")
			_, _, err = r.EraseCustomer(key(t, owner), dialog.EraseInput{CustomerID: bad})
			refused(t, err, apperr.BadInput, "input", "customerId")
			_, err = r.Get(analyst(t), bad)
			refused(t, err, apperr.BadInput, "dialogId")
			_, err = r.History(key(t, owner), bad)
			refused(t, err, apperr.BadInput, "dialogId")
			_, err = r.List(analyst(t), dialog.Filter{CustomerID: &bad}, page.Args{})
			refused(t, err, apperr.BadInput, "customerId")
		}
	})
}

func TestD7OfConcurrentDuplicatesOneIsKept(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		const rounds, callers = 20, 16
		for n := range int64(rounds) {
			errs := make([]error, callers)
			var all sync.WaitGroup
			for i := range callers {
				all.Go(func() { _, errs[i] = r.Push(key(t, owner), input(int64(i), n, "text "+dec(i))) })
			}
			all.Wait()
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
					continue
				}
				refused(t, err, apperr.Conflict)
			}
			require.Equal(t, 1, won)
		}
		require.Equal(t, rounds, r.count("dialogs"))
	})
}

func TestD8PagesDoNotShift(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		const n = 25
		for i := range int64(n) {
			r.approved(i, "text")
		}
		// Equal times: the id decides.
		r.exec("UPDATE dialogs SET created_at = ? WHERE dialog_id < 20", store.Now().Add(-time.Hour))
		all := listed(r.list(dialog.Filter{}, page.Args{}))
		require.Len(t, all, n)
		var got []int64
		args := page.Args{First: ptr(4)}
		for {
			p := r.list(dialog.Filter{}, args)
			got = append(got, listed(p)...)
			require.Equal(t, args.After != nil, p.HasPrevious)
			if !p.HasNext {
				break
			}
			args.After = &p.Edges[len(p.Edges)-1].Cursor
			r.approved(1000+int64(len(got)), "newer")
		}
		require.Equal(t, all, got)
	})
}

func TestD9DialogsWithoutConsentExpire(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		const n = dialog.ExpireStep + 20
		for i := range int64(n) {
			r.push(i, "text")
		}
		d := r.push(1000, "in time")
		require.Equal(t, d.CreatedAt.Add(30*24*time.Hour), *d.ExpiresAt)
		r.approved(1001, "agreed")
		r.say(1, "more")
		r.exec("UPDATE dialogs SET created_at = ? WHERE dialog_id < 1000 OR dialog_id = 1001", store.Now().Add(-30*24*time.Hour-time.Second))
		require.NoError(t, r.Expire(t.Context()))
		require.Equal(t, 2, r.count("dialogs"))
		require.Zero(t, r.count("dialog_messages"))
		require.Equal(t, n, r.count("dialog_tombstones"))
		require.Equal(t, []string{"EXPIRED"}, r.history(5))
		changes, err := r.History(admin(t), "5")
		require.NoError(t, err)
		require.Empty(t, changes[0].ActorID)
		require.Nil(t, changes[0].KeyID)
		_, err = r.Push(key(t, owner), input(1, 5, "late"))
		refused(t, err, apperr.Conflict)
		require.Equal(t, "EXPIRED", string(r.withdraw(5).State))
		require.NoError(t, r.Expire(t.Context()))
		require.Len(t, r.events(r.log.Cursor(0)), n+2, "one to the owner for each, two of the approval")
	})
}

func TestD9NobodyReachesDialogsOfOthers(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		d := r.push(1, "text")
		_, err := r.AddMessage(key(t, stranger), dialog.MessageInput{DialogID: "1", Text: "x"})
		refused(t, err, apperr.NotFound)
		for _, approved := range []bool{true, false} {
			_, err := r.SetConsent(key(t, stranger), dialog.ConsentInput{DialogID: "1", Approved: approved})
			refused(t, err, apperr.NotFound)
		}
		n, _, err := r.EraseCustomer(key(t, stranger), dialog.EraseInput{CustomerID: "1"})
		require.NoError(t, err)
		require.Zero(t, n)
		_, err = r.Get(key(t, stranger), "1")
		refused(t, err, apperr.NotFound)
		found, err := r.ByID(key(t, stranger), []string{d.ID})
		require.NoError(t, err)
		require.Empty(t, found)
		_, err = r.Get(auth.With(t.Context(), auth.Viewer{}), "1")
		refused(t, err, apperr.Unauthenticated)
		_, err = r.Push(t.Context(), input(1, 2, "x"))
		refused(t, err, apperr.Unauthenticated)
	})
}
