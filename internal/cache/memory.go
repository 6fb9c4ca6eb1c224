package cache

import (
	"container/list"
	"context"
	"hash/maphash"
	"sync"
	"time"
)

const memoryShards = 16

// Memory is a Cache in the process's memory, bounded in bytes; the entries
// that were used longest ago go first.
type Memory struct {
	seed   maphash.Seed
	shards [memoryShards]memoryShard
}

type memoryShard struct {
	mu      sync.Mutex
	most    int
	used    int
	entries map[string]*list.Element
	// recent orders the entries, the last used in front.
	recent *list.List
}

type memoryEntry struct {
	key     string
	version int64
	value   []byte // nil for a tombstone or a counter
	count   int64
	expires time.Time
}

// entryOverhead is about what an entry costs beside its key and value.
const entryOverhead = 200

func (e *memoryEntry) size() int { return len(e.key) + len(e.value) + entryOverhead }

// NewMemory makes a cache of at most the given number of bytes.
func NewMemory(bytes int) *Memory {
	m := &Memory{seed: maphash.MakeSeed()}
	for i := range m.shards {
		m.shards[i] = memoryShard{most: bytes / memoryShards, entries: map[string]*list.Element{}, recent: list.New()}
	}
	return m
}

func (m *Memory) shard(key string) *memoryShard {
	return &m.shards[maphash.String(m.seed, key)%memoryShards]
}

// live gives the entry of a key that has not expired; the caller holds mu.
func (s *memoryShard) live(key string) *memoryEntry {
	el, ok := s.entries[key]
	if !ok {
		return nil
	}
	e := el.Value.(*memoryEntry) //nolint:forcetypeassert // the list holds nothing else
	if time.Now().After(e.expires) {
		s.drop(el)
		return nil
	}
	s.recent.MoveToFront(el)
	return e
}

func (s *memoryShard) drop(el *list.Element) {
	e := s.recent.Remove(el).(*memoryEntry) //nolint:forcetypeassert // the list holds nothing else
	delete(s.entries, e.key)
	s.used -= e.size()
}

func (s *memoryShard) set(e *memoryEntry) {
	if el, ok := s.entries[e.key]; ok {
		s.drop(el)
	}
	s.entries[e.key] = s.recent.PushFront(e)
	s.used += e.size()
	for s.used > s.most && s.recent.Len() > 1 {
		s.drop(s.recent.Back())
	}
}

// Get implements Cache.
func (m *Memory) Get(_ context.Context, key string) ([]byte, bool, error) {
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.live(key)
	if e == nil || e.value == nil {
		return nil, false, nil
	}
	return e.value, true, nil
}

// Put implements Cache.
func (m *Memory) Put(_ context.Context, key string, version int64, value []byte, ttl time.Duration) error {
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.live(key); e != nil && e.version > version {
		return nil
	}
	s.set(&memoryEntry{key: key, version: version, value: value, expires: time.Now().Add(ttl)})
	return nil
}

// Invalidate implements Cache.
func (m *Memory) Invalidate(_ context.Context, key string, version int64) error {
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.live(key); e != nil && e.version >= version {
		return nil
	}
	s.set(&memoryEntry{key: key, version: version, expires: time.Now().Add(Tombstone)})
	return nil
}

// Count implements Cache.
func (m *Memory) Count(_ context.Context, key string, n int64, ttl time.Duration) (int64, time.Duration, error) {
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.live(key)
	if e == nil {
		e = &memoryEntry{key: key, expires: time.Now().Add(ttl)}
		s.set(e)
	}
	e.count += n
	return e.count, time.Until(e.expires), nil
}

// Forget implements Cache.
func (m *Memory) Forget(_ context.Context, key string) error {
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if el, ok := s.entries[key]; ok {
		s.drop(el)
	}
	return nil
}

// Describe implements Cache.
func (m *Memory) Describe() string { return "memory" }

// Close implements Cache.
func (m *Memory) Close() error { return nil }
