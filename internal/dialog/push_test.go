package dialog_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/dialog"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

func TestPushChecksItsInput(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		push := func(change func(in *dialog.PushInput)) error {
			in := input(1, 1, "text")
			change(&in)
			_, err := r.Push(key(t, owner), in)
			return err
		}
		refused(t, push(func(in *dialog.PushInput) { in.Text = " \n\t" }), apperr.BadInput, "input", "text")
		refused(t, push(func(in *dialog.PushInput) { in.Text = "a\x00" }), apperr.BadInput, "input", "text")
		refused(t, push(func(in *dialog.PushInput) { in.Text = "a\xff" }), apperr.BadInput, "input", "text")
		refused(t, push(func(in *dialog.PushInput) { in.Text = strings.Repeat("x", dialog.MaxText+1) }), apperr.TooLarge, "input", "text")
		refused(t, push(func(in *dialog.PushInput) { in.Language = "no language" }), apperr.BadInput, "input", "language")
		refused(t, push(func(in *dialog.PushInput) { in.Language = "" }), apperr.BadInput, "input", "language")
		for _, bad := range []string{"", strings.Repeat("k", 201), "a\x00", "\xff"} {
			refused(t, push(func(in *dialog.PushInput) { in.IdempotencyKey = &bad }), apperr.BadInput, "input", "idempotencyKey")
		}
		err := push(func(in *dialog.PushInput) { in.Text, in.Language, in.CustomerID = "", "", "" })
		require.Len(t, apperr.List(err), 3, "every problem at once")
		require.Zero(t, r.count("dialogs"))

		long := input(1, 1, strings.Repeat("ü", dialog.MaxText/2))
		long.Language, long.IdempotencyKey = "PT-br", ptr(strings.Repeat("k", 200))
		d, err := r.Push(key(t, owner), long)
		require.NoError(t, err)
		require.Equal(t, "pt-BR", d.Language)
		got, err := r.Get(key(t, owner), "1")
		require.NoError(t, err)
		require.Equal(t, d, got)
	})
}

func TestPushNeedsItsScope(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		without := key(t, owner, auth.ScopeDialogsConsent, auth.ScopeDialogsErase, auth.ScopePracticeRecord)
		for _, ctx := range []ctxt{without, analyst(t), admin(t), person(t, auth.RoleUser)} {
			_, err := r.Push(ctx, input(1, 1, "text"))
			refused(t, err, apperr.Forbidden)
			_, err = r.PushAll(ctx, []*dialog.PushInput{ptr(input(1, 1, "text"))})
			refused(t, err, apperr.Forbidden)
			_, err = r.AddMessage(ctx, dialog.MessageInput{DialogID: "1", Text: "text"})
			refused(t, err, apperr.Forbidden)
		}
		_, err := r.SetConsent(key(t, owner, auth.ScopeDialogsPush, auth.ScopeDialogsErase), dialog.ConsentInput{DialogID: "1"})
		refused(t, err, apperr.Forbidden)
		_, _, err = r.EraseCustomer(key(t, owner, auth.ScopeDialogsPush, auth.ScopeDialogsConsent), dialog.EraseInput{CustomerID: "1"})
		refused(t, err, apperr.Forbidden)
		for _, ctx := range []ctxt{analyst(t), person(t, auth.RoleUser)} {
			_, err = r.SetConsent(ctx, dialog.ConsentInput{DialogID: "1"})
			refused(t, err, apperr.Forbidden)
			_, _, err = r.EraseCustomer(ctx, dialog.EraseInput{CustomerID: "1"})
			refused(t, err, apperr.Forbidden)
		}
		_, err = r.Push(person(t, auth.RoleService), input(1, 1, "text"))
		require.NoError(t, err, "a SERVICE that is signed in has all scopes")
	})
}

func TestTheSameIdempotencyKeyGivesTheSameAnswer(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		in := input(1, 7, "text")
		in.IdempotencyKey = ptr("k")
		first, err := r.Push(key(t, owner), in)
		require.NoError(t, err)
		r.agree(7)
		again := in
		again.Language, again.DialogID = "EN", "07"
		for range 2 {
			second, err := r.Push(key(t, owner), again)
			require.NoError(t, err)
			require.Equal(t, first, second, "as it was first answered")
		}
		for _, other := range []dialog.PushInput{input(2, 7, "text"), input(1, 8, "text"), input(1, 7, "other")} {
			other.IdempotencyKey = in.IdempotencyKey
			_, err := r.Push(key(t, owner), other)
			refused(t, err, apperr.IdempotencyMismatch)
		}
		other := in
		other.Language = "es"
		_, err = r.Push(key(t, owner), other)
		refused(t, err, apperr.IdempotencyMismatch)
		_, err = r.Push(key(t, stranger), in)
		refused(t, err, apperr.Conflict)
		theirs := input(1, 8, "text")
		theirs.IdempotencyKey = in.IdempotencyKey
		_, err = r.Push(key(t, stranger), theirs)
		require.NoError(t, err, "a key belongs to its owner")
		require.Equal(t, 2, r.count("dialogs"))
	})
}

func TestAnIdempotencyKeyIsFreeAfter24Hours(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		in := input(1, 7, "text")
		in.IdempotencyKey = ptr("k")
		_, err := r.Push(key(t, owner), in)
		require.NoError(t, err)
		r.exec("UPDATE idempotency_keys SET created_at = ?", store.Now().Add(-24*time.Hour-time.Minute))
		_, err = r.Push(key(t, owner), in)
		refused(t, err, apperr.Conflict)
		next := input(1, 8, "next")
		next.IdempotencyKey = in.IdempotencyKey
		_, err = r.Push(key(t, owner), next)
		require.NoError(t, err)
		again, err := r.Push(key(t, owner), next)
		require.NoError(t, err)
		require.Equal(t, int64(8), again.DialogID)
		require.Equal(t, 1, r.count("idempotency_keys"))
	})
}

func TestPushAllTakesEachItemByItself(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		r.push(1, "there")
		r.push(2, "gone")
		r.withdraw(2)
		items := []*dialog.PushInput{
			ptr(input(1, 10, "good")), ptr(input(1, 1, "conflict")), ptr(input(1, 2, "tombstone")), ptr(input(1, 11, " ")),
			ptr(input(1, 12, "bad language")), nil, ptr(input(1, 13, strings.Repeat("x", dialog.MaxText+1))), ptr(input(1, 9, "good")),
			{CustomerID: "x", DialogID: "y", Text: "t", Language: "en"},
		}
		items[4].Language = "??"
		results, err := r.PushAll(key(t, owner), items)
		require.NoError(t, err)
		require.Len(t, results, len(items))
		require.Equal(t, int64(10), results[0].Dialog.DialogID)
		refused(t, results[1].Err, apperr.Conflict)
		refused(t, results[2].Err, apperr.Conflict)
		refused(t, results[3].Err, apperr.BadInput, "input", "items", "3", "text")
		refused(t, results[4].Err, apperr.BadInput, "input", "items", "4", "language")
		refused(t, results[5].Err, apperr.BadInput, "input", "items", "5")
		refused(t, results[6].Err, apperr.TooLarge, "input", "items", "6", "text")
		require.Equal(t, int64(9), results[7].Dialog.DialogID)
		refused(t, results[8].Err, apperr.BadInput, "input", "items", "8", "customerId")
		refused(t, results[8].Err, apperr.BadInput, "input", "items", "8", "dialogId")
		require.Equal(t, 3, r.count("dialogs"))

		for _, n := range []int{0, dialog.MaxPush + 1} {
			many := make([]*dialog.PushInput, n)
			for i := range many {
				many[i] = ptr(input(1, int64(100+i), "text"))
			}
			_, err := r.PushAll(key(t, owner), many)
			refused(t, err, apperr.BadInput, "input", "items")
		}
		require.Equal(t, 3, r.count("dialogs"))
	})
}

func TestDoublesInOneCallAreAsIfOneAfterTheOther(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		keyed := func(number int64, text, k string) *dialog.PushInput {
			in := input(1, number, text)
			in.IdempotencyKey = &k
			return &in
		}
		r.push(50, "there")
		items := []*dialog.PushInput{
			ptr(input(1, 9, "first")), ptr(input(1, 9, "second")), // 1: conflict
			keyed(8, "a", "k"), keyed(8, "a", "k"), keyed(1, "a", "k"), keyed(8, "b", "k"), // 3: again, 4, 5: mismatch
			keyed(50, "x", "l"), keyed(2, "x", "l"), keyed(50, "x", "l"), // 6: conflict leaves the key free for 7; 8: mismatch
			ptr(input(1, 2, "late")), // 9: conflict
			keyed(3, "x", "m"), keyed(3, "x", "n"), keyed(4, "x", "n"), keyed(4, "x", "o"), keyed(5, "x", "o"),
		}
		want := []apperr.Code{
			"", apperr.Conflict, "", "", apperr.IdempotencyMismatch, apperr.IdempotencyMismatch,
			apperr.Conflict, "", apperr.IdempotencyMismatch, apperr.Conflict,
			"", apperr.Conflict, "", apperr.Conflict, "",
		}
		results, err := r.PushAll(key(t, owner), items)
		require.NoError(t, err)
		for i, result := range results {
			if want[i] == "" {
				require.NoError(t, result.Err, i)
			} else {
				refused(t, result.Err, want[i])
			}
		}
		require.Equal(t, "first", results[0].Dialog.Text)
		require.Equal(t, results[2].Dialog, results[3].Dialog)
		for _, i := range []int{2, 7, 12, 14} { // the keys are those of the pushes that went well
			again, err := r.Push(key(t, owner), *items[i])
			require.NoError(t, err, i)
			require.Equal(t, results[i].Dialog, again)
		}
		require.Equal(t, 5, r.count("idempotency_keys"))

		// Alone they have the same answers.
		alone := newRoom(t, dbtest.Open(t, dbtest.SQLite(t)), dialog.Config{})
		alone.push(50, "there")
		for i, in := range items {
			_, err := alone.Push(key(t, owner), *in)
			require.Equal(t, want[i], codeOf(err), i)
		}
	})
}

func codeOf(err error) apperr.Code {
	if err == nil {
		return ""
	}
	return apperr.CodeOf(err)
}

func TestConcurrentRepeatsOfOneKeyGiveOneDialog(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for n := range int64(10) {
			in := input(1, n, "text")
			in.IdempotencyKey = ptr("k" + dec(n))
			ids := make([]string, 12)
			var all sync.WaitGroup
			for i := range ids {
				all.Go(func() {
					d, err := r.Push(key(t, owner), in)
					if err != nil {
						t.Error(err)
						return
					}
					ids[i] = d.ID
				})
			}
			all.Wait()
			for _, id := range ids {
				require.Equal(t, ids[0], id)
			}
		}
	})
}

// Two instances of the service, each with its own connections.
func TestTwoInstancesShareOnePostgres(t *testing.T) {
	t.Parallel()
	url := dbtest.Postgres(t)
	rooms := []*room{newRoom(t, dbtest.Open(t, url), dialog.Config{}), newRoom(t, dbtest.Open(t, url), dialog.Config{})}
	const numbers, each = 200, 4
	var all sync.WaitGroup
	won := make([]int, numbers)
	var mu sync.Mutex
	for c := range each * len(rooms) {
		all.Go(func() {
			// Keys crosswise: they may lock each other out, which is repeated.
			for start := 0; start < numbers; start += 20 {
				items := make([]*dialog.PushInput, 20)
				for i := range items {
					items[i] = ptr(input(1, int64(start+i), "text"))
					items[i].IdempotencyKey = ptr("k" + dec((start+i+7*c)%numbers))
				}
				results, err := rooms[c%2].PushAll(key(t, owner), items)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for i, result := range results {
					if result.Err == nil {
						won[start+i]++
					} else if code := apperr.CodeOf(result.Err); code != apperr.Conflict && code != apperr.IdempotencyMismatch {
						t.Error(result.Err)
					}
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	rows := rooms[0].count("dialogs")
	total := 0
	for n, w := range won {
		require.LessOrEqual(t, w, 1, n)
		total += w
	}
	require.Equal(t, rows, total)
	rooms[0].push(1000, "text")
	rooms[1].agree(1000)
	rooms[0].withdraw(1000)
	_, err := rooms[1].Push(key(t, owner), input(1, 1000, "late"))
	refused(t, err, apperr.Conflict)
}

// A push and a withdrawal of the same number at the same time: once both have
// answered no row is there, unless the push was the later one and the number had
// never been there.
func TestAPushNeverOutlivesAWithdrawal(t *testing.T) {
	t.Parallel()
	dbtest.URLs(t, func(t *testing.T, url string) {
		rooms := []*room{newRoom(t, dbtest.Open(t, url), dialog.Config{}), nil}
		rooms[1] = rooms[0]
		if strings.HasPrefix(url, "postgres") {
			rooms[1] = newRoom(t, dbtest.Open(t, url), dialog.Config{})
		}
		const rounds = 150
		for n := range int64(rounds) {
			rooms[0].push(n, "first")
			var all sync.WaitGroup
			for i := range 6 {
				all.Go(func() {
					_, err := rooms[i%2].Push(key(t, owner), input(1, n, "late"))
					assert.True(t, apperr.Is(err, apperr.Conflict), "round %d: %v", n, err)
				})
			}
			all.Go(func() {
				_, err := rooms[n%2].consent(n, false)
				assert.NoError(t, err)
			})
			all.Wait()
			require.Zero(t, rooms[0].count("dialogs"), "round %d", n)
		}
		require.Equal(t, rounds, rooms[0].count("dialog_tombstones"))
	})
}
