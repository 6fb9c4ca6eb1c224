package indexing

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"time"

	"parley/internal/vector"
)

// Bounds of a report.
const (
	// reportQueries is how many queries are asked of both indexes at most, and how many
	// that people judged.
	reportQueries = 200
	// reportDepth is how many hits are compared.
	reportDepth = 10
	// reportChanges is how many queries are listed.
	reportChanges = 20
	// reportFailures is after how many queries in a row without a vector no more are asked.
	reportFailures = 10
)

// Report says how the answers of an index differ from those of the one that is active.
type Report struct {
	ComparedWith string `json:"comparedWith"`
	// CountIn is how many texts and pictures there were, CountOut how many have a vector
	// or a failure, Failed how many of these are failures.
	CountIn  int `json:"countIn"`
	CountOut int `json:"countOut"`
	Failed   int `json:"failed"`
	// Queries is how many queries were asked of both; Overlap is the mean share of the
	// first ten hits that both have, nil without queries.
	Queries int      `json:"queries"`
	Overlap *float64 `json:"overlap,omitempty"`
	// Judged is how many queries with judgements there were. NdcgBefore and NdcgAfter are
	// the means of nDCG at 10 with what was called good as 1: Järvelin and Kekäläinen,
	// Cumulated gain-based evaluation of IR techniques, 2002.
	Judged     int      `json:"judged"`
	NdcgBefore *float64 `json:"ndcgBefore,omitempty"`
	NdcgAfter  *float64 `json:"ndcgAfter,omitempty"`
	// Changes are the queries whose first ten hits change most.
	Changes []*QueryChange `json:"changes"`
}

// QueryChange is a query that two indexes answer differently.
type QueryChange struct {
	Query   string  `json:"query"`
	Overlap float64 `json:"overlap"`
}

// ReportOf gives the report of an index, nil where there is none.
func ReportOf(index *Index) (*Report, error) {
	if len(index.Report) == 0 {
		return nil, nil //nolint:nilnil // an index without a report is no error
	}
	r := &Report{}
	if err := json.Unmarshal(index.Report, r); err != nil {
		return nil, fmt.Errorf("decode the report of the search index %s: %w", index.ID, err)
	}
	return r, nil
}

// comparison is between two generations, of which before answers.
type comparison struct {
	*Service
	before, after *Generation
	failures      int
}

// reportPatience is how long a report waits for vectors that the database has and this
// process does not, for example because they can't be searched.
const reportPatience = time.Minute

// behind tells that this process does not have all vectors of an index yet.
func (t *tending) behind(ctx context.Context, g *Generation, done int) bool {
	if t.reporting.IsZero() {
		t.reporting = time.Now()
	}
	have := 0
	for place := range g.shelves {
		have += g.Len(ctx, place.source, place.side)
	}
	return have < done && time.Since(t.reporting) < reportPatience
}

// reportOn makes the report of an index that is ready, once this process has both.
func (t *tending) reportOn(ctx context.Context) error {
	active, answers := t.Follower.Active()
	ready, there := t.Follower.Generation(t.index.ID)
	if !answers || !there || t.Embed == nil {
		return nil
	}
	c, err := t.count(ctx, t.index.ID)
	if err != nil || t.behind(ctx, ready, c.done) {
		return err
	}
	r := &Report{ComparedWith: active.ID, Changes: []*QueryChange{}}
	for _, source := range t.Sources {
		n, err := t.countSides(ctx, t.index, source)
		if err != nil {
			return err
		}
		r.CountIn += n
	}
	r.CountOut, r.Failed = c.done+c.failed, c.failed
	compared := &comparison{Service: t.Service, before: active, after: ready}
	if err := compared.overlaps(ctx, r); err != nil {
		return err
	}
	if err := compared.judge(ctx, r); err != nil {
		return err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode a report: %w", err)
	}
	return t.store.Tx(ctx, func(ctx context.Context) error {
		if err := t.setReport(ctx, t.index, data); err != nil {
			return err
		}
		return t.announce(ctx, false, t.index.ID, string(t.index.State), t.index.Version+1)
	})
}

// overlaps compares the first hits of queries.
func (c *comparison) overlaps(ctx context.Context, r *Report) error {
	if c.Queries == nil {
		return nil
	}
	queries, err := c.Queries(ctx, reportQueries)
	if err != nil {
		return fmt.Errorf("read queries for a report: %w", err)
	}
	sum := 0.0
	for _, q := range queries[:min(len(queries), reportQueries)] {
		old, now, ok, err := c.ask(ctx, q)
		if err != nil {
			return err
		}
		if ok {
			share := overlap(old, now)
			sum += share
			r.Queries++
			r.Changes = append(r.Changes, &QueryChange{q, share})
		}
	}
	slices.SortStableFunc(r.Changes, func(a, b *QueryChange) int { return cmp.Compare(a.Overlap, b.Overlap) })
	r.Changes = slices.DeleteFunc(r.Changes[:min(len(r.Changes), reportChanges)], func(q *QueryChange) bool { return q.Overlap == 1 })
	if r.Queries > 0 {
		mean := sum / float64(r.Queries)
		r.Overlap = &mean
	}
	return nil
}

// overlap is the share of the longer list that both have, 1 for two that are empty.
func overlap(a, b []string) float64 {
	most, both := max(len(a), len(b)), 0
	if most == 0 {
		return 1
	}
	for _, id := range a {
		if slices.Contains(b, id) {
			both++
		}
	}
	return float64(both) / float64(most)
}

// judge compares by what people said.
func (c *comparison) judge(ctx context.Context, r *Report) error {
	if c.Judgements == nil {
		return nil
	}
	all, err := c.Judgements(ctx, reportQueries)
	if err != nil {
		return fmt.Errorf("read judgements for a report: %w", err)
	}
	var before, after float64
	for _, j := range all[:min(len(all), reportQueries)] {
		if len(j.Good) == 0 {
			continue
		}
		old, now, ok, err := c.ask(ctx, j.Query)
		if err != nil {
			return err
		}
		if ok {
			r.Judged++
			before += ndcg(old, j.Good)
			after += ndcg(now, j.Good)
		}
	}
	if r.Judged > 0 {
		before, after = before/float64(r.Judged), after/float64(r.Judged)
		r.NdcgBefore, r.NdcgAfter = &before, &after
	}
	return nil
}

// ndcg is the normalised discounted cumulated gain of hits.
func ndcg(hits, good []string) float64 {
	gain, best := 0.0, 0.0
	for i := range min(len(good), reportDepth) {
		best += 1 / math.Log2(float64(i)+2)
	}
	for i, id := range hits {
		if slices.Contains(good, id) {
			gain += 1 / math.Log2(float64(i)+2)
		}
	}
	return gain / best
}

// ask gives the first hits of both generations; not ok where a query has no vector.
func (c *comparison) ask(ctx context.Context, query string) (old, now []string, ok bool, err error) {
	if c.failures >= reportFailures {
		return nil, nil, false, nil
	}
	for _, side := range []struct {
		g    *Generation
		hits *[]string
	}{{c.before, &old}, {c.after, &now}} {
		v, err := c.Embed(ctx, side.g.Digest, query)
		if err != nil {
			if ctx.Err() != nil {
				return nil, nil, false, ctx.Err()
			}
			c.failures++
			slog.Debug("a query is left out of a report", "index", side.g.ID, "error", err)
			return nil, nil, false, nil
		}
		if *side.hits, err = side.g.first(ctx, c.Sources, v); err != nil {
			return nil, nil, false, err
		}
	}
	c.failures = 0
	return old, now, true, nil
}

// first gives the objects of all sources that are nearest: an object's score is the higher
// one of its sides.
func (g *Generation) first(ctx context.Context, sources []Source, v []float32) ([]string, error) {
	scores := map[string]float64{}
	for _, source := range sources {
		for _, side := range source.Sides {
			hits, err := g.Search(ctx, source.Name, side, vector.Query{Vector: v, K: reportDepth})
			if err != nil {
				return nil, err
			}
			for _, h := range hits {
				if score, known := scores[h.ID]; !known || h.Score > score {
					scores[h.ID] = h.Score
				}
			}
		}
	}
	ids := slices.SortedFunc(maps.Keys(scores), func(a, b string) int {
		return cmp.Or(cmp.Compare(scores[b], scores[a]), cmp.Compare(a, b))
	})
	return ids[:min(len(ids), reportDepth)], nil
}
