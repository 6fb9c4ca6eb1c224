package indexing_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/indexing"
	"parley/internal/vector"
)

// found gives the ids that a search for nothing particular finds, the nearest first.
func found(t testing.TB, g *indexing.Generation, side indexing.Side, f vector.Filter) []string {
	t.Helper()
	hits, err := g.Search(t.Context(), "thing", side, vector.Query{Vector: axis(g.Dimensions), K: vector.MaxHits, Filter: f})
	require.NoError(t, err)
	ids := make([]string, len(hits))
	for i, h := range hits {
		ids[i] = h.ID
	}
	return ids
}

// scored is found with the scores.
func scored(t testing.TB, g *indexing.Generation, side indexing.Side, f vector.Filter) map[string]float64 {
	t.Helper()
	hits, err := g.Search(t.Context(), "thing", side, vector.Query{Vector: axis(g.Dimensions), K: vector.MaxHits, Filter: f})
	require.NoError(t, err)
	byID := map[string]float64{}
	for _, h := range hits {
		byID[h.ID] = h.Score
	}
	return byID
}

// What changes is changed in every process; what is deleted or hidden leaves at once,
// whatever became of its vectors.
func TestChangesReachEveryProcess(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		p := w.start("", indexing.Config{})
		stop := w.work("random", "clip-random")
		for i := range 10 {
			p.put(thing{id: fmt.Sprintf("thing_%d", i), words: fmt.Sprint("words ", i), labels: "public"})
		}
		g := p.active(10, 0)
		followers := []*indexing.Follower{p.follower}
		if p.store.Postgres() {
			other := w.start("", indexing.Config{})
			other.active(10, 0)
			followers = append(followers, other.follower)
		}
		before := scored(t, g, indexing.Words, nil)
		p.put(thing{id: "thing_3", words: "something else", labels: "public"})
		for _, f := range followers {
			eventually(t, "another vector", func() bool {
				g, _ := f.Active()
				return scored(t, g, indexing.Words, nil)["thing_3"] != before["thing_3"]
			})
		}
		stop() // without a worker
		p.put(thing{id: "thing_4", words: "words 4", labels: "owner:user_1"})
		p.put(thing{id: "thing_5", words: "", labels: "public"})
		p.delete("thing_6")
		for _, f := range followers {
			eventually(t, "hidden and gone", func() bool {
				g, _ := f.Active()
				return len(found(t, g, indexing.Words, vector.Filter{{"public"}})) == 7
			})
			g, _ := f.Active()
			assert.Equal(t, []string{"thing_4"}, found(t, g, indexing.Words, vector.Filter{{"owner:user_1"}}))
			assert.NotContains(t, found(t, g, indexing.Words, nil), "thing_5", "it has no words any more")
			assert.NotContains(t, found(t, g, indexing.Words, nil), "thing_6")
		}
		w.work("random", "clip-random")
		eventually(t, "the row of what has no words is gone", func() bool {
			all, err := p.List(admin(t))
			return err == nil && all[0].Total == 8 && all[0].Done == 8
		})
	})
}

// contents is what a process has of all, by side.
func contents(t testing.TB, g *indexing.Generation) (all [2]map[string]float64) {
	t.Helper()
	for i, side := range []indexing.Side{indexing.Words, indexing.Picture} {
		all[i] = scored(t, g, side, nil)
	}
	return all
}

// Two processes and a new one that reads the database hold the same after thousands of
// adds, changes and deletions that came at the same time, and so does the file that one
// leaves.
func TestProcessesAgreeAfterManyChanges(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		folder := t.TempDir()
		processes := []*process{w.start(folder, indexing.Config{})}
		if processes[0].store.Postgres() {
			processes = append(processes, w.start("", indexing.Config{}))
		}
		w.work("random", "clip-random")
		const changes, writers = 10_000, 8
		var writing sync.WaitGroup
		pictures := [][]byte{drawing(t, 16, 1), drawing(t, 20, 2), nil, nil, nil, nil, nil, nil}
		for writer := range writers {
			writing.Go(func() {
				random := rand.New(rand.NewPCG(uint64(writer), 7))
				p := processes[writer%len(processes)]
				for n := 0; n < changes/writers; {
					some := make([]thing, 1+random.IntN(10))
					for i := range some {
						some[i] = thing{
							id: fmt.Sprintf("thing_%d_%03d", writer, random.IntN(60)), words: fmt.Sprint("words ", random.IntN(500)), labels: "public",
							picture: pictures[random.IntN(len(pictures))],
						}
					}
					n += len(some)
					if random.IntN(4) == 0 {
						ids := make([]string, len(some))
						for i, one := range some {
							ids[i] = one.id
						}
						p.delete(ids...)
						continue
					}
					p.put(unique(some)...)
				}
			})
		}
		writing.Wait()
		words, seen := processes[0].sizes()
		g := processes[0].active(words, seen)
		processes[0].settled()
		want := contents(t, g)
		for _, p := range processes[1:] {
			eventually(t, "the other process", func() bool {
				other, ok := p.follower.Active()
				return ok && assert.ObjectsAreEqual(want, contents(t, other))
			})
		}
		for _, p := range processes {
			p.stop()
		}
		fresh := w.start("", indexing.Config{})
		assert.Equal(t, want, contents(t, fresh.active(words, seen)), "a new process reads the database")
		again := w.start(folder, indexing.Config{})
		assert.Equal(t, want, contents(t, again.active(words, seen)), "and one its file")
	})
}

// unique leaves the last of those of one id.
func unique(some []thing) []thing {
	byID := map[string]thing{}
	for _, one := range some {
		byID[one.id] = one
	}
	some = some[:0]
	for _, one := range byID {
		some = append(some, one)
	}
	return some
}

// sizes counts the texts and pictures that there are.
func (p *process) sizes() (words, pictures int) {
	p.t.Helper()
	require.NoError(p.t, p.store.Query(p.t.Context(), func(rows *sql.Rows) error { return rows.Scan(&words, &pictures) },
		"SELECT COUNT(*) FILTER (WHERE words <> ''), COUNT(picture) FROM things"))
	return words, pictures
}

// settled waits until every vector is of what is there now, and read by the process.
func (p *process) settled() {
	p.t.Helper()
	eventually(p.t, "every vector is current", func() bool {
		open := 0
		err := p.store.Query(p.t.Context(), func(rows *sql.Rows) error { return rows.Scan(&open) },
			`SELECT COUNT(*) FROM embeddings e JOIN things t ON t.id = e.object_id WHERE e.job_id IS NOT NULL
				OR e.version < t.version AND NOT (e.side = 'PICTURE' AND e.content = 'k' || LENGTH(t.picture))`)
		return err == nil && open == 0
	})
	p.read()
}

// read waits until a process has read all events for processes.
func (p *process) read() {
	p.t.Helper()
	eventually(p.t, "every event is read", func() bool {
		last, open := int64(0), 0
		err := p.store.Query(p.t.Context(), func(rows *sql.Rows) error { return rows.Scan(&last, &open) },
			"SELECT COALESCE(MAX(position), 0), COUNT(*) FILTER (WHERE position IS NULL) FROM events WHERE audience = ? AND type <> ?", indexing.Audience, indexing.TypeVectorsWritten)
		return err == nil && open == 0 && p.follower.Position() >= last
	})
}

// A process that was away takes its file and what changed meanwhile; one whose file is
// damaged, or too old for the log, reads the database.
func TestRestartTakesTheFile(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		folder := t.TempDir()
		p := w.start(folder, indexing.Config{})
		w.work("random", "clip-random")
		for i := range 20 {
			p.put(thing{id: fmt.Sprintf("thing_%02d", i), words: fmt.Sprint("words ", i), labels: "public"})
		}
		id := p.active(20, 0).ID
		p.settled()
		p.stop()
		file := filepath.Join(folder, id, "thing-WORDS.vectors")
		require.FileExists(t, file)
		away := w.open("", indexing.Config{})
		away.delete("thing_00")
		away.put(thing{id: "thing_01", words: "words 1", labels: "owner:user_1"})
		// A vector that only the file has: so it is seen that it was read.
		_, err := away.store.Exec(t.Context(), "DELETE FROM embeddings WHERE object_id = 'thing_02'")
		require.NoError(t, err)
		p = w.open(folder, indexing.Config{})
		p.runFollower()
		g := p.active(19, 0)
		// Its event may come in a later round than the deletion's.
		require.Eventually(t, func() bool {
			return slices.Equal([]string{"thing_01"}, found(t, g, indexing.Words, vector.Filter{{"owner:user_1"}}))
		}, patience, time.Millisecond)
		assert.Contains(t, found(t, g, indexing.Words, nil), "thing_02")
		p.stop()
		require.NoError(t, os.Truncate(file, 100))
		p = w.open(folder, indexing.Config{})
		p.runFollower()
		g = p.active(18, 0)
		assert.NotContains(t, found(t, g, indexing.Words, nil), "thing_02", "read from the database")
		p.stop()
		require.FileExists(t, file)
		// The log has forgotten what happened since.
		away.delete("thing_03")
		require.NoError(t, away.positioned())
		_, err = away.store.Exec(t.Context(), "DELETE FROM events")
		require.NoError(t, err)
		_, err = away.store.Exec(t.Context(), "UPDATE event_log SET trimmed = 100000")
		require.NoError(t, err)
		p = w.open(folder, indexing.Config{})
		p.runFollower()
		p.active(17, 0)
	})
}

// positioned gives events their positions without a relay.
func (p *process) positioned() error {
	_, err := p.log.Position(p.t.Context(), 100_000)
	return err
}

// runFollower runs what follows alone, without who keeps the database current.
func (p *process) runFollower() {
	for _, run := range []func(context.Context) error{p.relay.Run, p.hub.Run, p.follower.Run} {
		p.stops = append(p.stops, background(p.t, run))
	}
}
