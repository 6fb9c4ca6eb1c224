package indexing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"parley/ent/gen"
	"parley/ent/gen/searchindex"
	"parley/internal/apperr"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/store"
	"parley/internal/vector"
)

// kind is what is done with the results of embedding.
func (s *Service) kind() job.Kind {
	return job.Kind{
		Name: jobspec.KindEmbed, Result: prefix, Validate: validate, Apply: s.apply, Reopen: reopen, Route: route, Sheds: true,
	}
}

// route gives the pool of a bundle that gives vectors of the wanted space.
func route(payload json.RawMessage, bundles []jobspec.Bundle) string {
	var work struct{ Model string }
	if err := json.Unmarshal(payload, &work); err != nil || work.Model == "" {
		return ""
	}
	for _, b := range bundles {
		if b.Kind == jobspec.KindEmbed && b.Space != nil && b.Space.Digest == work.Model {
			return b.Pool
		}
	}
	return ""
}

// reopen refuses: what has no vector is sent again by itself, with others.
func reopen(context.Context, *gen.Job) (json.RawMessage, error) {
	return nil, apperr.New(apperr.Conflict, "What this job was to embed is embedded by another one.")
}

// validate refuses a result whose vectors can't be kept.
func validate(payload json.RawMessage) error {
	var done jobspec.Embedded
	if err := json.Unmarshal(payload, &done); err != nil {
		return fmt.Errorf("decode vectors: %w", err)
	}
	if done.Dimensions < 1 || done.Dimensions > vector.MaxDimension || len(done.Vectors) > jobspec.MaxEmbedItems {
		return fmt.Errorf("%d vectors of %d numbers", len(done.Vectors), done.Dimensions)
	}
	for _, e := range done.Vectors {
		if e.Failure != nil {
			if len(e.Vector) > 0 || !store.Storable(e.Failure.Message) {
				return errors.New("a failure is none")
			}
			continue
		}
		values, err := e.Vector.Values()
		if err != nil || len(values) != done.Dimensions {
			return fmt.Errorf("a vector has %d numbers and not %d: %w", len(values), done.Dimensions, err)
		}
		if slices.ContainsFunc(values, func(v float32) bool { return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) }) {
			return errors.New("a vector has numbers that are none")
		}
	}
	return nil
}

// apply writes the vectors that jobs brought, of those objects that are still there and
// wait for them.
func (s *Service) apply(ctx context.Context, ended []*job.Ended) ([]event.Change, error) {
	indexes, err := s.indexesOf(ctx, ended)
	if err != nil {
		return nil, err
	}
	var jobs []string
	for _, e := range ended {
		if e.Gone = indexes[e.Job.ParentID] == nil; !e.Gone {
			jobs = append(jobs, e.Job.ID)
		}
	}
	if len(jobs) == 0 {
		return nil, nil
	}
	rows, err := s.rowsOfJobs(ctx, jobs)
	if err != nil {
		return nil, err
	}
	rows, lost, err := s.alive(ctx, rows)
	if err != nil {
		return nil, err
	}
	if err := s.deleteRows(ctx, lost); err != nil {
		return nil, err
	}
	byJob := map[string][]row{}
	for _, r := range rows {
		byJob[r.job] = append(byJob[r.job], r)
	}
	var outcomes []outcome
	for _, e := range ended {
		if e.Gone {
			continue
		}
		some, err := s.outcomesOf(e, indexes[e.Job.ParentID], byJob[e.Job.ID])
		if err != nil {
			return nil, err
		}
		outcomes = append(outcomes, some...)
	}
	return settled(outcomes), s.settle(ctx, outcomes)
}

// settled are the events of objects whose vectors are others now.
func settled(outcomes []outcome) []event.Change {
	bySource := map[string][]string{}
	for _, o := range outcomes {
		if o.again.IsZero() {
			bySource[o.source] = append(bySource[o.source], o.object)
		}
	}
	var changes []event.Change
	for source, ids := range bySource {
		slices.Sort(ids)
		changes = append(changes, vectorsChanged(source, stateEmbedded, slices.Compact(ids))...)
	}
	return changes
}

// indexesOf gives the indexes that jobs are for, by id, without those that are gone.
func (s *Service) indexesOf(ctx context.Context, ended []*job.Ended) (map[string]*Index, error) {
	var ids []string
	for _, e := range ended {
		ids = append(ids, e.Job.ParentID)
	}
	slices.Sort(ids)
	rows, err := s.store.Client(ctx).SearchIndex.Query().Where(searchindex.IDIn(slices.Compact(ids)...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read search indexes: %w", err)
	}
	byID := make(map[string]*Index, len(rows))
	for _, r := range rows {
		byID[r.ID] = r
	}
	return byID, nil
}

// alive gives the rows whose objects are there, and the ids of the others.
func (s *Service) alive(ctx context.Context, rows []row) (alive []row, lost []int64, err error) {
	bySource := map[string][]string{}
	for _, r := range rows {
		bySource[r.source] = append(bySource[r.source], r.object)
	}
	there := map[string]map[string]Item{}
	for name, ids := range bySource {
		source, err := s.source(name)
		if err != nil {
			continue // its rows are of no use
		}
		slices.Sort(ids)
		if there[name], err = source.ByID(ctx, slices.Compact(ids)); err != nil {
			return nil, nil, fmt.Errorf("read what was embedded: %w", err)
		}
	}
	for _, r := range rows {
		if _, ok := there[r.source][r.object]; ok {
			alive = append(alive, r)
		} else {
			lost = append(lost, r.id)
		}
	}
	return alive, lost, nil
}

// outcomesOf gives what a job brought for its rows.
func (s *Service) outcomesOf(e *job.Ended, index *Index, rows []row) ([]outcome, error) {
	outcomes := make([]outcome, len(rows))
	for i, r := range rows {
		outcomes[i].row = r
	}
	if e.Outcome.State != job.Succeeded {
		words := e.Outcome.Message
		if words == "" {
			words = "The job was cancelled."
		}
		for i := range outcomes {
			outcomes[i] = s.tryAgain(outcomes[i], words)
		}
		return outcomes, nil
	}
	var done jobspec.Embedded
	if err := json.Unmarshal(e.Outcome.Payload, &done); err != nil {
		return nil, fmt.Errorf("decode vectors: %w", err)
	}
	for i, o := range outcomes {
		switch {
		case done.Digest != index.Digest || done.Dimensions != index.Dimensions || o.ordinal >= len(done.Vectors):
			outcomes[i] = s.tryAgain(o, "The worker answered for another model.")
		case done.Vectors[o.ordinal].Failure != nil:
			outcomes[i].tries, outcomes[i].failure = 0, wordsOf(done.Vectors[o.ordinal].Failure)
		case allZero(done.Vectors[o.ordinal].Vector):
			outcomes[i].tries, outcomes[i].failure = 0, "The model gives a vector of zeros."
		default:
			outcomes[i].tries, outcomes[i].vector = 0, done.Vectors[o.ordinal].Vector
		}
	}
	return outcomes, nil
}

func wordsOf(f *jobspec.Failure) string {
	if f.Message == "" {
		return "It can't be embedded."
	}
	return f.Message
}

// allZero tells of a vector that has no direction.
func allZero(v jobspec.Vector) bool {
	values, err := v.Values()
	return err != nil || !slices.ContainsFunc(values, func(n float32) bool { return n != 0 })
}
