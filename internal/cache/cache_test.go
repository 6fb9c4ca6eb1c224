package cache_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/cache"
	"parley/internal/cache/cachetest"
	"parley/internal/testkit"
)

// clock is a time that only the test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func TestMemoryFulfilsTheContract(t *testing.T) {
	t.Parallel()
	cachetest.Run(t, func(t *testing.T) cachetest.Subject {
		c := &clock{at: time.Now()}
		return cachetest.Subject{
			Cache: closing(t, cache.NewMemoryAt(8<<20, c.now)),
			Pass:  func(_ *testing.T, d time.Duration) { c.pass(d) },
		}
	})
}

func TestRedisFulfilsTheContract(t *testing.T) {
	t.Parallel()
	cachetest.Run(t, func(t *testing.T) cachetest.Subject {
		url := testkit.Redis(t)
		r, err := cache.OpenRedis(t.Context(), url)
		require.NoError(t, err)
		return cachetest.Subject{Cache: closing(t, r), Pass: func(t *testing.T, d time.Duration) { age(t, url, d) }}
	})
}

func closing(t *testing.T, c cache.Cache) cache.Cache {
	t.Cleanup(func() {
		assert.NoError(t, c.Close())
	})
	return c
}

// age shortens the time that every key of a Redis database has left, and finds
// keys that would never expire.
func age(t *testing.T, url string, d time.Duration) {
	t.Helper()
	options, err := redis.ParseURL(url)
	require.NoError(t, err)
	client := redis.NewClient(options)
	defer client.Close()
	keys, err := client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		left, err := client.PTTL(t.Context(), key).Result()
		require.NoError(t, err, "the key %q has %v left", key, left)
		require.GreaterOrEqual(t, left, time.Duration(0), "the key %q has %v left", key, left)
		require.NoError(t, client.PExpire(t.Context(), key, left-d).Err())
	}
}

func TestMemoryStaysBelowItsBound(t *testing.T) {
	t.Parallel()
	const bound = 1 << 20
	m := cache.NewMemory(bound)
	ctx := t.Context()
	for i := range 20_000 {
		key := fmt.Sprint(i)
		_ = m.Put(ctx, "value"+key, 1, make([]byte, i%1000), time.Hour)
		_ = m.Invalidate(ctx, "tombstone"+key, 1)
		_, _, _ = m.Count(ctx, "counter"+key, 1, time.Hour)
		if i%3 == 0 {
			_ = m.Forget(ctx, "counter"+key)
		}
		_ = m.Invalidate(ctx, "value"+fmt.Sprint(i/2), 2)
	}
	for _, size := range []int{bound / cache.Shards, bound, 10 * bound} {
		_ = m.Put(ctx, "huge", 1, make([]byte, size), time.Hour)
		_, ok, _ := m.Get(ctx, "huge")
		assert.False(t, ok, "a value of %d bytes is kept", size)
	}
	account, counted := m.Used()
	assert.True(t, account <= bound && account == counted && account >= bound/2,
		"it uses %d bytes by its account and %d counted, of %d", account, counted, bound)
}

func TestMemoryKeepsWhatIsUsedAndPushesOutTheRest(t *testing.T) {
	t.Parallel()
	m := cache.NewMemory(1 << 20)
	ctx := t.Context()
	_ = m.Put(ctx, "used", 1, []byte("x"), time.Hour)
	_ = m.Put(ctx, "unused", 1, []byte("x"), time.Hour)
	for i := range 5000 {
		_ = m.Put(ctx, fmt.Sprint(i), 1, make([]byte, 1000), time.Hour)
		_, ok, _ := m.Get(ctx, "used")
		require.True(t, ok, "the entry in use is gone after %d others", i)
	}
	_, ok, _ := m.Get(ctx, "unused")
	assert.False(t, ok, "the unused entry stayed")
}

// Reading much must neither reset a counter of failed sign-ins nor let an old
// version in again.
func TestMemoryUnderPressureKeepsCountersAndVersionsSeen(t *testing.T) {
	t.Parallel()
	m := cache.NewMemory(1 << 20)
	ctx := t.Context()
	_, _, _ = m.Count(ctx, "failures", 9, time.Hour)
	_ = m.Invalidate(ctx, "buried", 2)
	_ = m.Put(ctx, "pushed out", 2, []byte("two"), time.Hour)
	_ = m.Put(ctx, "too big", 2, make([]byte, 1<<20), time.Hour)
	for i := range 500 { // fills the values' three quarters; the tombstones fit however the keys spread
		_ = m.Put(ctx, fmt.Sprint(i), 1, make([]byte, 4000), time.Hour)
	}
	n, _, _ := m.Count(ctx, "failures", 0, time.Hour)
	assert.Equal(t, int64(9), n, "the counter has %d of 9", n)
	for _, key := range []string{"buried", "pushed out", "too big"} {
		_, ok, _ := m.Get(ctx, key)
		assert.False(t, ok, "%s is there", key)
		_ = m.Put(ctx, key, 1, []byte("old"), time.Hour)
		v, ok, _ := m.Get(ctx, key)
		assert.False(t, ok, "%s: the old version %q came back", key, v)
	}
}

func TestAMemoryWithoutRoomStillWorks(t *testing.T) {
	t.Parallel()
	m := cache.NewMemory(0)
	require.NoError(t, m.Put(t.Context(), "a", 1, []byte("x"), time.Hour))
	n, _, err := m.Count(t.Context(), "a", 1, time.Hour)
	require.NoError(t, err)
	require.Equal(t, int64(1), n)
	account, counted := m.Used()
	assert.Zero(t, account, "it holds %d bytes", counted)
	assert.Zero(t, counted, "it holds %d bytes", counted)
}

func TestOpenRedisSaysInASentenceWhatIsWrong(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"redis://u:secret@127.0.0.1:1":  "redis at 127.0.0.1:1 does not answer",
		"http://u:secret@127.0.0.1":     "the Redis URL can't be read",
		"redis://u:secret@127.0.0.1:x/": "the Redis URL can't be read",
		"":                              "the Redis URL can't be read",
	} {
		_, err := cache.OpenRedis(t.Context(), url)
		assert.True(t, err != nil && strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "secret"), "%s gives %v", url, err)
	}
}

func TestALostRedisIsAnErrorUntilItIsBack(t *testing.T) {
	t.Parallel()
	server := testkit.RedisServer(t)
	r, err := cache.OpenRedis(t.Context(), server.URL)
	require.NoError(t, err)
	closing(t, r)
	calls := map[string]func(ctx context.Context) error{
		"get":        func(ctx context.Context) error { _, _, err := r.Get(ctx, "a"); return err },
		"put":        func(ctx context.Context) error { return r.Put(ctx, "a", 1, []byte("x"), time.Hour) },
		"invalidate": func(ctx context.Context) error { return r.Invalidate(ctx, "a", 1) },
		"count":      func(ctx context.Context) error { _, _, err := r.Count(ctx, "a", 1, time.Hour); return err },
		"forget":     func(ctx context.Context) error { return r.Forget(ctx, "a") },
	}
	each := func(when string, works bool) {
		for name, call := range calls {
			err := call(t.Context())
			assert.Equal(t, works, err == nil, "%s %s: %v", name, when, err)
		}
	}
	each("before", true)
	require.NoError(t, server.Kill())
	each("while it is gone", false)
	require.NoError(t, server.Restart(t.Context()))
	each("after", true)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Error(t, calls["get"](cancelled), "a cancelled call goes on")
}

func BenchmarkMemoryGet(b *testing.B) {
	m := cache.NewMemory(64 << 20)
	_ = m.Put(b.Context(), "note_01J0000000000000000000000", 1, make([]byte, 1000), time.Hour)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, _, _ = m.Get(b.Context(), "note_01J0000000000000000000000")
		}
	})
}
