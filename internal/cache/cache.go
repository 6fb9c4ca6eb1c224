// Package cache keeps copies of rows that losing loses nothing. An entry
// carries its row's version: once a version was seen, an older one can no
// longer be put, so that a reader who loaded a row before a write never stores
// it after the write.
//
// The one way in which an old row can still come back is that the cache forgets
// which version it saw before the slow reader puts: Memory does so only under
// more than its bound of newer tombstones, Redis when it is restarted empty or
// evicts. Run Redis with memory enough and maxmemory-policy noeviction; what
// came back old then stays for the entry's time at most.
package cache

import (
	"context"
	"time"
)

// Tombstone is how long an invalidation keeps older versions out. It must be
// longer than any read that loads a row and then puts it.
const Tombstone = 300 * time.Second

// Cache is a versioned cache and a set of expiring counters, which share no
// keys. Both implementations pass the contract suite in cachetest.
type Cache interface {
	// Get gives the entry of a key, and false for a miss or a tombstone. The
	// value must not be changed.
	Get(ctx context.Context, key string) (value []byte, ok bool, err error)
	// Put stores a version, from 0 to 2^53, for a time of at least Tombstone
	// (a shorter one is raised to it) unless a higher one was seen. It does not
	// say which: either way the cache holds nothing older. The value must not
	// be changed afterwards.
	Put(ctx context.Context, key string, version int64, value []byte, ttl time.Duration) error
	// Invalidate drops versions below the given one and refuses them for the
	// time of a Tombstone. An entry of that version or higher stays.
	Invalidate(ctx context.Context, key string, version int64) error
	// Count adds n to a counter that expires ttl after its first addition, and
	// gives the new count and the time that is left. Adding 0 reads it; a
	// counter that is not there has 0 and no time left.
	Count(ctx context.Context, key string, n int64, ttl time.Duration) (int64, time.Duration, error)
	// Forget removes a counter.
	Forget(ctx context.Context, key string) error
	// Describe names the implementation for people.
	Describe() string
	// Close gives back connections.
	Close() error
}
