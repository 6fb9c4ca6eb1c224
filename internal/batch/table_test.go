package batch_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/batch"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// row is what the tests write. Nothing keeps an id from being there twice, so
// that doubles show; a negative size is refused by the database.
type row struct {
	id   string
	size int64
}

const bad = -1

func createRows(t testing.TB, s *store.Store) {
	t.Helper()
	_, err := s.Exec(t.Context(), "CREATE TABLE rows_of_a_test (id TEXT NOT NULL, size BIGINT NOT NULL CHECK (size >= 0))")
	require.NoError(t, err)
}

// insert writes rows with one statement, which has the same words for any
// number of them.
func insert(ctx context.Context, s *store.Store, rows []row) error {
	if s.Postgres() {
		ids, sizes := make([]string, len(rows)), make([]int64, len(rows))
		for i, r := range rows {
			ids[i], sizes[i] = r.id, r.size
		}
		_, err := s.Exec(ctx, "INSERT INTO rows_of_a_test (id, size) SELECT * FROM unnest(?::text[], ?::bigint[])", ids, sizes)
		return err
	}
	pairs := make([][2]any, len(rows))
	for i, r := range rows {
		pairs[i] = [2]any{r.id, r.size}
	}
	list, err := json.Marshal(pairs)
	if err != nil {
		return err
	}
	_, err = s.Exec(ctx, "INSERT INTO rows_of_a_test (id, size) SELECT value ->> 0, value ->> 1 FROM json_each(?)", string(list))
	return err
}

// inserting is a Commit that answers each row with its size.
func inserting(s *store.Store) func(context.Context, []row) ([]batch.Result[int64], error) {
	return func(ctx context.Context, rows []row) ([]batch.Result[int64], error) {
		return sizes(rows), insert(ctx, s, rows)
	}
}

func sizes(rows []row) []batch.Result[int64] {
	results := make([]batch.Result[int64], len(rows))
	for i, r := range rows {
		results[i].Value = r.size
	}
	return results
}

// stored gives how often each id is in the database.
func stored(t testing.TB, s *store.Store) map[string]int {
	t.Helper()
	times := map[string]int{}
	require.NoError(t, s.Query(context.WithoutCancel(t.Context()), func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		times[id]++
		return err
	}, "SELECT id FROM rows_of_a_test"))
	return times
}

func once(ids ...string) map[string]int {
	times := map[string]int{}
	for _, id := range ids {
		times[id] = 1
	}
	return times
}

// onRows runs a test on both databases, with the table of rows.
func onRows(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		createRows(t, s)
		test(t, s)
	})
}

// gate is a Commit that shows the rows of each transaction and then waits to be
// let through.
type gate struct {
	t      *testing.T
	shown  chan []row
	passes chan struct{}
	then   func(context.Context, []row) ([]batch.Result[int64], error)
}

func newGate(t *testing.T, s *store.Store) *gate {
	g := &gate{t: t, shown: make(chan []row, 1000), passes: make(chan struct{}, 1000), then: inserting(s)}
	t.Cleanup(func() { close(g.passes) })
	return g
}

func (g *gate) commit(ctx context.Context, rows []row) ([]batch.Result[int64], error) {
	g.shown <- rows
	<-g.passes
	return g.then(ctx, rows)
}

// next waits for a transaction and gives its rows' ids.
func (g *gate) next() (ids []string) {
	g.t.Helper()
	for _, r := range receive(g.t, g.shown) {
		ids = append(ids, r.id)
	}
	return ids
}

// open lets one transaction through.
func (g *gate) open() { g.passes <- struct{}{} }

func receive[V any](t *testing.T, from <-chan V) V {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}

type writer = batch.Writer[row, int64]

// until waits for n items to wait, which only their number shows: a call that waits
// has nothing to say.
func until(t *testing.T, w *writer, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return w.Waiting() == n }, patience, time.Millisecond)
}

// answer is what a call of Do returned.
type answer struct {
	results []batch.Result[int64]
	err     error
}

func (a answer) ok(t *testing.T) {
	t.Helper()
	require.NoError(t, a.err)
	for _, r := range a.results {
		require.NoError(t, r.Err)
	}
}

// begin calls Do and gives its answer later.
func begin(ctx context.Context, w *writer, rows ...row) <-chan answer {
	later := make(chan answer, 1)
	go func() {
		results, err := w.Do(ctx, rows...)
		later <- answer{results, err}
	}()
	return later
}

// line begins a call for each of ids, one after the other, behind the
// transaction that is under way.
func line(t *testing.T, w *writer, ids ...string) (later []<-chan answer) {
	t.Helper()
	for i, id := range ids {
		later = append(later, begin(t.Context(), w, row{id: id}))
		until(t, w, i+1)
	}
	return later
}

// flushes keeps what Observe is told.
type flushes struct {
	mu  sync.Mutex
	all []batch.Flush
}

func (f *flushes) observe(one batch.Flush) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, one)
}

func (f *flushes) list() []batch.Flush {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]batch.Flush(nil), f.all...)
}
