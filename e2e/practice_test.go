package e2e

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
)

// A hundred writers record 100,000 errors of a few learners through two
// processes; every one is counted once.
func TestSumsAreExactAcrossTwoProcesses(t *testing.T) {
	t.Parallel()
	c := process.NewCluster(t)
	one, two := c.API(), c.API()
	m := newMachine(t, one, "PRACTICE_RECORD", "PRACTICE_READ")
	countExactly(t, []*machine{m, m.on(two)})
}

func TestSumsAreExactOnSQLite(t *testing.T) {
	t.Parallel()
	countExactly(t, []*machine{newMachine(t, process.Serve(t), "PRACTICE_RECORD", "PRACTICE_READ")})
}

func countExactly(t *testing.T, doors []*machine) {
	t.Helper()
	const writers, calls, size, learners = 100, 10, 100, 7
	utterances := doors[0].talk(t, learners)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for call := range calls {
				items := make([]gqlclient.Vars, size)
				for i := range items {
					items[i] = report(utterances[(w+call+i)%learners], fmt.Sprintf("writer %d call %d", w, call), i)
				}
				results, err := doors[w%len(doors)].record(t, items)
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				for _, r := range results {
					assert.Equal(t, "RECORDED", r.Status, "writer %d: %+v", w, r)
				}
			}
		})
	}
	all.Wait()
	sum := 0
	for i := range learners {
		sum += doors[len(doors)-1].counted(t, learner(i))
	}
	assert.Equal(t, writers*calls*size, sum, "%d were counted, want %d", sum, writers*calls*size)
}

func report(utterance, key string, index int) gqlclient.Vars {
	return gqlclient.Vars{
		"utteranceId": utterance, "clientKey": key, "index": index, "category": fmt.Sprintf("category: %d", index%3),
		"subcategory": fmt.Sprintf("kind %d", index%11), "startOffset": 0, "endOffset": 9,
	}
}

// The process is killed while calls are under way. What it had acknowledged is
// there, and sending everything again counts each error exactly once.
func TestAKilledServerKeepsEveryAcknowledgedError(t *testing.T) {
	t.Parallel()
	for name, begin := range killable() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := begin(t)
			m := newMachine(t, p, "PRACTICE_RECORD", "PRACTICE_READ")
			utterances := m.talk(t, 5)
			sent, acknowledged := underFire(t, p, func(n int) (func() error, any) {
				items := make([]gqlclient.Vars, 20)
				for i := range items {
					items[i] = report(utterances[(n+i)%len(utterances)], fmt.Sprintf("call %d", n), i)
				}
				return func() error { _, err := m.record(t, items); return err }, items
			})
			for i, call := range sent {
				items, _ := call.([]gqlclient.Vars)
				results, err := m.record(t, items)
				require.NoError(t, err)
				for _, r := range results {
					assert.False(t, acknowledged[i] && r.Status != "DUPLICATE" || r.Status == "REFUSED",
						"call %d, acknowledged %v, was sent again: %+v", i, acknowledged[i], r)
				}
			}
			sum := 0
			for i := range utterances {
				sum += m.counted(t, learner(i))
			}
			want := 20 * len(sent)
			assert.Equal(t, want, sum, "%d errors are counted, %d were sent", sum, want)
		})
	}
}

// killable gives servers on each database.
func killable() map[string]func(testing.TB) *process.Process {
	return map[string]func(testing.TB) *process.Process{
		"sqlite":   func(t testing.TB) *process.Process { t.Helper(); return process.Serve(t) },
		"postgres": func(t testing.TB) *process.Process { t.Helper(); return process.NewCluster(t).API() },
	}
}

// underFire makes calls from many goroutines, kills the process once some
// hundred were answered, and starts it again. It gives what was sent and which
// calls were answered.
func underFire(t *testing.T, p *process.Process, call func(n int) (send func() error, what any)) (sent []any, acknowledged []bool) {
	t.Helper()
	const enough = 300
	var mu sync.Mutex
	var answered atomic.Int64
	killed := make(chan struct{})
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for {
				mu.Lock()
				n := len(sent)
				send, what := call(n)
				sent, acknowledged = append(sent, what), append(acknowledged, false)
				mu.Unlock()
				if err := send(); err != nil {
					select {
					case <-killed:
					default:
						assert.GreaterOrEqual(t, answered.Load(), int64(enough), "call %d: %v", n, err)
					}
					return
				}
				mu.Lock()
				acknowledged[n] = true
				mu.Unlock()
				if answered.Add(1) == enough {
					p.Kill()
					close(killed)
				}
			}
		})
	}
	all.Wait()
	p.Restart()
	p.Ready()
	return sent, acknowledged
}
