package account_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/account"
	"parley/internal/apperr"
	"parley/internal/cache"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

// limited runs test with three failures allowed, counted in memory and in Redis.
func limited(t *testing.T, test func(t *testing.T, w world)) {
	t.Helper()
	for name, open := range map[string]func(t *testing.T) cache.Cache{
		"memory": func(*testing.T) cache.Cache { return cache.NewMemory(1 << 20) },
		"redis":  func(t *testing.T) cache.Cache { return openRedis(t, testkit.Redis(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, dbtest.Open(t, dbtest.SQLite(t)), open(t), account.Config{MaxFailures: 3})
			w.signUp("ada@example.org")
			test(t, w)
		})
	}
}

func openRedis(t *testing.T, url string) cache.Cache {
	t.Helper()
	r, err := cache.OpenRedis(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

const home, away = "192.0.2.1", "2001:db8::1"

func (w world) fails(email, address string, times int) {
	w.t.Helper()
	for range times {
		w.want(w.try(email, "wrong password", address), apperr.Unauthenticated, "address or password is wrong")
	}
}

func TestTooManyFailedSignInsAreRefusedForThatAddressOnly(t *testing.T) {
	t.Parallel()
	limited(t, func(t *testing.T, w world) {
		w.fails("ada@example.org", away, 3)
		for _, email := range []string{"ada@example.org", "ADA@example.org "} {
			err := w.try(email, password, away)
			w.want(err, apperr.RateLimited, "Too many failed sign-ins")
			e := apperr.List(err)
			assert.True(t, len(e) == 1 && e[0].RetryAfter > 0, "it does not say when to come back: %v", e)
		}
		assert.NoError(t, w.try("ada@example.org", password, home), "the owner at another address is locked out")
		w.want(w.try("ada@example.org", password, away), apperr.RateLimited, "Too many")
	})
}

func TestASuccessfulSignInForgetsTheFailures(t *testing.T) {
	t.Parallel()
	limited(t, func(t *testing.T, w world) {
		for range 3 {
			w.fails("ada@example.org", home, 2)
			require.NoError(t, w.try("ada@example.org", password, home))
		}
	})
}

func TestSuccessfulSignInsAreNotLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, dbtest.SQLite(t)), nil, account.Config{MaxFailures: 1})
	w.signUp("ada@example.org")
	for range 12 { // more than one account may fail, and than one address may
		require.NoError(t, w.try("ada@example.org", password, home))
	}
}

func TestAnAddressThatTriesManyAccountsIsLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, dbtest.SQLite(t)), nil, account.Config{MaxFailures: 1})
	w.signUp("ada@example.org")
	for i := range 10 {
		w.fails(strings.Repeat("x", i+1)+"@example.org", away, 1)
	}
	w.want(w.try("ada@example.org", password, away), apperr.RateLimited, "Too many")
	assert.NoError(t, w.try("ada@example.org", password, home), "another address")
}

func TestUnknownAndWrongLookAlike(t *testing.T) {
	t.Parallel()
	limited(t, func(t *testing.T, w world) {
		known := w.try("ada@example.org", "wrong password", home)
		for _, email := range []string{"bob@example.org", "", "nonsense", "a\x00b@example.org", "\xff", strings.Repeat("a", 1<<20) + "@example.org"} {
			err := w.try(email, "wrong password", home+email[:min(3, len(email))])
			assert.True(t, err != nil && err.Error() == known.Error(), "%.20q: %v, a known address: %v", email, err, known)
		}
		w.want(w.try("ada@example.org", strings.Repeat("p", 1<<20), away), apperr.Unauthenticated, "wrong")
	})
}

// Tries that run at once must not get more answers than the limit allows.
func TestConcurrentFailuresDontPassTheLimit(t *testing.T) {
	t.Parallel()
	limited(t, func(t *testing.T, w world) {
		var answered, refused atomic.Int32
		var group sync.WaitGroup
		for range 16 {
			group.Add(1)
			go func() {
				defer group.Done()
				switch err := w.try("ada@example.org", "wrong password", away); apperr.CodeOf(err) {
				case apperr.Unauthenticated:
					answered.Add(1)
				case apperr.RateLimited:
					refused.Add(1)
				default:
					t.Error(err)
				}
			}()
		}
		group.Wait()
		assert.Equal(t, int32(3), answered.Load(), "%d of 16 were answered", answered.Load())
		assert.Equal(t, int32(13), refused.Load(), "%d of 16 were answered", answered.Load())
	})
}

func TestWithoutItsCountersSigningInIsUnavailable(t *testing.T) {
	t.Parallel()
	server := testkit.RedisServer(t)
	w := newWorld(t, dbtest.Open(t, dbtest.SQLite(t)), openRedis(t, server.URL), account.Config{})
	w.signUp("ada@example.org")
	require.NoError(t, server.Kill())
	w.want(w.try("ada@example.org", password, home), apperr.Unavailable, "does not work at the moment")
	require.NoError(t, server.Restart(t.Context()))
	assert.NoError(t, w.try("ada@example.org", password, home))
}
