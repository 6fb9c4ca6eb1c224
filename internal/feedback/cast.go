package feedback

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"parley/internal/auth"
	"parley/internal/event"
)

// before is a vote as it stood.
type before struct {
	value int
	at    time.Time
	// reports is 1 for one that was not there before.
	reports int64
}

// change is what the counts of one score and its query gain.
type change struct {
	text, query, sticker, owner string
	positives, negatives        int64
	weightPos, weightNeg        float64
}

// add counts a vote times n, which is 1 or -1.
func (c *change) add(value int, at time.Time, n int64) {
	if value > 0 {
		c.positives += n
		c.weightPos += float64(n) * weightOf(at)
	} else {
		c.negatives += n
		c.weightNeg += float64(n) * weightOf(at)
	}
}

// changes are by the scores' ids.
type changes map[string]*change

func (c changes) of(v vote) *change {
	id := scoreID(v.query, v.sticker.id)
	if c[id] == nil {
		c[id] = &change{text: v.text, query: v.query, sticker: v.sticker.id, owner: v.sticker.owner}
	}
	return c[id]
}

// cast writes votes, sorted by their ids, inside the transaction of the context, and
// counts what changed.
func (s *Service) cast(ctx context.Context, votes []vote) error {
	if len(votes) == 0 {
		return nil
	}
	at := now()
	stood, err := s.writeVotes(ctx, votes, at)
	if err != nil {
		return err
	}
	gained := changes{}
	var turned []string
	for _, v := range votes {
		old, ok := stood[v.id]
		switch {
		case !ok:
			return fmt.Errorf("of %d votes %d were written", len(votes), len(stood))
		case old.reports == 1:
			gained.of(v).add(v.value, at, 1)
		case old.value != v.value:
			turned = append(turned, v.id)
			c := gained.of(v)
			c.add(old.value, old.at, -1)
			c.add(v.value, at, 1)
		}
	}
	if err := s.turnVotes(ctx, turned, at); err != nil {
		return err
	}
	return s.count(ctx, gained, at)
}

// takeBack deletes votes and says in the results of their items how many there were.
func (s *Service) takeBack(ctx context.Context, votes []vote, results []ItemResult) error {
	for i := range results {
		results[i].Saved = 0
	}
	ids := make([]string, len(votes))
	for i, v := range votes {
		ids[i] = v.id
	}
	stood, err := s.lockVotes(ctx, ids)
	if err != nil {
		return err
	}
	gained := changes{}
	for _, v := range votes {
		if old, ok := stood[v.id]; ok {
			gained.of(v).add(old.value, old.at, -1)
			results[v.item].Saved++
		}
	}
	if err := s.deleteVotes(ctx, slices.Sorted(maps.Keys(stood))); err != nil {
		return err
	}
	return s.count(ctx, gained, now())
}

// count adds changes to scores and queries, and tells who listens.
func (s *Service) count(ctx context.Context, gained changes, at time.Time) error {
	if len(gained) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(gained))
	if err := s.writeScores(ctx, ids, gained, at); err != nil {
		return err
	}
	queries := map[string]*total{}
	for _, c := range gained {
		t := queries[c.query]
		if t == nil {
			t = &total{id: c.query, text: c.text}
			queries[c.query] = t
		}
		t.add(c)
	}
	list := slices.SortedFunc(maps.Values(queries), func(a, b *total) int { return cmp.Compare(a.id, b.id) })
	if err := s.writeTotals(ctx, list, at); err != nil {
		return err
	}
	if err := s.dropEmpty(ctx, ids, list); err != nil {
		return err
	}
	return s.announce(ctx, list)
}

// total is what a query gains.
type total struct {
	id, text                    string
	votes, positives, negatives int64
	// public tells that votes on public stickers are among them.
	public bool
}

func (t *total) add(c *change) {
	t.votes += c.positives + c.negatives
	if c.owner == "" {
		t.public = true
		t.positives += c.positives
		t.negatives += c.negatives
	}
}

// announce writes an event about each query: for analysts where they may see what
// changed, else for the processes that keep scores in memory alone.
func (s *Service) announce(ctx context.Context, queries []*total) error {
	if s.watcher != nil {
		ids := make([]string, len(queries))
		for i, q := range queries {
			ids[i] = q.id
		}
		if err := s.watcher(ctx, ids...); err != nil {
			return err
		}
	}
	events := make([]event.Change, len(queries))
	for i, q := range queries {
		events[i] = event.Change{Audience: audienceScores, Topic: topicScores, Type: TypeScoresChanged, Object: q.id}
		if q.public {
			events[i] = event.Change{Audience: event.Role(string(auth.RoleAnalyst)), Topic: TopicStickers, Type: TypeSearchFeedbackChanged, Object: q.id}
		}
	}
	return s.log.Append(ctx, events...)
}
