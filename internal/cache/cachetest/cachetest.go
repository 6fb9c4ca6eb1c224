// Package cachetest is the contract that every cache.Cache fulfils.
package cachetest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/cache"
)

// Subject is a cache under test, empty, and a way to let its time pass.
type Subject struct {
	cache.Cache
	Pass func(t *testing.T, d time.Duration)
}

// Run runs the contract, each test on a cache of its own.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s Subject)
	}{
		{"what was put can be read", putAndGet},
		{"an older version is refused, the same and a newer one are taken", versions},
		{"an invalidation drops older versions and keeps them out", invalidation},
		{"N3: a reader that loaded before a write never stores after it", lateReader},
		{"N3: under concurrency nothing older than an announced write is read", raceOfN3},
		{"entries expire", expiry},
		{"a version stays seen for at least a tombstone's time", floor},
		{"counters add up and expire", counters},
		{"a counter keeps the end of its first addition", counterEnd},
		{"a counter and an entry of the same key are two", namespaces},
		{"counters count under concurrency", concurrentCounters},
		{"odd keys and values are kept apart", oddKeys},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

const long = 10 * time.Minute

func (s Subject) put(t testing.TB, key string, version int64, value string) {
	t.Helper()
	require.NoError(t, s.Put(t.Context(), key, version, []byte(value), long))
}

func (s Subject) invalidate(t testing.TB, key string, version int64) {
	t.Helper()
	require.NoError(t, s.Invalidate(t.Context(), key, version))
}

// want checks what a key reads as; "-" means a miss.
func (s Subject) want(t testing.TB, key, want string) {
	t.Helper()
	value, ok, err := s.Get(t.Context(), key)
	got := string(value)
	if !ok {
		got = "-"
	}
	require.NoError(t, err, "%.40q", key)
	require.Equal(t, want, got, "%.40q", key)
}

func (s Subject) count(t testing.TB, key string, n int64, ttl time.Duration) (int64, time.Duration) {
	t.Helper()
	got, left, err := s.Count(t.Context(), key, n, ttl)
	require.NoError(t, err)
	return got, left
}

func putAndGet(t *testing.T, s Subject) {
	s.want(t, "a", "-")
	s.put(t, "a", 1, "one")
	s.want(t, "a", "one")
	s.want(t, "b", "-")
	require.NoError(t, s.Put(t.Context(), "nothing", 0, nil, long))
	s.want(t, "nothing", "")
	assert.NotEmpty(t, s.Describe(), "it has no name")
}

func versions(t *testing.T, s Subject) {
	s.put(t, "a", 9, "nine")
	s.put(t, "a", 8, "eight")
	s.want(t, "a", "nine")
	s.put(t, "a", 9, "nine again")
	s.want(t, "a", "nine again")
	s.put(t, "a", 10, "ten") // 10 is more than 9, as words it is less
	s.want(t, "a", "ten")
	s.put(t, "a", 9, "nine")
	s.want(t, "a", "ten")
	s.put(t, "big", 1<<53-1, "most")
	s.put(t, "big", 1<<53-2, "less")
	s.want(t, "big", "most")
}

func invalidation(t *testing.T, s Subject) {
	s.put(t, "a", 1, "one")
	s.invalidate(t, "a", 2)
	s.want(t, "a", "-")
	s.put(t, "a", 1, "one")
	s.want(t, "a", "-")
	s.invalidate(t, "a", 1) // late and older: changes nothing
	s.put(t, "a", 1, "one")
	s.want(t, "a", "-")
	s.put(t, "a", 2, "two")
	s.want(t, "a", "two")
	s.invalidate(t, "a", 2) // that version is here already
	s.want(t, "a", "two")
	s.invalidate(t, "a", 1)
	s.want(t, "a", "two")
	s.invalidate(t, "unknown", 5)
	s.put(t, "unknown", 4, "four")
	s.want(t, "unknown", "-")
}

func lateReader(t *testing.T, s Subject) {
	loaded := int64(1)         // the reader misses and loads version 1
	s.invalidate(t, "note", 2) // the writer commits version 2
	s.put(t, "note", loaded, "old")
	s.want(t, "note", "-")
	s.put(t, "note", 2, "new") // another reader is quicker
	s.put(t, "note", loaded, "old")
	s.want(t, "note", "new")
}

// raceOfN3 lets readers load, put and read while a writer commits, invalidates
// and then announces: whoever read the announcement must never get less.
func raceOfN3(t *testing.T, s Subject) {
	const readers, writes = 8, 200
	ctx := t.Context()
	var row, announced atomic.Int64
	var group sync.WaitGroup
	for range readers {
		group.Add(1)
		go func() {
			defer group.Done()
			for announced.Load() < writes && ctx.Err() == nil {
				if err := readOnce(ctx, s, &row, &announced); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	for version := int64(1); version <= writes; version++ {
		row.Store(version)
		assert.NoError(t, s.Invalidate(ctx, "note", version))
		announced.Store(version)
	}
	group.Wait()
}

func readOnce(ctx context.Context, s Subject, row, announced *atomic.Int64) error {
	least := announced.Load()
	value, ok, err := s.Get(ctx, "note")
	if err != nil {
		return err
	}
	if !ok {
		loaded := row.Load()
		return s.Put(ctx, "note", loaded, []byte(strconv.FormatInt(loaded, 10)), long)
	}
	got, err := strconv.ParseInt(string(value), 10, 64)
	if err == nil && got < least {
		err = fmt.Errorf("read version %d after version %d was announced", got, least)
	}
	return err
}

func expiry(t *testing.T, s Subject) {
	s.put(t, "a", 5, "five")
	s.Pass(t, long-time.Second)
	s.want(t, "a", "five")
	s.Pass(t, 2*time.Second)
	s.want(t, "a", "-")
	s.put(t, "a", 1, "one")
	s.want(t, "a", "one")
	s.invalidate(t, "a", 2)
	s.Pass(t, cache.Tombstone+time.Second)
	s.put(t, "a", 1, "one")
	s.want(t, "a", "one")
}

func floor(t *testing.T, s Subject) {
	s.invalidate(t, "buried", 2)
	require.NoError(t, s.Put(t.Context(), "short", 2, []byte("two"), time.Second))
	s.Pass(t, cache.Tombstone-time.Second)
	for _, key := range []string{"buried", "short"} {
		s.put(t, key, 1, "one")
	}
	s.want(t, "buried", "-")
	s.want(t, "short", "two")
}

func counters(t *testing.T, s Subject) {
	n, left := s.count(t, "a", 0, time.Minute)
	require.Zero(t, n, "no counter reads as %d for %v", n, left)
	require.Zero(t, left, "no counter reads as %d for %v", n, left)
	for want := int64(1); want <= 3; want++ {
		n, left := s.count(t, "a", 1, time.Minute)
		require.True(t, n == want && left > 0 && left <= time.Minute, "got %d for %v, want %d for at most a minute", n, left, want)
	}
	n, _ = s.count(t, "a", -2, time.Minute)
	require.Equal(t, int64(1), n, "3 - 2 = %d", n)
	require.NoError(t, s.Forget(t.Context(), "a"))
	n, _ = s.count(t, "a", 0, time.Minute)
	require.Zero(t, n, "a forgotten counter")
	require.NoError(t, s.Forget(t.Context(), "never there"))
}

func counterEnd(t *testing.T, s Subject) {
	s.count(t, "a", 0, time.Minute) // reading begins nothing
	s.Pass(t, 30*time.Second)
	s.count(t, "a", 1, time.Minute)
	s.Pass(t, 30*time.Second)
	s.count(t, "a", -1, time.Minute)
	n, left := s.count(t, "a", 1, time.Minute)
	require.Equal(t, int64(1), n, "for %v; want 1 and the end of the first addition", left)
	require.LessOrEqual(t, left, 30*time.Second, "got %d for %v; want 1 and the end of the first addition", n, left)
	s.Pass(t, 31*time.Second)
	n, left = s.count(t, "a", 1, time.Minute)
	require.Equal(t, int64(1), n, "after its end it has %d for %v", n, left)
	require.Greater(t, left, 30*time.Second, "after its end it has %d for %v", n, left)
}

func namespaces(t *testing.T, s Subject) {
	s.put(t, "a", 7, "row")
	s.put(t, "count:a", 7, "row")
	n, _ := s.count(t, "a", 1, time.Minute)
	require.Equal(t, int64(1), n, "the counter begins at %d", n)
	require.NoError(t, s.Forget(t.Context(), "a"))
	s.want(t, "a", "row")
	s.want(t, "count:a", "row")
}

func concurrentCounters(t *testing.T, s Subject) {
	const workers, each = 8, 50
	var group sync.WaitGroup
	for range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			for range each {
				_, _, err := s.Count(t.Context(), "a", 1, time.Hour)
				assert.NoError(t, err)
			}
		}()
	}
	group.Wait()
	n, _ := s.count(t, "a", 0, time.Hour)
	require.Equal(t, int64(workers*each), n)
}

func oddKeys(t *testing.T, s Subject) {
	keys := []string{"", " ", "a b", "a:b", "a\x00b", "ü", "\xff", "*", "{a}", "new\r\nline", string(make([]byte, 10_000))}
	for i, key := range keys {
		s.put(t, key, int64(i), "\x00\xff\r\n"+key)
	}
	for _, key := range keys {
		s.want(t, key, "\x00\xff\r\n"+key)
	}
}
