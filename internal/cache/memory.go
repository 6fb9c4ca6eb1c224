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
// that were used longest ago go first. A quarter is for what must not be pushed
// out by reading: counters and tombstones, of which the oldest go first. An
// entry that has to go leaves its tombstone, so that its version stays seen.
type Memory struct {
	seed   maphash.Seed
	now    func() time.Time
	shards [memoryShards]memoryShard
}

type memoryShard struct {
	mu      sync.Mutex
	entries map[string]*list.Element
	// values orders what can be read, the last used in front; marks orders
	// counters and tombstones, the last made in front.
	values, marks memoryList
}

type memoryList struct {
	list       *list.List
	used, most int
}

type memoryEntry struct {
	key     string
	home    *memoryList
	version int64
	value   []byte // nil in counters and tombstones
	count   int64
	expires time.Time
	// floor is until when older versions stay out should the value go earlier.
	floor time.Time
}

// entryOverhead is about what an entry costs beside its key and value.
const entryOverhead = 240

func (e *memoryEntry) size() int { return len(e.key) + len(e.value) + entryOverhead }

// NewMemory makes a cache of at most the given number of bytes.
func NewMemory(bytes int) *Memory { return newMemory(bytes, time.Now) }

func newMemory(bytes int, now func() time.Time) *Memory {
	m := &Memory{seed: maphash.MakeSeed(), now: now}
	most := bytes / memoryShards
	for i := range m.shards {
		s := &m.shards[i]
		s.entries = map[string]*list.Element{}
		s.values = memoryList{list: list.New(), most: most - most/4}
		s.marks = memoryList{list: list.New(), most: most / 4}
	}
	return m
}

// lock gives the shard of a key, locked.
func (m *Memory) lock(key string) *memoryShard {
	s := &m.shards[maphash.String(m.seed, key)%memoryShards]
	s.mu.Lock()
	return s
}

// find gives the entry of a key unless it has expired; the caller holds mu.
func (s *memoryShard) find(key string, now time.Time) *memoryEntry {
	el, ok := s.entries[key]
	if !ok {
		return nil
	}
	e := el.Value.(*memoryEntry)
	if now.Before(e.expires) {
		return e
	}
	s.remove(el)
	return nil
}

func (s *memoryShard) remove(el *list.Element) *memoryEntry {
	e := el.Value.(*memoryEntry)
	e.home.list.Remove(el)
	e.home.used -= e.size()
	delete(s.entries, e.key)
	return e
}

// add puts an entry in the place of what its key had, and makes room.
func (s *memoryShard) add(home *memoryList, e *memoryEntry, now time.Time) *memoryEntry {
	if el, ok := s.entries[e.key]; ok {
		s.remove(el)
	}
	if e.size() > home.most { // it would push out everything and then itself
		s.bury(e, now)
		return e
	}
	e.home = home
	s.entries[e.key] = home.list.PushFront(e)
	home.used += e.size()
	for home.used > home.most {
		s.bury(s.remove(home.list.Back()), now)
	}
	return e
}

// bury leaves the tombstone of a value for which there is no room.
func (s *memoryShard) bury(e *memoryEntry, now time.Time) {
	if e.value != nil && now.Before(e.floor) {
		s.add(&s.marks, &memoryEntry{key: e.key, version: e.version, expires: e.floor}, now)
	}
}

// Get implements Cache.
func (m *Memory) Get(_ context.Context, key string) ([]byte, bool, error) {
	s, now := m.lock(key), m.now()
	defer s.mu.Unlock()
	e := s.find(key, now)
	if e == nil || e.value == nil {
		return nil, false, nil
	}
	s.values.list.MoveToFront(s.entries[key])
	return e.value, true, nil
}

// Put implements Cache.
func (m *Memory) Put(_ context.Context, key string, version int64, value []byte, ttl time.Duration) error {
	s, now := m.lock(key), m.now()
	defer s.mu.Unlock()
	if e := s.find(key, now); e != nil && e.version > version {
		return nil
	}
	if value == nil {
		value = []byte{}
	}
	s.add(&s.values, &memoryEntry{
		key: key, version: version, value: value, expires: now.Add(max(ttl, Tombstone)), floor: now.Add(Tombstone),
	}, now)
	return nil
}

// Invalidate implements Cache.
func (m *Memory) Invalidate(_ context.Context, key string, version int64) error {
	s, now := m.lock(key), m.now()
	defer s.mu.Unlock()
	if e := s.find(key, now); e != nil && e.version >= version {
		return nil
	}
	s.add(&s.marks, &memoryEntry{key: key, version: version, expires: now.Add(Tombstone)}, now)
	return nil
}

// counterKey keeps counters apart from entries.
func counterKey(key string) string { return "\x00" + key }

// Count implements Cache.
func (m *Memory) Count(_ context.Context, key string, n int64, ttl time.Duration) (int64, time.Duration, error) {
	key = counterKey(key)
	s, now := m.lock(key), m.now()
	defer s.mu.Unlock()
	e := s.find(key, now)
	if e == nil && n == 0 {
		return 0, 0, nil
	}
	if e == nil {
		e = s.add(&s.marks, &memoryEntry{key: key, expires: now.Add(ttl)}, now)
	}
	e.count += n
	return e.count, e.expires.Sub(now), nil
}

// Forget implements Cache.
func (m *Memory) Forget(_ context.Context, key string) error {
	key = counterKey(key)
	s := m.lock(key)
	defer s.mu.Unlock()
	if el, ok := s.entries[key]; ok {
		s.remove(el)
	}
	return nil
}

// Describe implements Cache.
func (m *Memory) Describe() string { return "memory" }

// Close implements Cache.
func (m *Memory) Close() error { return nil }
