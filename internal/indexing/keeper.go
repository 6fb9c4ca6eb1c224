package indexing

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/searchindex"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// Audience is what a process listens to for Keeper and Follower.
const Audience = audience

// Listen makes something call wake for each event of Audience, and whenever such an event
// may have been lost, until stop.
type Listen func(wake func()) (stop func())

// Keeper has the workers make what vectors are missing. Each API process runs one, and one
// of them works.
type Keeper struct {
	Service *Service
	Listen  Listen
	// Follower has the vectors that reports are made of.
	Follower *Follower
	// Tick is how often it looks although nobody woke it, 5 s.
	Tick time.Duration
}

// Run works until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	ctx = auth.System(ctx, "indexing.keep")
	tick := k.Tick
	if tick <= 0 {
		tick = 5 * time.Second
	}
	l := &store.Leader{Store: k.Service.store, Lock: store.LockIndexing, Work: "search indexes", Retry: min(tick, time.Second), Check: 5 * time.Second}
	return l.Lead(ctx, func(ctx context.Context) error {
		return (&term{Keeper: k, Service: k.Service, tick: tick, tended: map[string]*tending{}}).run(ctx)
	})
}

// term is one time of keeping.
type term struct {
	*Keeper
	*Service
	tick   time.Duration
	tail   tail
	tended map[string]*tending
	// swept is when everything was looked at last.
	swept time.Time
}

func (t *term) run(ctx context.Context) error {
	news := make(chan struct{}, 1)
	stop := t.Listen(func() {
		select {
		case news <- struct{}{}:
		default:
		}
	})
	defer stop()
	head, err := t.log.Head(ctx)
	if err != nil {
		return err
	}
	t.tail = tail{t.log, head}
	tick := time.NewTicker(t.tick)
	defer tick.Stop()
	for {
		more, err := t.step(ctx)
		if err != nil && ctx.Err() == nil {
			slog.Error("search indexes could not be kept current, it is tried again", "error", err)
			more = false
		}
		if more && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		case <-tick.C:
		}
	}
}

// step does what can be done now, and tells whether there is more.
func (t *term) step(ctx context.Context) (more bool, err error) {
	indexes, err := t.indexes(ctx)
	if err != nil || len(t.Sources) == 0 {
		return false, err
	}
	if len(indexes) == 0 {
		if indexes, err = t.first(ctx); err != nil {
			return false, err
		}
	}
	if err := t.tend(ctx, indexes); err != nil {
		return false, err
	}
	if more, err = t.hear(ctx); err != nil {
		return false, err
	}
	living, err := t.spaces(ctx)
	if err != nil {
		return more, err
	}
	for _, index := range indexes {
		one := t.tended[index.ID]
		if one == nil {
			continue
		}
		again, err := one.step(ctx, living[index.Digest])
		if err != nil {
			return false, fmt.Errorf("index %s: %w", index.ID, err)
		}
		more = more || again
	}
	return more, nil
}

// tend begins with indexes that are new and lets go of those that are gone.
func (t *term) tend(ctx context.Context, indexes []*Index) error {
	there := map[string]bool{}
	everything := time.Since(t.swept) > t.Sweep
	for _, index := range indexes {
		if index.State == Retired {
			continue
		}
		there[index.ID] = true
		one := t.tended[index.ID]
		if one == nil {
			one = newTending(t, index)
			t.tended[index.ID] = one
		}
		one.index = index
		if everything {
			one.lookAtAll()
		}
	}
	for id := range t.tended {
		if !there[id] {
			delete(t.tended, id)
		}
	}
	if !everything {
		return nil
	}
	t.swept = time.Now()
	return t.clear(ctx)
}

// clear deletes, some at a time, what indexes have left that are gone.
func (t *term) clear(ctx context.Context) error {
	const some = 2000
	for n := int64(some); n == some; {
		err := t.store.Tx(ctx, func(ctx context.Context) (err error) {
			n, err = t.deleteLost(ctx, some)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// hear takes what events say.
func (t *term) hear(ctx context.Context) (more bool, err error) {
	events, more, lost, err := t.tail.next(ctx)
	if err != nil {
		return false, err
	}
	for _, one := range t.tended {
		if lost {
			one.lookAtAll()
		}
		for _, e := range events {
			if e.Type == TypeVectorsChanged {
				one.hear(e.Parent, e.Object, e.State)
			}
		}
	}
	if slices.ContainsFunc(events, func(e event.Event) bool { return e.Type == TypeIndexSwitched && e.State == gone }) {
		return more, t.clear(ctx)
	}
	return more, nil
}

// indexes gives all search indexes, the oldest first.
func (s *Service) indexes(ctx context.Context) ([]*Index, error) {
	all, err := s.store.Client(ctx).SearchIndex.Query().Order(gen.Asc(searchindex.FieldCreatedAt, searchindex.FieldID)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read search indexes: %w", err)
	}
	return all, nil
}

// searchable gives the search indexes whose vectors are not too large for where they are
// searched.
func (s *Service) searchable(ctx context.Context) ([]*Index, error) {
	all, err := s.indexes(ctx)
	return slices.DeleteFunc(all, func(index *Index) bool {
		if index.Dimensions <= s.MaxDimensions {
			return false
		}
		slog.Warn("an index has too large vectors and is not searched", "index", index.ID, "dimensions", index.Dimensions, "most", s.MaxDimensions)
		return true
	}), err
}

// spaces tells which digests living workers announce.
func (s *Service) spaces(ctx context.Context) (map[string]bool, error) {
	living, err := s.workers.Living(ctx)
	if err != nil {
		return nil, err
	}
	digests := map[string]bool{}
	for _, b := range living {
		if b.Kind == jobspec.KindEmbed && b.Space != nil {
			digests[b.Space.Digest] = true
		}
	}
	return digests, nil
}

// candidates gives the bundles of living workers that an index can be made with, of a name
// or, for "", of any: those that read pictures as well first, then by name.
func (s *Service) candidates(ctx context.Context, name string) ([]jobspec.Bundle, error) {
	living, err := s.workers.Living(ctx)
	if err != nil {
		return nil, err
	}
	var all []jobspec.Bundle
	for _, b := range living {
		if b.Kind != jobspec.KindEmbed || b.Space == nil || name != "" && b.Name != name {
			continue
		}
		if b.Space.Texts && b.Space.Dimensions >= 1 && b.Space.Dimensions <= s.MaxDimensions {
			all = append(all, b)
		}
	}
	slices.SortStableFunc(all, func(a, b jobspec.Bundle) int {
		if a.Space.Pictures != b.Space.Pictures {
			if a.Space.Pictures {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name+"\x00"+a.Space.Digest, b.Name+"\x00"+b.Space.Digest)
	})
	return all, nil
}

// first makes the first index, once a worker has a model for it.
func (t *term) first(ctx context.Context) ([]*Index, error) {
	bundles, err := t.candidates(ctx, t.Model)
	if err != nil || len(bundles) == 0 {
		return nil, err
	}
	var made *Index
	err = t.store.Tx(ctx, func(ctx context.Context) error {
		made, err = t.create(ctx, bundles[0])
		return err
	})
	if err != nil {
		return nil, err
	}
	slog.Info("the first search index is built", "model", made.Model, "index", made.ID)
	return []*Index{made}, nil
}

// create makes an index inside the transaction of the context.
func (s *Service) create(ctx context.Context, b jobspec.Bundle) (*Index, error) {
	made, err := s.store.Client(ctx).SearchIndex.Create().SetID(store.NewID(prefix)).SetModel(b.Name).SetDigest(b.Space.Digest).
		SetDimensions(b.Space.Dimensions).SetTexts(b.Space.Texts).SetPictures(b.Space.Pictures).Save(ctx)
	if err != nil {
		return nil, fmt.Errorf("make a search index: %w", err)
	}
	return made, s.announce(ctx, true, made.ID, string(made.State), made.Version)
}
