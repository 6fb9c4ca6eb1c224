package cache_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

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
		if err != nil {
			t.Fatal(err)
		}
		return cachetest.Subject{Cache: closing(t, r), Pass: func(t *testing.T, d time.Duration) { age(t, url, d) }}
	})
}

func closing(t *testing.T, c cache.Cache) cache.Cache {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// age shortens the time that every key of a Redis database has left, and finds
// keys that would never expire.
func age(t *testing.T, url string, d time.Duration) {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		left, err := client.PTTL(t.Context(), key).Result()
		if err != nil || left < 0 {
			t.Fatalf("the key %q has %v left, %v", key, left, err)
		}
		if err := client.PExpire(t.Context(), key, left-d).Err(); err != nil {
			t.Fatal(err)
		}
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
		if _, ok, _ := m.Get(ctx, "huge"); ok {
			t.Errorf("a value of %d bytes is kept", size)
		}
	}
	account, counted := m.Used()
	if account > bound || account != counted || account < bound/2 {
		t.Errorf("it uses %d bytes by its account and %d counted, of %d", account, counted, bound)
	}
}

func TestMemoryKeepsWhatIsUsedAndPushesOutTheRest(t *testing.T) {
	t.Parallel()
	m := cache.NewMemory(1 << 20)
	ctx := t.Context()
	_ = m.Put(ctx, "used", 1, []byte("x"), time.Hour)
	_ = m.Put(ctx, "unused", 1, []byte("x"), time.Hour)
	for i := range 5000 {
		_ = m.Put(ctx, fmt.Sprint(i), 1, make([]byte, 1000), time.Hour)
		if _, ok, _ := m.Get(ctx, "used"); !ok {
			t.Fatalf("the entry in use is gone after %d others", i)
		}
	}
	if _, ok, _ := m.Get(ctx, "unused"); ok {
		t.Error("the unused entry stayed")
	}
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
	if n, _, _ := m.Count(ctx, "failures", 0, time.Hour); n != 9 {
		t.Errorf("the counter has %d of 9", n)
	}
	for _, key := range []string{"buried", "pushed out", "too big"} {
		if _, ok, _ := m.Get(ctx, key); ok {
			t.Errorf("%s is there", key)
		}
		_ = m.Put(ctx, key, 1, []byte("old"), time.Hour)
		if v, ok, _ := m.Get(ctx, key); ok {
			t.Errorf("%s: the old version %q came back", key, v)
		}
	}
}

func TestAMemoryWithoutRoomStillWorks(t *testing.T) {
	t.Parallel()
	m := cache.NewMemory(0)
	if err := m.Put(t.Context(), "a", 1, []byte("x"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if n, _, err := m.Count(t.Context(), "a", 1, time.Hour); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if account, counted := m.Used(); account != 0 || counted != 0 {
		t.Errorf("it holds %d bytes", counted)
	}
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
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s gives %v", url, err)
		}
	}
}

func TestALostRedisIsAnErrorUntilItIsBack(t *testing.T) {
	t.Parallel()
	server := testkit.RedisServer(t)
	r, err := cache.OpenRedis(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
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
			if err := call(t.Context()); (err == nil) != works {
				t.Errorf("%s %s: %v", name, when, err)
			}
		}
	}
	each("before", true)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	each("while it is gone", false)
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	each("after", true)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := calls["get"](cancelled); err == nil {
		t.Error("a cancelled call goes on")
	}
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
