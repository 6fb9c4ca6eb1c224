package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"parley/ent/gen"
	"parley/internal/auth"
	"parley/internal/directory"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/object"
	"parley/internal/store"
)

// The topic and the type of the events about models.
const (
	TopicModels       = "MODELS"
	TypeModelsChanged = "ModelsChanged"
)

// Domain announces the workers' models.
func (s *Service) Domain() domain.Domain {
	admin := auth.WithRole(auth.RoleAdmin)
	return domain.Domain{
		Name:    "catalog",
		Kinds:   []job.Kind{s.kind(jobspec.KindPullModel), s.kind(jobspec.KindRemoveModel)},
		Topics:  []event.Topic{{Name: TopicModels}},
		Types:   []event.Type{modelsChanged()},
		Objects: []object.Kind{object.One(prefix, s.Get)},
		Operations: map[string]auth.Access{
			"Query.models": admin, "Query.modelFolders": admin, "Mutation.pullModel": admin, "Mutation.removeModel": admin,
		},
	}
}

func modelsChanged() event.Type {
	return event.Type{
		Name: TypeModelsChanged, Topic: TopicModels, Object: event.Nothing,
		Show: func(m event.Message) any {
			return &ModelsChanged{Cursor: m.Cursor, At: m.At, Worker: m.Object, Change: WorkerChange(m.State)}
		},
	}
}

// news writes what became of a worker into the log, for admins.
func (s *Service) news(ctx context.Context, n directory.News) error {
	return s.log.Append(ctx, event.Change{
		Audience: event.Role(string(auth.RoleAdmin)), Topic: TopicModels, Type: TypeModelsChanged, Object: n.Worker, State: string(n.Change),
	})
}

func (s *Service) kind(name string) job.Kind {
	return job.Kind{
		Name: name, Result: prefix, Validate: validate, Apply: s.apply, Reopen: s.reopen,
		Route: func(payload json.RawMessage, bundles []jobspec.Bundle) string { return route(name, payload, bundles) },
	}
}

// route gives the pool of the payload's folder, if a worker told of it.
func route(kind string, payload json.RawMessage, bundles []jobspec.Bundle) string {
	var work struct{ Folder string }
	if err := json.Unmarshal(payload, &work); err != nil {
		return ""
	}
	pool := jobspec.FolderPool(work.Folder)
	for _, b := range bundles {
		if b.Kind == kind && b.Pool == pool {
			return pool
		}
	}
	return ""
}

// validate refuses a result that can't be kept.
func validate(payload json.RawMessage) error {
	var done jobspec.FolderChanged
	if err := json.Unmarshal(payload, &done); err != nil {
		return fmt.Errorf("decode what is in a models folder: %w", err)
	}
	if done.Worker == "" || done.Folder.ID == "" || !store.Storable(string(payload)) || bytes.Contains(payload, []byte(`\u0000`)) {
		return errors.New("the worker does not say what is in which models folder")
	}
	return nil
}

// apply keeps what the workers found in their folders, so that whoever sees the job at
// its end sees the models as they are then.
func (s *Service) apply(ctx context.Context, ended []*job.Ended) ([]event.Change, error) {
	for _, e := range ended {
		if e.Outcome.State != job.Succeeded {
			continue
		}
		var done jobspec.FolderChanged
		if err := json.Unmarshal(e.Outcome.Payload, &done); err != nil {
			return nil, fmt.Errorf("decode what is in a models folder: %w", err)
		}
		if err := s.workers.Learn(ctx, done); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// reopen gives the same work again, unless other work on the model is under way.
func (s *Service) reopen(ctx context.Context, j *gen.Job) (json.RawMessage, error) {
	stored, err := s.jobs.Payload(ctx, j)
	if err != nil {
		return nil, err
	}
	// Equal work has equal words, which the database does not keep.
	var work any = &jobspec.RemoveModel{}
	if j.Kind == jobspec.KindPullModel {
		work = &jobspec.PullModel{}
	}
	if err := json.Unmarshal(stored, work); err != nil {
		return nil, fmt.Errorf("decode the work of job %s: %w", j.ID, err)
	}
	payload, err := json.Marshal(work)
	if err != nil {
		return nil, fmt.Errorf("encode the work of job %s: %w", j.ID, err)
	}
	return payload, s.checkFree(ctx, j.SubjectID, j.Kind, payload)
}
