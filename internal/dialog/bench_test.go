package dialog_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/audit"
	"parley/internal/batch"
	"parley/internal/dialog"
	"parley/internal/event"
	"parley/internal/page"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

var sentence = strings.Repeat("What a customer says to a chatbot is a few sentences long. ", 4)

// benchRoom is a service on a database of its own.
func benchRoom(b *testing.B, url string, flushes *atomic.Int64) *room {
	s := dbtest.Open(b, url)
	log, err := event.Open(b.Context(), s)
	require.NoError(b, err)
	return &room{t: b, store: s, log: log, Service: dialog.New(s, log, audit.New(s, 0, nil), dialog.Config{
		Observe: func(batch.Flush) { flushes.Add(1) },
	})}
}

func eachDialect(b *testing.B, bench func(b *testing.B, url string)) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		b.Run(name, func(b *testing.B) { bench(b, url(b)) })
	}
}

// callers makes b.N calls from 64 goroutines and reports items a second.
func callers(b *testing.B, items int, call func(n int64) error) {
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := call(n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N*items)/b.Elapsed().Seconds(), "items/s")
}

func BenchmarkPush(b *testing.B) {
	eachDialect(b, func(b *testing.B, url string) {
		var flushes atomic.Int64
		r := benchRoom(b, url, &flushes)
		ctx := key(b, owner)
		callers(b, 1, func(n int64) error {
			_, err := r.Push(ctx, input(n%1000, n, sentence))
			return err
		})
		b.ReportMetric(float64(b.N)/float64(flushes.Load()), "items/tx")
	})
}

func BenchmarkPushAll(b *testing.B) {
	eachDialect(b, func(b *testing.B, url string) {
		var flushes atomic.Int64
		r := benchRoom(b, url, &flushes)
		ctx := key(b, owner)
		callers(b, dialog.MaxPush, func(n int64) error {
			items := make([]*dialog.PushInput, dialog.MaxPush)
			for i := range items {
				items[i] = ptr(input(n, n*dialog.MaxPush+int64(i), sentence))
			}
			results, err := r.PushAll(ctx, items)
			for _, r := range results {
				if r.Err != nil {
					return r.Err
				}
			}
			return err
		})
		b.ReportMetric(float64(b.N*dialog.MaxPush)/float64(flushes.Load()), "items/tx")
	})
}

// fill plants n approved dialogs of 50 customers and 5 languages.
func (r *room) fill(n int) {
	r.t.Helper()
	const languages = "CASE n % 5 WHEN 0 THEN 'en' WHEN 1 THEN 'es' WHEN 2 THEN 'fr' WHEN 3 THEN 'de' ELSE 'pt-BR' END"
	if r.store.Postgres() {
		r.exec(`INSERT INTO dialogs (id, created_at, dialog_id, customer_id, owner_id, language, text, approved, approved_at)
			SELECT 'dlg_01M' || lpad(n::text, 23, '0'), ?::timestamptz + n * interval '1 ms', n, n % 50, 'user_owner', `+languages+`, ?, true, now()
			FROM generate_series(1, ?::int) AS n`, store.Now().Add(-24*time.Hour), sentence, n)
		r.exec("VACUUM ANALYZE dialogs")
		return
	}
	r.exec(`WITH RECURSIVE numbers(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
		INSERT INTO dialogs (id, created_at, dialog_id, customer_id, owner_id, language, text, approved)
		SELECT printf('dlg_01M%023d', n), strftime('%Y-%m-%d %H:%M:%f', '2026-01-01', (n / 1000.0) || ' seconds') || '+00:00', n, n % 50, 'user_owner', `+languages+`, ?, true
		FROM numbers`, n, sentence)
}

func BenchmarkList(b *testing.B) {
	for _, first := range []int{10, 100} {
		for _, what := range []string{"all", "language", "customer"} {
			b.Run(fmt.Sprintf("%d/%s", first, what), func(b *testing.B) {
				eachDialect(b, func(b *testing.B, url string) {
					var flushes atomic.Int64
					r := benchRoom(b, url, &flushes)
					r.fill(100_000)
					f := dialog.Filter{}
					switch what {
					case "language":
						f.Language = ptr("es")
					case "customer":
						f.CustomerID = ptr("7")
					}
					ctx := analyst(b)
					top, err := r.List(ctx, dialog.Filter{}, page.Args{First: ptr(100)})
					require.NoError(b, err)
					callers(b, 1, func(n int64) error {
						args := page.Args{First: &first, After: &top.Edges[n%100].Cursor}
						p, err := r.List(ctx, f, args)
						if err == nil && len(p.Edges) < min(first, 99) {
							b.Errorf("%d dialogs", len(p.Edges))
						}
						return err
					})
				})
			})
		}
	}
}
