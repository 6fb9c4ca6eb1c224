package feed_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/auth"
	"parley/internal/feed"
	"parley/internal/page"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// BenchmarkHome reads the first page of a feed of somebody who follows so many, each of whom
// has 20 posts, with timelines and without. It reports the 99th percentile.
func BenchmarkHome(b *testing.B) {
	for _, url := range []string{"sqlite", "postgres"} {
		for _, followees := range []int{10, 1000, 10_000} {
			for _, timeline := range []int{1000, 0} {
				b.Run(fmt.Sprint(url, "/followees=", followees, "/timeline=", timeline), func(b *testing.B) {
					at := dbtest.SQLite
					if url == "postgres" {
						at = dbtest.Postgres
					}
					r := newRoom(b, dbtest.Open(b, at(b)), feed.Config{Timeline: timeline, Fanout: 5000})
					viewer := r.crowd(followees, 20)
					home := func() {
						h, err := r.Home(viewer, feed.HomeArgs{Args: page.Args{First: ptr(20)}})
						require.NoError(b, err)
						require.Len(b, h.Edges, 20)
					}
					home()
					_, err := r.store.Exec(b.Context(), "ANALYZE") // as autovacuum does after so much that is new
					require.NoError(b, err)
					var took []time.Duration
					for b.Loop() {
						start := time.Now()
						home()
						took = append(took, time.Since(start))
					}
					slices.Sort(took)
					b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
				})
			}
		}
	}
}

// BenchmarkPublish publishes a post to so many followers who have timelines.
func BenchmarkPublish(b *testing.B) {
	for _, url := range []string{"sqlite", "postgres"} {
		for _, followers := range []int{10, 1000, 5000, 5001} {
			b.Run(fmt.Sprint(url, "/followers=", followers), func(b *testing.B) {
				at := dbtest.SQLite
				if url == "postgres" {
					at = dbtest.Postgres
				}
				r := newRoom(b, dbtest.Open(b, at(b)), feed.Config{Timeline: 1000, Fanout: 5000})
				author := r.one("author")
				r.insert("INSERT INTO follows (created_at, follower_id, followee_id, merged) VALUES ", "(?, ?, ?, ?)", followers, func(i int, args []any) []any {
					return append(args, time.Now(), fmt.Sprint("user_", i), author.id, false)
				})
				r.insert("INSERT INTO feed_authors (id, followers) VALUES ", "(?, ?)", 1, func(_ int, args []any) []any { return append(args, author.id, followers) })
				for b.Loop() {
					author.post("p")
				}
			})
		}
	}
}

// crowd makes a viewer who follows so many authors with so many posts each.
func (r *room) crowd(followees, posts int) context.Context {
	r.t.Helper()
	viewer := store.NewID("user")
	now := store.Now().Add(-time.Hour)
	r.insert("INSERT INTO follows (created_at, follower_id, followee_id, merged) VALUES ", "(?, ?, ?, ?)", followees, func(i int, args []any) []any {
		return append(args, now, viewer, fmt.Sprint("user_", i), false)
	})
	r.insert("INSERT INTO posts (id, created_at, author_id, title, content, like_count, version) VALUES ", "(?, ?, ?, 't', 'c', 0, 1)", followees*posts,
		func(i int, args []any) []any {
			return append(args, store.NewID("post"), now.Add(time.Duration(i)*time.Microsecond), fmt.Sprint("user_", i%followees))
		})
	return auth.With(r.t.Context(), auth.Viewer{ID: viewer, Role: auth.RoleUser, Session: "s"})
}

func (r *room) insert(head, row string, n int, add func(i int, args []any) []any) {
	r.t.Helper()
	require.NoError(r.t, r.store.Tx(r.t.Context(), func(ctx context.Context) error {
		_, err := r.store.InsertRows(ctx, head, row, "", n, add)
		return err
	}))
}
