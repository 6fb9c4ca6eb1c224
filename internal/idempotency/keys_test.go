package idempotency_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/event"
	"parley/internal/idempotency"
)

// once does the work of a number once for a key, and answers with the number.
func (r *room) once(owner, operation, key string, number int) (idempotency.Answer, error) {
	call := idempotency.Call{Owner: owner, Operation: operation, Key: &key, Input: number}
	return r.Once(r.t.Context(), call, func(ctx context.Context) ([]string, error) {
		return []string{strconv.Itoa(number)}, r.work(ctx, number)
	})
}

func TestSameKeyGivesTheSameAnswer(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		require.NoError(t, r.store.Tx(t.Context(), func(ctx context.Context) error { return r.work(ctx, 1) }))
		r.position()
		first, err := r.once("user_a", "op", "k", 2)
		require.NoError(t, err)
		require.False(t, first.Repeated)
		require.Equal(t, []string{"2"}, first.Values)
		r.position()
		again, err := r.once("user_a", "op", "k", 2)
		require.NoError(t, err)
		require.True(t, again.Repeated)
		require.Equal(t, first.Values, again.Values)
		require.Equal(t, first.Cursor, again.Cursor)
		require.Positive(t, first.Cursor.Position)
		events, err := r.log.Read(t.Context(), event.Filter{After: first.Cursor.Position, Limit: 10})
		require.NoError(t, err)
		require.Len(t, events, 1, "the call's own event lies behind its cursor, that from before does not")
	})
}

func TestSameKeyWithOtherInputIsAMismatch(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		_, err := r.once("user_a", "op", "k", 1)
		require.NoError(t, err)
		_, err = r.once("user_a", "op", "k", 2)
		require.True(t, apperr.Is(err, apperr.IdempotencyMismatch), "%v", err)
		require.Equal(t, 1, r.count("dialog_tombstones"))
	})
}

func TestKeysOfOtherUsersAndOperationsDontMeet(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for i, whose := range [][2]string{{"user_a", "op"}, {"user_b", "op"}, {"user_a", "other"}} {
			answer, err := r.once(whose[0], whose[1], "k", i)
			require.NoError(t, err)
			require.False(t, answer.Repeated)
		}
	})
}

func TestFiftyCallsWithOneKeyWorkOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		var all sync.WaitGroup
		var fresh atomic.Int64
		answers := make([]idempotency.Answer, 50)
		errs := make([]error, len(answers))
		for i := range answers {
			all.Go(func() {
				answers[i], errs[i] = r.once("user_a", "op", "k", 1)
				if !answers[i].Repeated {
					fresh.Add(1)
				}
			})
		}
		all.Wait()
		for i, a := range answers {
			require.NoError(t, errs[i])
			require.Equal(t, answers[0].Values, a.Values)
			require.Equal(t, answers[0].Cursor, a.Cursor)
		}
		require.Equal(t, int64(1), fresh.Load())
		require.Equal(t, 1, r.count("dialog_tombstones"))
	})
}

func TestFailedCallLeavesNoKey(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		oops := errors.New("oops")
		call := idempotency.Call{Owner: "user_a", Operation: "op", Key: ptr("k"), Input: "x"}
		answer, err := r.Once(t.Context(), call, func(ctx context.Context) ([]string, error) { return nil, errors.Join(r.work(ctx, 1), oops) })
		require.ErrorIs(t, err, oops)
		require.Zero(t, answer)
		require.Zero(t, r.count("idempotency_keys"))
		answer, err = r.once("user_a", "op", "k", 1)
		require.NoError(t, err)
		require.False(t, answer.Repeated)
	})
}

func TestKeyIsForgottenAfterADay(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		first, err := r.once("user_a", "op", "k", 1)
		require.NoError(t, err)
		r.age(idempotency.Lifetime - time.Minute)
		again, err := r.once("user_a", "op", "k", 1)
		require.NoError(t, err)
		require.Equal(t, first.Values, again.Values)

		r.age(idempotency.Lifetime + time.Minute)
		var all sync.WaitGroup
		answers := make([]idempotency.Answer, 8)
		errs := make([]error, len(answers))
		for i := range answers {
			all.Go(func() { answers[i], errs[i] = r.once("user_a", "op", "k", 2) })
		}
		all.Wait()
		for i, a := range answers {
			require.NoError(t, errs[i], "several calls may find it expired at once")
			require.Equal(t, []string{"2"}, a.Values)
		}

		n, err := r.Forget(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
		r.age(idempotency.Lifetime + time.Hour)
		n, err = r.Forget(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(1), n)
		require.Zero(t, r.count("idempotency_keys"))
	})
}

func TestForgetGoesOnUntilNothingIsLeft(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		const n = 2*idempotency.ForgetStep + 10
		claims := make([]*idempotency.Claim, n)
		for i := range claims {
			claims[i] = claim(t, "user_a", strconv.Itoa(i), i)
		}
		r.claim(claims...)
		r.age(idempotency.Lifetime)
		forgotten, err := r.Forget(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(n), forgotten)
	})
}

func TestKeyIsOptionalAndChecked(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for range 2 {
			answer, err := r.Once(t.Context(), idempotency.Call{Owner: "user_a", Operation: "op", Input: "x"},
				func(context.Context) ([]string, error) { return []string{"a"}, nil })
			require.NoError(t, err)
			require.False(t, answer.Repeated)
		}
		require.Zero(t, r.count("idempotency_keys"))
		for _, key := range []string{"", strings.Repeat("x", 201), "a\x00b", "\xff"} {
			_, err := r.once("user_a", "op", key, 1)
			require.True(t, apperr.Is(err, apperr.BadInput))
			require.Equal(t, []string{"input", "idempotencyKey"}, apperr.List(err)[0].Path)
		}
		_, err := r.once("user_a", "op", strings.Repeat("x", 200), 1)
		require.NoError(t, err)
	})
}

func TestTheKeyItselfIsNotKept(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		_, err := r.once("user_a", "op", "what a client wrote", 1)
		require.NoError(t, err)
		columns := []string{"id", "owner_id", "operation", "fingerprint", "answer", "about"}
		if r.store.Postgres() {
			columns[4] = "answer::text"
		}
		for _, column := range columns {
			require.Zero(t, r.count("idempotency_keys WHERE "+column+" LIKE '%client%'"), column)
		}
	})
}
