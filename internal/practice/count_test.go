package practice_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/practice"
	"parley/internal/testkit/dbtest"
)

// onReplicas runs a test with one service, and on Postgres also with two with connections of
// their own, as two processes have them.
func onReplicas(t *testing.T, test func(t *testing.T, replicas []*world)) {
	t.Helper()
	t.Parallel()
	for _, where := range []struct {
		name string
		url  func(testing.TB) string
		n    int
	}{{"sqlite", dbtest.SQLite, 1}, {"postgres", dbtest.Postgres, 1}, {"two replicas on postgres", dbtest.Postgres, 2}} {
		t.Run(where.name, func(t *testing.T) {
			t.Parallel()
			url := where.url(t)
			var replicas []*world
			for range where.n {
				replicas = append(replicas, newWorld(t, dbtest.Open(t, url)))
			}
			test(t, replicas)
		})
	}
}

// learners gives an utterance of each of n learners of a service.
func learners(w *world, n int) (utterances []*gen.Utterance) {
	for i := range n {
		utterances = append(utterances, w.utterance(key(w.t, "owner"), fmt.Sprint("learner ", i)))
	}
	return utterances
}

func TestManyWritersCountEveryErrorOnce(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas []*world) {
		const writers, calls, size, people, kinds = 100, 10, 100, 7, 3
		utterances := learners(replicas[0], people)
		var want [people][kinds]atomic.Int64
		var all sync.WaitGroup
		for writer := range writers {
			all.Go(func() {
				w := replicas[writer%len(replicas)]
				r := rand.New(rand.NewPCG(7, uint64(writer))) //nolint:gosec // not for secrets
				for call := range calls {
					var items []*practice.ErrorInput
					for i := range size {
						learner, kind := r.IntN(people), r.IntN(kinds)
						want[learner][kind].Add(1)
						items = append(items, item(utterances[learner], fmt.Sprintf("%d-%d", writer, call), i, "c", fmt.Sprint(kind)))
					}
					for _, result := range w.record(key(t, "owner"), items...) {
						assert.Equal(t, practice.Recorded, result.Status, "%v", result)
					}
				}
			})
		}
		all.Wait()
		require.Equal(t, writers*calls*size, replicas[0].count("learner_errors"))
		for learner := range people {
			var expected []string
			for kind := range kinds {
				expected = append(expected, fmt.Sprintf("c/%d %d", kind, want[learner][kind].Load()))
			}
			for _, w := range replicas {
				require.ElementsMatch(t, expected, w.top(key(t, "owner"), fmt.Sprint("learner ", learner)))
			}
		}
	})
}

// Every writer sends all keys, in an order of its own and cut into calls of its
// own.
func TestDuplicatesThatCrossCountOnce(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas []*world) {
		const writers, people, keys = 8, 3, 100
		utterances := learners(replicas[0], people)
		var mu sync.Mutex
		ids := map[string]string{}
		recorded := map[string]int{}
		var all sync.WaitGroup
		for writer := range writers {
			all.Go(func() {
				w := replicas[writer%len(replicas)]
				var items []*practice.ErrorInput
				for learner, u := range utterances {
					for n := range keys {
						items = append(items, item(u, fmt.Sprint(n/5), n%5, "c", fmt.Sprint(learner, n%2)))
					}
				}
				r := rand.New(rand.NewPCG(3, uint64(writer))) //nolint:gosec // not for secrets
				r.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
				for part := range slices.Chunk(items, 1+r.IntN(60)) {
					results := w.record(key(t, "owner"), part...)
					mu.Lock()
					for i, result := range results {
						name := fmt.Sprintf("%s %s %d", part[i].UtteranceID, part[i].ClientKey, part[i].Index)
						assert.False(t, ids[name] != "" && ids[name] != result.ErrorID, "%s has the ids %s and %s", name, ids[name], result.ErrorID)
						ids[name] = result.ErrorID
						if result.Status == practice.Recorded {
							recorded[name]++
						}
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		require.Len(t, recorded, people*keys)
		for name, n := range recorded {
			require.Equal(t, 1, n, name)
		}
		require.Equal(t, people*keys, replicas[0].count("learner_errors"))
		for learner := range people {
			require.Equal(t, []string{fmt.Sprintf("c/%d 0 %d", learner, keys/2), fmt.Sprintf("c/%d 1 %d", learner, keys/2)},
				replicas[0].top(key(t, "owner"), fmt.Sprint("learner ", learner)))
		}
	})
}

// Of two contents of one key one is recorded, and counted, whoever was first.
func TestContentsThatCrossAreOneRowAndConflicts(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas []*world) {
		u := learners(replicas[0], 1)[0]
		const writers, keys = 8, 50
		var recorded, conflicts atomic.Int64
		var all sync.WaitGroup
		for writer := range writers {
			all.Go(func() {
				for n := range keys {
					results, err := replicas[writer%len(replicas)].RecordErrors(key(t, "owner"), []*practice.ErrorInput{item(u, "k", n, "c", fmt.Sprint(writer))})
					switch {
					case err != nil:
						t.Error(err)
					case results[0].Status == practice.Recorded:
						recorded.Add(1)
					case results[0].Status == practice.Refused:
						conflicts.Add(1)
					}
				}
			})
		}
		all.Wait()
		require.Equal(t, int64(keys), recorded.Load())
		require.Equal(t, int64((writers-1)*keys), conflicts.Load())
		list, err := replicas[0].Exercise(key(t, "owner"), ptr("learner 0"), 100, nil)
		require.NoError(t, err)
		var sum int64
		for _, f := range list {
			sum += f.Frequency
		}
		require.Equal(t, int64(keys), sum)
	})
}
