package feedback_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/feedback"
	"parley/internal/page"
	"parley/internal/store"
)

// plant writes scores without votes: n queries with some stickers each.
func (r *room) plant(queries int, stickers []string, at func(query, sticker int) time.Time) {
	r.t.Helper()
	for q := range queries {
		text := fmt.Sprintf("query %d", q)
		id := feedback.QueryID(text)
		ctx := auth.System(r.t.Context(), "test")
		require.NoError(r.t, r.store.Tx(ctx, func(ctx context.Context) error {
			if _, err := r.store.Exec(ctx, "INSERT INTO search_queries (id, created_at, text, text_key, usage, votes, positives, last_at, listed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, TRUE)",
				id, store.Now(), text, []byte(text), q, 2*len(stickers), 2*len(stickers), store.Now()); err != nil {
				return err
			}
			_, err := r.store.InsertRows(ctx, "INSERT INTO query_scores (id, query_id, sticker_id, positives, negatives, weight_pos, updated_at) VALUES ", "(?, ?, ?, 2, 0, 2, ?)", "",
				len(stickers), func(i int, args []any) []any {
					return append(args, fmt.Sprintf("qs_%07d_%05d", q, i), id, stickers[i], at(q, i))
				})
			return err
		}))
	}
}

func (r *room) stickers(n int) (ids []string) {
	for i := range n {
		ids = append(ids, r.sticker(fmt.Sprintf("%d.png", i)))
	}
	return ids
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// One statement for each row, no pages, one query at a time, no time: so it was there.
func TestS7FeedbackIsPagedJoinedOnceAndHasATime(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		ids := r.stickers(20)
		// Stickers of even numbers have equal times, by which ties show.
		r.plant(3, ids, func(q, s int) time.Time { return noon.Add(time.Duration(q*100+s/2) * time.Minute) })
		all := func(f feedback.Filter, size int) (names []string) {
			for after := (*string)(nil); ; {
				p, err := r.List(analyst(t), f, page.Args{First: &size, After: after})
				require.NoError(t, err)
				for i, e := range p.Edges {
					names = append(names, e.Node.Query.Text+"/"+e.Node.Sticker.Name)
					after = &p.Edges[i].Cursor
				}
				if !p.HasNext {
					n, err := p.Count()
					require.NoError(t, err)
					require.Len(t, names, n)
					return names
				}
			}
		}
		whole := all(feedback.Filter{}, 100)
		require.Len(t, whole, 60)
		require.Equal(t, "query 2/19.png", whole[0], "the latest first")
		require.Equal(t, whole, all(feedback.Filter{}, 7))
		require.Equal(t, whole[20:40], all(feedback.Filter{Query: ptr("Query  1")}, 7))
		require.Equal(t, []string{"query 2/4.png", "query 1/4.png", "query 0/4.png"}, all(feedback.Filter{StickerID: &ids[4]}, 2))
		require.Equal(t, []string{"query 1/4.png"}, all(feedback.Filter{StickerID: &ids[4], Query: ptr("query 1")}, 2))
		since, until := noon.Add(105*time.Minute), noon.Add(200*time.Minute)
		require.Equal(t, whole[20:30], all(feedback.Filter{Since: &since, Until: &until}, 3))
		require.Equal(t, whole[20:30], all(feedback.Filter{Since: &since, Until: &until, Query: ptr("query 1")}, 3))
		last, err := r.List(analyst(t), feedback.Filter{Until: &until}, page.Args{Last: ptr(2)})
		require.NoError(t, err)
		require.Equal(t, "query 0/0.png", last.Edges[1].Node.Query.Text+"/"+last.Edges[1].Node.Sticker.Name)
		require.Empty(t, all(feedback.Filter{Query: ptr("never")}, 3))
		_, err = r.List(analyst(t), feedback.Filter{StickerID: ptr("x")}, page.Args{})
		refused(t, err, apperr.BadInput, "stickerId")
		_, err = r.List(analyst(t), feedback.Filter{Query: ptr(" ")}, page.Args{})
		refused(t, err, apperr.BadInput, "query")
	})
}

func TestOnlyTheTeamReads(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		key := auth.With(t.Context(), auth.Viewer{ID: ann, Role: auth.RoleAnalyst, Key: "key"})
		for who, ctx := range map[string]context.Context{"user": person(t, ann), "service": person(t, ann, auth.RoleService), "nobody": t.Context(), "key": key} {
			want := apperr.Forbidden
			if who == "nobody" {
				want = apperr.Unauthenticated
			}
			_, err := r.List(ctx, feedback.Filter{}, page.Args{})
			refused(t, err, want)
			_, err = r.Queries(ctx, feedback.QueryFilter{}, feedback.ByTime, page.Args{})
			refused(t, err, want)
			_, err = r.Timeline(ctx, noon, nil, feedback.Day)
			refused(t, err, want)
			_, err = r.Export(ctx, io.Discard, feedback.CSV, nil, nil)
			refused(t, err, want)
			_, err = r.Query(ctx, "sq_x")
			refused(t, err, want)
		}
		_, err := r.List(person(t, ann, auth.RoleAdmin), feedback.Filter{}, page.Args{})
		require.NoError(t, err)
	})
}

func TestQueriesAreListedByUseOrTimeAndByWhatIsWrongWithThem(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		cat := r.sticker("cat.png")
		for i, text := range []string{"a", "b", "c", "é", "a b"} {
			for range i + 1 {
				r.Counted(feedback.Search{Query: text, Hits: i % 2})
			}
			r.flush()
		}
		r.vote(person(t, ann), "a", []string{cat}, nil)
		r.vote(person(t, bob), "a", nil, []string{cat})
		r.vote(person(t, bob), "c", nil, []string{cat})
		r.vote(person(t, bob), "voted on only", nil, []string{cat})
		require.Equal(t, []string{"a b 5/5", "é 4/0", "c 3/3", "b 2/0", "a 1/1", "voted on only 0/0"}, r.queries(feedback.QueryFilter{}))
		require.Equal(t, []string{"a b 5/5", "c 3/3", "a 1/1"}, r.queries(feedback.QueryFilter{NoResult: true}))
		require.Equal(t, []string{"c 3/3", "voted on only 0/0"}, r.queries(feedback.QueryFilter{OnlyNegative: true}))
		require.Equal(t, []string{"a b 5/5", "a 1/1"}, r.queries(feedback.QueryFilter{Prefix: ptr(" A")}))
		require.Equal(t, []string{"é 4/0"}, r.queries(feedback.QueryFilter{Prefix: ptr("É")}))
		require.Empty(t, r.queries(feedback.QueryFilter{Until: ptr(store.Now().Add(-time.Hour))}))
		require.Len(t, r.queries(feedback.QueryFilter{Since: ptr(store.Now().Add(-time.Hour))}), 6)
		for _, by := range []feedback.QueryOrder{feedback.ByUsage, feedback.ByTime} {
			var texts []string
			for after := (*string)(nil); ; {
				p, err := r.Queries(analyst(t), feedback.QueryFilter{}, by, page.Args{First: ptr(2), After: after})
				require.NoError(t, err)
				for i, e := range p.Edges {
					texts, after = append(texts, e.Node.Text), &p.Edges[i].Cursor
				}
				if !p.HasNext {
					break
				}
			}
			want := []string{"a b", "é", "c", "b", "a", "voted on only"}
			if by == feedback.ByTime {
				want = []string{"voted on only", "a b", "é", "c", "b", "a"}
			}
			require.Equal(t, want, texts)
		}
		_, err := r.Queries(analyst(t), feedback.QueryFilter{Prefix: ptr("a\x00")}, feedback.ByTime, page.Args{})
		refused(t, err, apperr.BadInput, "filter", "prefix")
	})
}

func TestATimelineHasEveryBucket(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		hour := func(at time.Time) int64 { return at.Unix() / 3600 }
		for at, n := range map[time.Time]int{noon: 1, noon.Add(-time.Hour): 2, noon.Add(-24 * time.Hour): 4, noon.Add(-6 * 24 * time.Hour): 8} {
			_, err := r.store.Exec(t.Context(), "INSERT INTO search_hours (id, searches, empty, degraded, votes, chosen) VALUES (?, ?, ?, 0, ?, 1)", hour(at), n, n-1, 10*n)
			require.NoError(t, err)
		}
		line := func(bucket feedback.Bucket, since, until time.Time) (lines []string) {
			all, err := r.Timeline(analyst(t), since, &until, bucket)
			require.NoError(t, err)
			for _, p := range all {
				lines = append(lines, fmt.Sprint(p.At.Format("02T15"), " ", p.Searches, p.Empty, p.Votes, p.Chosen))
			}
			return lines
		}
		require.Equal(t, []string{"20T10 0 0 0 0", "20T11 2 1 20 1", "20T12 1 0 10 1"}, line(feedback.Hour, noon.Add(-90*time.Minute), noon.Add(time.Minute)))
		require.Equal(t, []string{"20T11 2 1 20 1"}, line(feedback.Hour, noon.Add(-time.Hour), noon))
		require.Equal(t, []string{"19T00 4 3 40 1", "20T00 3 1 30 2"}, line(feedback.Day, noon.Add(-24*time.Hour), noon.Add(time.Minute)))
		// 2026-11-20 is a Friday.
		require.Equal(t, []string{"09T00 8 7 80 1", "16T00 7 4 70 3"}, line(feedback.Week, noon.Add(-7*24*time.Hour), noon.Add(time.Minute)))
		require.Len(t, line(feedback.Day, time.Unix(-86400*3, 0), time.Unix(86400, 0)), 4)
		_, err := r.Timeline(analyst(t), noon, ptr(noon), feedback.Day)
		refused(t, err, apperr.BadInput, "until")
		_, err = r.Timeline(analyst(t), noon.Add(-1001*time.Hour), ptr(noon), feedback.Hour)
		refused(t, err, apperr.BadInput, "since")
	})
}

func TestS7EverythingCanBeDownloaded(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		evil := r.sticker(`=cmd|"x".png`)
		r.vote(person(t, ann), "+1 \"cat\",\n dog", []string{evil}, nil)
		r.plant(30, r.stickers(40), func(q, s int) time.Time { return noon.Add(time.Duration(q) * time.Hour) })
		var table, lines bytes.Buffer
		n, err := r.Export(analyst(t), &table, feedback.CSV, nil, nil)
		require.NoError(t, err)
		require.Equal(t, 1201, n)
		rows, err := csv.NewReader(&table).ReadAll()
		require.NoError(t, err)
		require.Equal(t, []string{"query", "usage", "stickerId", "sticker", "positives", "negatives", "updatedAt"}, rows[0])
		require.Len(t, rows, 1202)
		seen := map[string]bool{}
		for _, row := range rows[1:] {
			seen[row[0]+"/"+row[2]] = true
			for _, c := range row {
				require.NotContains(t, "=+-@", c[:1])
			}
		}
		require.Len(t, seen, 1201, "each once")
		require.True(t, seen["'+1 \"cat\", dog/"+evil])
		since, until := noon.Add(time.Hour), noon.Add(3*time.Hour)
		n, err = r.Export(auth.System(t.Context(), "test"), &lines, feedback.JSONL, &since, &until)
		require.NoError(t, err)
		require.Equal(t, 80, n)
		var one struct {
			Query, Sticker, UpdatedAt string
			Usage, Positives          int
		}
		require.NoError(t, json.NewDecoder(&lines).Decode(&one))
		require.Equal(t, "2026-11-20T13:00:00Z", one.UpdatedAt)
		require.Equal(t, 1, one.Usage)
		require.Equal(t, 2, one.Positives)
		lines.Reset()
		n, err = r.Export(analyst(t), &lines, feedback.CSV, &until, &since)
		require.NoError(t, err)
		require.Zero(t, n)
		require.Equal(t, 1, strings.Count(lines.String(), "\n"), "the header alone")
		_, err = r.Export(analyst(t), &lines, "xml", nil, nil)
		refused(t, err, apperr.BadInput, "format")
	})
}

// sink measures what is held while a download is written to it.
type sink struct {
	writes int
	most   uint64
}

func (s *sink) Write(p []byte) (int, error) {
	if s.writes++; s.writes%50 == 0 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		s.most = max(s.most, m.HeapAlloc)
	}
	return len(p), nil
}

func TestTopicsReachAnalystsOnceForEachQuery(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		cat, dog := r.sticker("cat.png"), r.sticker("dog.png")
		r.report(person(t, ann), item("a", []string{cat, dog}, nil), item("b", nil, []string{cat}))
		heard := map[string]int{}
		for _, e := range r.events() {
			heard[e.Type+" "+e.Audience+" "+e.Object]++
			require.Empty(t, e.State+e.Parent)
			require.True(t, feedback.OfScores(e))
			require.Contains(t, feedback.Audiences(), e.Audience)
		}
		require.Equal(t, map[string]int{
			"SearchFeedbackChanged r:ANALYST " + feedback.QueryID("a"): 1, "SearchFeedbackChanged r:ANALYST " + feedback.QueryID("b"): 1,
		}, heard)
		before := len(r.events())
		r.report(person(t, ann), item("a", []string{cat, dog}, nil))
		require.Len(t, r.events(), before, "nothing changed")
		q, err := r.Query(analyst(t), feedback.QueryID("b"))
		require.NoError(t, err)
		require.Equal(t, "b", q.Text)
	})
}
