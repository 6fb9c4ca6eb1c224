package search

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/auth"
	"parley/internal/feedback"
	"parley/internal/indexing"
	"parley/internal/search/ranking"
	"parley/internal/vector"
)

// neighbours is how many earlier queries share what was said of their answers, and
// farthest the cosine from which on they may.
const (
	neighbours = 16
	farthest   = 0.6
)

// Opinions holds in the memory of a process what people said of the answers to queries,
// and follows what changes of it.
type Opinions struct {
	Feedback *feedback.Service
	Watch    Watch

	mu       sync.RWMutex
	queries  map[string]feedback.Judgement
	revision atomic.Int64
}

// NewOpinions makes it empty; Run fills it.
func NewOpinions(f *feedback.Service, watch Watch) *Opinions {
	return &Opinions{Feedback: f, Watch: watch, queries: map[string]feedback.Judgement{}}
}

// votesWait is how long votes wait for others at most: popular queries have many, all of
// which are read for each.
const votesWait = 2 * time.Second

// Run follows until ctx ends.
func (o *Opinions) Run(ctx context.Context) error {
	return o.Watch.follow(auth.System(ctx, "search.follow"), "votes", votesWait, o.follow)
}

func (o *Opinions) follow(ctx context.Context, ids []string, all bool) error {
	if all {
		return o.reload(ctx)
	}
	for part := range slices.Chunk(ids, shelfPage) {
		found, err := o.Feedback.Judged(ctx, part...)
		if err != nil {
			return err
		}
		o.mu.Lock()
		for _, id := range part {
			delete(o.queries, id)
		}
		for _, j := range found {
			o.queries[j.ID] = j
		}
		o.mu.Unlock()
		o.revision.Add(1)
	}
	return nil
}

func (o *Opinions) reload(ctx context.Context) error {
	fresh := map[string]feedback.Judgement{}
	for after := ""; ; {
		part, err := o.Feedback.Judgements(ctx, after, shelfPage)
		if err != nil {
			return err
		}
		if len(part) == 0 {
			break
		}
		for _, j := range part {
			fresh[j.ID] = j
		}
		after = part[len(part)-1].ID
	}
	o.mu.Lock()
	o.queries = fresh
	o.mu.Unlock()
	o.revision.Add(1)
	return nil
}

// of gives what is thought of stickers for a target, from the votes for its query and for
// those whose vectors are near.
func (o *Opinions) of(ctx context.Context, t *target, v viewer) (map[string]ranking.Opinion, error) {
	if t.text == "" {
		return nil, nil
	}
	near := []vector.Hit{{ID: feedback.QueryID(t.text), Score: 1}}
	if t.generation != nil {
		least := farthest
		hits, err := t.nearest(ctx, SourceQueries, indexing.Words, t.vectors, vector.Query{K: neighbours, MinScore: &least})
		if err != nil {
			return nil, err
		}
		for _, h := range hits {
			if h.ID != near[0].ID {
				// 1 is the same query.
				near = append(near, vector.Hit{ID: h.ID, Score: min(h.Score, 0.999)})
			}
		}
	}
	now := time.Now()
	o.mu.RLock()
	defer o.mu.RUnlock()
	var judged []ranking.Judged
	for _, q := range near {
		if scores := o.queries[q.ID].Scores; len(scores) > 0 {
			judged = append(judged, ranking.Judged{Cosine: q.Score, Judgements: judgements(scores, v, now)})
		}
	}
	return ranking.Opinions(judged), nil
}

// judgements gives what the viewer may know of scores.
func judgements(scores []feedback.Score, v viewer, at time.Time) []ranking.Judgement {
	all := make([]ranking.Judgement, 0, len(scores))
	for _, s := range scores {
		if s.Owner != "" && s.Owner != v.id {
			continue
		}
		positive, negative := s.Faded(at)
		all = append(all, ranking.Judgement{ID: s.StickerID, Positive: positive, Negative: negative, Votes: int(s.Positives + s.Negatives)})
	}
	return all
}

// some gives some of the queries that have votes.
func (o *Opinions) some(n int) []feedback.Judgement {
	o.mu.RLock()
	defer o.mu.RUnlock()
	all := make([]feedback.Judgement, 0, min(n, len(o.queries)))
	for _, j := range o.queries {
		if len(all) == n {
			break
		}
		all = append(all, j)
	}
	return all
}
