package content

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/contentpart"
	"parley/ent/gen/contentrequest"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/directory"
	"parley/internal/event"
	"parley/internal/idempotency"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/media"
	"parley/internal/store"
)

// Config is what operators choose. The zero value is usable.
type Config struct {
	// TextModel and ImageModel name the models that are used, "" for the first one that a
	// worker has.
	TextModel, ImageModel string
	// Unmarked leaves the metadata out of pictures that tells that a model made them, and how.
	Unmarked bool
	// Deadline is how long a call waits for a worker that counts the tokens of a prompt; 0
	// stands for a second.
	Deadline time.Duration
}

// Service takes requests and keeps what is made of them.
type Service struct {
	store   *store.Store
	log     *event.Log
	jobs    *job.Service
	workers *directory.Directory
	media   *media.Service
	keys    *idempotency.Keys
	cfg     Config
	// Ask asks a query of workers; nil where nobody can be asked. It is set before the
	// service is used.
	Ask func(ctx context.Context, subject string, payload any) (json.RawMessage, error)
}

// New makes the service.
func New(s *store.Store, log *event.Log, jobs *job.Service, workers *directory.Directory, m *media.Service, cfg Config) *Service {
	if cfg.Deadline <= 0 {
		cfg.Deadline = time.Second
	}
	return &Service{store: s, log: log, jobs: jobs, workers: workers, media: m, keys: idempotency.New(s, log), cfg: cfg}
}

// changed is the event of a request's change: the row as it is now.
func changed(r *gen.ContentRequest, a Action) event.Change {
	return event.Change{
		Audience: event.User(r.OwnerID), Topic: TopicContent, Type: TypeContentChanged,
		Object: r.ID, Version: r.Version, State: string(a),
	}
}

// withParts adds the parts of requests to a query, in their order.
func withParts(q *gen.ContentRequestQuery) *gen.ContentRequestQuery {
	return q.WithParts(func(p *gen.ContentPartQuery) { p.Order(gen.Desc(contentpart.FieldKind)) })
}

// get gives a request of the viewer with its parts, or NOT_FOUND.
func (s *Service) get(ctx context.Context, id string) (*gen.ContentRequest, error) {
	r, err := withParts(s.store.Client(ctx).ContentRequest.Query().Where(contentrequest.ID(id))).Only(ctx)
	return r, store.Found(err, "content request")
}

// own gives a request that the viewer may change.
func (s *Service) own(ctx context.Context, id string) (*gen.ContentRequest, error) {
	r, err := s.get(ctx, id)
	if err != nil {
		return nil, err
	}
	if v, _ := auth.From(ctx); v.ID != r.OwnerID {
		return nil, apperr.New(apperr.Forbidden, "Only its owner may change a content request.")
	}
	return r, nil
}

// lock gives those of the requests that are still there, with their parts, for a change.
// Locks are taken in the order of the ids.
func (s *Service) lock(ctx context.Context, ids ...string) (map[string]*gen.ContentRequest, error) {
	slices.Sort(ids)
	byID := make(map[string]*gen.ContentRequest, len(ids))
	for part := range slices.Chunk(slices.Compact(ids), 500) {
		q := store.ForUpdate(s.store, s.store.Client(ctx).ContentRequest.Query().Where(contentrequest.IDIn(part...)).Order(gen.Asc(contentrequest.FieldID)))
		if _, err := q.All(ctx); err != nil {
			return nil, fmt.Errorf("lock content requests: %w", err)
		}
		rows, err := withParts(s.store.Client(ctx).ContentRequest.Query().Where(contentrequest.IDIn(part...))).All(ctx)
		if err != nil {
			return nil, fmt.Errorf("read content requests: %w", err)
		}
		for _, r := range rows {
			byID[r.ID] = r
		}
	}
	return byID, nil
}

// touch counts a change of a request whose parts are as r has them, and gives its event.
func (s *Service) touch(ctx context.Context, r *gen.ContentRequest) (event.Change, error) {
	r.State, r.Version, r.UpdatedAt = stateOf(r.Edges.Parts), r.Version+1, store.Now()
	err := s.store.Client(ctx).ContentRequest.Update().Where(contentrequest.ID(r.ID)).
		SetState(r.State).SetVersion(r.Version).SetUpdatedAt(r.UpdatedAt).Exec(ctx)
	if err != nil {
		return event.Change{}, fmt.Errorf("count a change of a content request: %w", err)
	}
	return changed(r, ActionUpdated), nil
}

// model chooses the model for a craft: that of the settings, or the first that a worker
// announced. Before any worker was there the name may be empty, and the work waits for one;
// where none of those that were has such a model it is MODEL_MISSING.
func (s *Service) model(ctx context.Context, c craft) (jobspec.Bundle, error) {
	bundles, err := s.workers.Bundles(ctx)
	if err != nil {
		return jobspec.Bundle{}, err
	}
	name := s.configured(c)
	for _, b := range bundles {
		if b.Kind == c.work && (name == "" || b.Name == name) {
			return b, nil
		}
	}
	switch {
	case len(bundles) == 0:
		return jobspec.Bundle{Name: name, Kind: c.work}, nil
	case name != "":
		return jobspec.Bundle{}, apperr.New(apperr.ModelMissing, "No worker has the model %s, which the settings name.", name)
	}
	return jobspec.Bundle{}, apperr.New(apperr.ModelMissing, "%s", c.install)
}

func (s *Service) configured(c craft) string {
	if c == drawing {
		return s.cfg.ImageModel
	}
	return s.cfg.TextModel
}
