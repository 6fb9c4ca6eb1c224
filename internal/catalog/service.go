package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/directory"
	"parley/internal/event"
	"parley/internal/idempotency"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// Service shows the workers' models and has them changed.
type Service struct {
	store   *store.Store
	log     *event.Log
	jobs    *job.Service
	workers *directory.Directory
	keys    *idempotency.Keys
}

// New makes the service, and lets the directory's news become events.
func New(s *store.Store, log *event.Log, jobs *job.Service, workers *directory.Directory) *Service {
	c := &Service{store: s, log: log, jobs: jobs, workers: workers, keys: idempotency.New(s, log)}
	workers.OnNews(c.news)
	return c
}

// mostFolders is how many folders one call changes.
const mostFolders = 100

// Pull asks for a model: a job for each folder that lacks it, or for the one that is
// named. With Replace folders that have it pull it again.
func (s *Service) Pull(ctx context.Context, in PullModelInput) ([]*gen.Job, event.Cursor, error) {
	if _, err := auth.RequireRole(ctx, auth.RoleAdmin); err != nil {
		return nil, event.Cursor{}, err
	}
	in, err := in.normal()
	if err != nil {
		return nil, event.Cursor{}, err
	}
	name, replace := *in.Name, in.Replace != nil && *in.Replace
	return s.change(ctx, "pullModel", in.IdempotencyKey, in.same(), func(ctx context.Context) ([]wish, error) {
		places, err := s.writable(ctx, in.Folder)
		if err != nil {
			return nil, err
		}
		var wishes []wish
		for _, p := range places {
			if p.has(name) && !replace && in.Folder == nil {
				continue
			}
			wishes = append(wishes, wish{p.ID, name, jobspec.KindPullModel, jobspec.PullModel{
				Folder: p.ID, Repository: in.Repository, Revision: text(in.Revision), Name: name, Precision: text(in.Precision), Replace: replace,
			}})
		}
		return wishes, nil
	})
}

// Remove asks for a model's removal: a job for each folder that has it, or for the one
// that is named. It is NOT_FOUND where none has it.
func (s *Service) Remove(ctx context.Context, in RemoveModelInput) ([]*gen.Job, event.Cursor, error) {
	if _, err := auth.RequireRole(ctx, auth.RoleAdmin); err != nil {
		return nil, event.Cursor{}, err
	}
	if err := in.Validate(); err != nil {
		return nil, event.Cursor{}, err
	}
	same := in
	same.IdempotencyKey = nil
	return s.change(ctx, "removeModel", in.IdempotencyKey, same, func(ctx context.Context) ([]wish, error) {
		places, err := s.writable(ctx, in.Folder)
		if err != nil {
			return nil, err
		}
		var wishes []wish
		for _, p := range places {
			if p.has(in.Name) {
				wishes = append(wishes, wish{p.ID, in.Name, jobspec.KindRemoveModel, jobspec.RemoveModel{Folder: p.ID, Name: in.Name}})
			}
		}
		if len(wishes) == 0 {
			return nil, apperr.NotFoundf("There is no model %q in a folder that a worker can change.", in.Name)
		}
		return wishes, nil
	})
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// writable gives the folders that can be changed: the one that is named, else those
// whose workers are there, else those that may come back.
func (s *Service) writable(ctx context.Context, folder *string) ([]*place, error) {
	places, err := s.places(ctx)
	if err != nil {
		return nil, err
	}
	if folder != nil {
		i := slices.IndexFunc(places, func(p *place) bool { return p.ID == *folder })
		if i < 0 {
			return nil, apperr.NotFoundf("No worker has told of the models folder %q.", *folder)
		}
		places = places[i : i+1]
	}
	places = slices.DeleteFunc(slices.Clone(places), func(p *place) bool { return !p.Writable })
	if living := slices.DeleteFunc(slices.Clone(places), func(p *place) bool { return !p.Alive }); len(living) > 0 {
		places = living
	}
	switch {
	case len(places) == 0:
		return nil, apperr.New(apperr.Conflict, "No worker has told of a models folder that it can change: start one whose models folder can be written.")
	case len(places) > mostFolders:
		return nil, apperr.Input("folder", "There are %d models folders and one call changes at most %d: name one.", len(places), mostFolders)
	}
	return places, nil
}

// wish is a change of one folder.
type wish struct {
	folder, name, kind string
	work               any
}

// change makes a job of each wish, all or none.
func (s *Service) change(ctx context.Context, operation string, key *string, same any, wishes func(ctx context.Context) ([]wish, error)) ([]*gen.Job, event.Cursor, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, event.Cursor{}, err
	}
	call := idempotency.Call{Owner: viewer.ID, Operation: operation, Key: key, Input: same}
	answer, err := s.keys.Once(ctx, call, func(ctx context.Context) ([]string, error) {
		all, err := wishes(ctx)
		if err != nil {
			return nil, err
		}
		ids := make([]string, len(all))
		requests := make([]job.Request, len(all))
		for i, w := range all {
			payload, err := json.Marshal(w.work)
			if err != nil {
				return nil, fmt.Errorf("encode the work: %w", err)
			}
			id := modelID(w.folder, w.name)
			if err := s.checkFree(ctx, id, w.kind, payload); err != nil {
				return nil, err
			}
			ids[i] = store.NewID("job")
			requests[i] = job.Request{
				ID: ids[i], Owner: viewer.ID, Kind: w.kind, Payload: payload, Subject: id, Parent: id, Lane: jobspec.LaneInteractive,
			}
		}
		_, err = s.jobs.Enqueue(ctx, requests)
		return ids, err
	})
	if err != nil {
		return nil, event.Cursor{}, err
	}
	jobs, err := s.jobs.GetAll(ctx, answer.Values)
	return jobs, answer.Cursor, err
}

// checkFree refuses work on a bundle at which other work is under way; the same work is
// joined.
func (s *Service) checkFree(ctx context.Context, model, kind string, payload json.RawMessage) error {
	under, err := s.jobs.UnderWay(ctx, model)
	if err != nil {
		return err
	}
	for _, w := range under {
		if w.Kind != kind || !equal(w.Payload, payload) {
			return apperr.New(apperr.Conflict, "The model is being pulled or removed already: wait for that job, or cancel it.")
		}
	}
	return nil
}

// equal compares JSON of one kind of work, which the database may have spelled anew.
func equal(a, b json.RawMessage) bool {
	var x, y map[string]any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil || len(x) != len(y) {
		return false
	}
	for k, v := range x {
		if y[k] != v {
			return false
		}
	}
	return true
}
