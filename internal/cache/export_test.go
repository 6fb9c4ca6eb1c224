package cache

// NewMemoryAt makes a Memory with a clock of the test's.
var NewMemoryAt = newMemory

// Shards is over how many parts Memory spreads its keys.
const Shards = memoryShards

// Used is how many bytes a Memory holds, by its own account, and how many by
// counting its entries again.
func (m *Memory) Used() (account, counted int) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		account += s.values.used + s.marks.used
		for _, el := range s.entries {
			counted += el.Value.(*memoryEntry).size()
		}
		s.mu.Unlock()
	}
	return account, counted
}
