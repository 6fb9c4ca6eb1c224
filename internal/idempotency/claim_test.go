package idempotency_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/idempotency"
)

// claim is one of a key, which answers with its input.
func claim(t *testing.T, owner, key string, input int) *idempotency.Claim {
	t.Helper()
	c, err := idempotency.NewClaim(owner, "push", key, input)
	require.NoError(t, err)
	c.Answer = []string{strconv.Itoa(input)}
	return c
}

// claim claims in a transaction of its own.
func (r *room) claim(claims ...*idempotency.Claim) map[*idempotency.Claim]idempotency.Earlier {
	r.t.Helper()
	var earlier map[*idempotency.Claim]idempotency.Earlier
	require.NoError(r.t, r.store.Tx(r.t.Context(), func(ctx context.Context) (err error) {
		earlier, err = r.Claim(ctx, claims)
		return err
	}))
	return earlier
}

func TestManyClaimTheirKeysAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		there := claim(t, "user_a", "there", 1)
		require.Empty(t, r.claim(there))
		again, other := claim(t, "user_a", "there", 1), claim(t, "user_a", "there", 2)
		first, same, differs := claim(t, "user_a", "new", 3), claim(t, "user_a", "new", 3), claim(t, "user_a", "new", 4)
		theirs := claim(t, "user_b", "new", 5)
		earlier := r.claim(first, again, same, other, theirs, differs)
		require.Len(t, earlier, 2, "the new ones are held")
		require.Equal(t, idempotency.Earlier{Answer: idempotency.Answer{Values: []string{"1"}, Cursor: r.log.Cursor(0), Repeated: true}}, earlier[again])
		require.True(t, apperr.Is(earlier[other].Err, apperr.IdempotencyMismatch))
		require.Equal(t, 3, r.count("idempotency_keys"))
		require.Equal(t, []string{"3"}, same.After(first).Values)
		require.True(t, apperr.Is(differs.After(first).Err, apperr.IdempotencyMismatch))
		kept := r.claim(claim(t, "user_a", "new", 3))
		require.Len(t, kept, 1)
		for _, e := range kept {
			require.Equal(t, []string{"3"}, e.Values, "the first one's")
		}
	})
}

func TestAReleasedKeyIsFree(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		kept, released := claim(t, "user_a", "kept", 1), claim(t, "user_a", "released", 1)
		require.NoError(t, r.store.Tx(t.Context(), func(ctx context.Context) error {
			if _, err := r.Claim(ctx, []*idempotency.Claim{kept, released}); err != nil {
				return err
			}
			return r.Release(ctx, []*idempotency.Claim{released})
		}))
		earlier := r.claim(claim(t, "user_a", "kept", 1), claim(t, "user_a", "released", 2))
		require.Len(t, earlier, 1)
	})
}

func TestKeysGoWithWhatTheyAreAbout(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		about := func(key, object string) *idempotency.Claim {
			c := claim(t, "user_a", key, 1)
			c.About = object
			return c
		}
		r.claim(about("1", "dlg_1"), about("2", "dlg_1"), about("3", "dlg_2"), about("4", ""))
		require.NoError(t, r.store.Tx(t.Context(), func(ctx context.Context) error { return r.Erase(ctx, []string{"dlg_1", "dlg_3"}) }))
		require.Equal(t, 2, r.count("idempotency_keys"))
		require.Len(t, r.claim(claim(t, "user_a", "1", 2), claim(t, "user_a", "3", 1)), 1)
	})
}

func TestAnExpiredKeyIsTakenOver(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		old := claim(t, "user_a", "k", 1)
		old.About = "dlg_1"
		r.claim(old)
		r.age(idempotency.Lifetime + time.Second)
		next := claim(t, "user_a", "k", 2)
		next.About = "dlg_2"
		require.Empty(t, r.claim(next))
		require.NoError(t, r.Erase(t.Context(), []string{"dlg_1"}))
		earlier := r.claim(claim(t, "user_a", "k", 2))
		require.Len(t, earlier, 1, "it is about the new object now")
		for _, e := range earlier {
			require.Equal(t, []string{"2"}, e.Values)
		}
	})
}

// Transactions that claim the same keys in any order all end, and each key is
// held by one of them.
func TestConcurrentClaimsOfTheSameKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		const keys, callers = 40, 12
		var mu sync.Mutex
		held := map[string]int{}
		var all sync.WaitGroup
		for range callers {
			claims := make([]*idempotency.Claim, keys)
			for i := range claims {
				claims[i] = claim(t, "user_a", strconv.Itoa(i), i)
			}
			rand.Shuffle(keys, func(i, j int) { claims[i], claims[j] = claims[j], claims[i] })
			all.Go(func() {
				for some := range slices.Chunk(claims, 10) {
					var earlier map[*idempotency.Claim]idempotency.Earlier
					err := r.store.Tx(t.Context(), func(ctx context.Context) (err error) {
						earlier, err = r.Claim(ctx, some)
						return err
					})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					for _, c := range some {
						if _, repeated := earlier[c]; !repeated {
							held[c.ID]++
						}
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		require.Len(t, held, keys)
		for id, n := range held {
			require.Equal(t, 1, n, id)
		}
	})
}
