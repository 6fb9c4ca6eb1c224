package indexing_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/indexing"
	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/internal/vector"
)

func (p *process) index(id string) *indexing.Index {
	p.t.Helper()
	index, err := p.Get(admin(p.t), id)
	require.NoError(p.t, err)
	return index
}

func (p *process) becomes(id string, s indexing.State) *indexing.Index {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%s becomes %s", id, s), func() bool { return p.index(id).State == s })
	return p.index(id)
}

// answers waits until a process answers with an index.
func (p *process) answers(id string) *indexing.Generation {
	p.t.Helper()
	var g *indexing.Generation
	eventually(p.t, "it answers with "+id, func() bool {
		var ok bool
		g, ok = p.follower.Active()
		return ok && g.ID == id
	})
	return g
}

func (p *process) code(code apperr.Code, err error) {
	p.t.Helper()
	require.Error(p.t, err)
	assert.Equal(p.t, code, apperr.CodeOf(err), "%v", err)
}

// Another model's index is built beside the one that answers, which answers all the time;
// the switch and the way back are one step in every process.
func TestModelIsChangedWithoutAnOutage(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		asked := []string{"red apple", "words 3", "nothing"}
		cfg := indexing.Config{
			Model: "clip-random",
			Embed: func(ctx context.Context, digest, text string) ([]float32, error) {
				if text == "nothing" {
					return nil, errors.New("no vector came in time")
				}
				return asking(text), nil
			},
			Queries: func(context.Context, int) ([]string, error) { return asked, nil },
			Judgements: func(context.Context, int) ([]indexing.Judged, error) {
				return []indexing.Judged{{Query: "red apple", Good: []string{"thing_03"}}}, nil
			},
		}
		p := w.start("", cfg)
		processes := []*process{p}
		if p.store.Postgres() {
			processes = append(processes, w.start("", cfg))
		}
		w.work("random", "clip-random")
		for i := range 25 {
			p.put(thing{id: fmt.Sprintf("thing_%02d", i), words: fmt.Sprint("words ", i), labels: "public", picture: drawing(t, 20, uint64(i))})
		}
		old := p.active(25, 25).ID
		_, _, err := p.Rebuild(admin(t), "bert-random")
		p.code(apperr.NotFound, err)
		_, _, err = p.Rebuild(admin(t), "clip-random")
		p.code(apperr.Conflict, err)
		w.work("random", "bert-random")
		var made *indexing.Index
		eventually(t, "the worker is known", func() bool { made, _, err = p.Rebuild(admin(t), "bert-random"); return err == nil })
		assert.Equal(t, indexing.Building, made.State)
		ready := p.becomes(made.ID, indexing.Ready)
		assert.Equal(t, []int{25, 25, 0}, []int{ready.Total, ready.Done, ready.Failed}, "it reads texts alone")
		var report *indexing.Report
		eventually(t, "there is a report", func() bool {
			report, err = indexing.ReportOf(p.index(made.ID))
			return err == nil && report != nil
		})
		assert.Equal(t, []int{25, 25, 0, 2, 1}, []int{report.CountIn, report.CountOut, report.Failed, report.Queries, report.Judged})
		assert.Equal(t, old, report.ComparedWith)
		require.NotNil(t, report.Overlap)
		first := func(g *indexing.Generation, ok bool) []string { require.True(t, ok); return top(t, g, asked[0]) }
		share := 0.0
		for _, id := range first(p.follower.Generation(made.ID)) {
			if slices.Contains(first(p.follower.Generation(old)), id) {
				share += 0.1
			}
		}
		for _, c := range report.Changes {
			if c.Query == asked[0] {
				assert.InDelta(t, share, c.Overlap, 1e-9)
			}
		}
		assert.True(t, share == 1 || len(report.Changes) > 0)
		require.NotNil(t, report.NdcgBefore)
		require.NotNil(t, report.NdcgAfter)
		var silent atomic.Int64
		watching, stop := context.WithCancel(t.Context())
		defer stop()
		for _, one := range processes {
			assert.Equal(t, old, one.answers(old).ID, "it answers meanwhile")
			background(t, func(context.Context) error { return one.watch(watching, &silent) })
		}
		for _, id := range []string{made.ID, old, made.ID} {
			now, _, err := p.Switch(admin(t), id)
			require.NoError(t, err)
			assert.Equal(t, indexing.Active, now.State)
			for _, one := range processes {
				one.answers(id)
			}
		}
		stop()
		assert.Zero(t, silent.Load(), "a search found nothing to answer it")
		assert.Equal(t, indexing.Retired, p.index(old).State)
		_, _, err = p.Switch(admin(t), made.ID)
		require.NoError(t, err, "again")
		_, err = p.Delete(admin(t), made.ID)
		p.code(apperr.Conflict, err)
		_, err = p.Delete(admin(t), old)
		require.NoError(t, err)
		_, err = p.Delete(admin(t), old)
		p.code(apperr.NotFound, err)
		for _, one := range processes {
			eventually(t, "it left the memory", func() bool { _, ok := one.follower.Generation(old); return !ok })
		}
		eventually(t, "and the database", func() bool { return p.rows("index_id = ?", old) == 0 })
		if w.shared != nil {
			eventually(t, "and that of the vectors", func() bool { return w.tables(old) == 0 && w.tables(made.ID) > 0 })
		}
	})
}

// asking is a vector for a query of the tests.
func asking(text string) []float32 {
	v := make([]float32, 64)
	v[len(text)%64], v[0] = 1, 0.5
	return v
}

// top gives the first ten hits for a query, by the higher score of both sides.
func top(t testing.TB, g *indexing.Generation, query string) []string {
	t.Helper()
	best := map[string]float64{}
	for _, side := range []indexing.Side{indexing.Words, indexing.Picture} {
		hits, err := g.Search(t.Context(), "thing", side, vector.Query{Vector: asking(query), K: 100})
		require.NoError(t, err)
		for _, h := range hits {
			if s, ok := best[h.ID]; !ok || h.Score > s {
				best[h.ID] = h.Score
			}
		}
	}
	ids := slices.SortedFunc(maps.Keys(best), func(a, b string) int { return cmp.Or(cmp.Compare(best[b], best[a]), cmp.Compare(a, b)) })
	return ids[:10]
}

// watch searches all the time and counts when nothing answers.
func (p *process) watch(ctx context.Context, silent *atomic.Int64) error {
	for ctx.Err() == nil {
		g, ok := p.follower.Active()
		if !ok {
			silent.Add(1)
			continue
		}
		hits, err := g.Search(ctx, "thing", indexing.Words, vector.Query{Vector: axis(g.Dimensions), K: 25})
		if ctx.Err() == nil && (err != nil || len(hits) != 25) {
			silent.Add(1)
		}
	}
	return nil
}

func (p *process) vectorsOf(index string) int {
	p.t.Helper()
	return p.rows("index_id = ? AND vector IS NOT NULL", index)
}

// rows counts embeddings.
func (p *process) rows(condition string, args ...any) (n int) {
	p.t.Helper()
	require.NoError(p.t, p.store.Query(p.t.Context(), func(rows *sql.Rows) error { return rows.Scan(&n) },
		"SELECT COUNT(*) FROM embeddings WHERE "+condition, args...))
	return n
}

// What can't be embedded is listed with its reason, and keeps nobody else from a vector:
// in = out.
func TestFailuresAreListed(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		p := w.start("", indexing.Config{})
		for i := range 4 {
			p.put(thing{id: fmt.Sprintf("thing_%d", i), words: fmt.Sprint("words ", i), labels: "public", picture: drawing(t, 400, uint64(i))})
		}
		p.put(thing{id: "thing_8", words: strings.Repeat("long ", 1000), labels: "public", picture: []byte("no picture")})
		w.work("random", "clip-random")
		g := p.active(5, 4)
		index := p.becomes(g.ID, indexing.Active)
		assert.Equal(t, []int{10, 9, 1}, []int{index.Total, index.Done, index.Failed})
		failures, err := p.Failures(admin(t), g.ID, 10)
		require.NoError(t, err)
		require.Len(t, failures, 1)
		assert.Equal(t, "thing_8", failures[0].ObjectID)
		assert.Equal(t, indexing.Picture, failures[0].Side)
		assert.Contains(t, failures[0].Message, "can't be read")
		p.put(thing{id: "thing_8", words: "short", labels: "public", picture: drawing(t, 410, 3)})
		p.active(5, 5)
		eventually(t, "no failure is left", func() bool { return p.index(g.ID).Failed == 0 })
		for _, wrong := range []int{0, indexing.MaxFailures + 1} {
			_, err = p.Failures(admin(t), g.ID, wrong)
			p.code(apperr.BadInput, err)
		}
	})
}

// The worker is killed in the middle, and the next one ends the work: nothing is lost.
func TestKilledWorkerLosesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		p := w.start("", indexing.Config{})
		for i := range 40 {
			some := make([]thing, 50)
			for j := range some {
				some[j] = thing{id: fmt.Sprintf("thing_%04d", i*50+j), words: strings.Repeat(fmt.Sprint("words ", i*j, " "), 20), labels: "public"}
			}
			p.put(some...)
		}
		for range 2 {
			before := p.done()
			kill := w.hire("random", "clip-random")
			eventually(t, "some of it is done", func() bool { return p.done() > before })
			kill()
		}
		assert.Less(t, p.done(), 2000, "it was killed in the middle")
		w.work("random", "clip-random")
		g := p.active(2000, 0)
		eventually(t, "it is counted", func() bool { i := p.index(g.ID); return i.Total == 2000 && i.Done == 2000 && i.Failed == 0 })
	})
}

func (p *process) done() int {
	p.t.Helper()
	return p.rows("vector IS NOT NULL")
}

// hire runs a worker in a process of its own, which kill gives no chance to say anything.
func (w *world) hire(path ...string) (kill func()) {
	w.t.Helper()
	c := exec.Command(os.Args[0]) //nolint:gosec // the test's own binary
	c.Env = append(os.Environ(), workerAt+"="+w.nats.URL(), modelAt+"="+testkit.Shared(w.t, append([]string{"models"}, path...)...), libraryAt+"="+testkit.ONNX(w.t))
	c.Stderr = w.t.Output()
	require.NoError(w.t, c.Start())
	kill = func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	}
	w.t.Cleanup(kill)
	return kill
}

// An index whose model is gone for good waits, is deleted, and leaves no job.
func TestModelThatIsGone(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		p := w.start("", indexing.Config{})
		p.put(thing{id: "thing_1", words: "words", labels: "public"})
		stop := w.work("random", "bert-random")
		g := p.active(1, 0)
		stop()
		p.put(thing{id: "thing_2", words: "other words", labels: "public"})
		hits := found(t, g, indexing.Words, nil)
		assert.Equal(t, []string{"thing_1"}, hits, "it answers without its model")
		_, err := p.Delete(admin(t), g.ID)
		p.code(apperr.Conflict, err)
		w.work("random", "clip-random")
		var made *indexing.Index
		eventually(t, "the worker is known", func() bool { made, _, err = p.Rebuild(admin(t), "clip-random"); return err == nil })
		p.becomes(made.ID, indexing.Ready)
		_, _, err = p.Switch(admin(t), made.ID)
		require.NoError(t, err)
		assert.Len(t, found(t, p.answers(made.ID), indexing.Words, nil), 2)
		_, err = p.Delete(admin(t), g.ID)
		require.NoError(t, err)
		ctx := auth.System(t.Context(), "test")
		jobs, err := p.store.Client(ctx).Job.Query().All(ctx)
		require.NoError(t, err)
		for _, j := range jobs {
			assert.Equal(t, jobspec.KindEmbed, j.Kind)
			if j.ParentID == g.ID {
				assert.Contains(t, []string{"SUCCEEDED", "CANCELLED"}, string(j.State))
			}
		}
	})
}
