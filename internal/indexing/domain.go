package indexing

import (
	"context"

	"parley/ent/gen"
	"parley/ent/gen/searchindex"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/object"
	"parley/internal/store"
)

// Domain announces search indexes.
func (s *Service) Domain() domain.Domain {
	admin := auth.WithRole(auth.RoleAdmin)
	return domain.Domain{
		Name:  "indexing",
		Kinds: []job.Kind{s.kind()},
		Types: []event.Type{
			searchIndexChanged(),
			{Name: TypeVectorsChanged, Topic: topicVectors, Internal: true}, {Name: TypeIndexSwitched, Topic: topicVectors, Internal: true},
			{Name: TypeVectorsWritten, Topic: topicVectors, Internal: true},
		},
		Objects: []object.Kind{object.One(prefix, s.Get)},
		Operations: map[string]auth.Access{
			"Query.searchIndexes": admin, "Mutation.rebuildSearchIndex": admin, "Mutation.switchSearchIndex": admin, "Mutation.deleteSearchIndex": admin,
		},
	}
}

func searchIndexChanged() event.Type {
	return event.Type{
		Name: TypeSearchIndexChanged, Topic: topic, Object: event.Nothing,
		Show: func(m event.Message) any {
			return &SearchIndexChanged{Cursor: m.Cursor, At: m.At, SearchIndexID: m.Object}
		},
	}
}

// List gives all search indexes, the oldest first: maxIndexes at most. For admins.
func (s *Service) List(ctx context.Context) ([]*Index, error) {
	if _, err := auth.RequireRole(ctx, auth.RoleAdmin); err != nil {
		return nil, err
	}
	return s.indexes(auth.System(ctx, "indexing.list"))
}

// Get gives a search index to an admin; for everybody else there is none.
func (s *Service) Get(ctx context.Context, id string) (*Index, error) {
	if err := store.CheckID(prefix, id, "id"); err != nil {
		return nil, err
	}
	missing := store.Found(&gen.NotFoundError{}, "search index")
	if _, err := auth.RequireRole(ctx, auth.RoleAdmin); err != nil {
		if apperr.Is(err, apperr.Forbidden) {
			return nil, missing
		}
		return nil, err
	}
	index, err := s.store.Client(ctx).SearchIndex.Query().Where(searchindex.ID(id)).Only(auth.System(ctx, "indexing.get"))
	return index, store.Found(err, "search index")
}

// Find is Get for what may be gone: nil then.
func (s *Service) Find(ctx context.Context, id string) (*Index, error) {
	index, err := s.Get(ctx, id)
	if apperr.Is(err, apperr.NotFound) {
		return nil, nil //nolint:nilnil // what is gone is no error
	}
	return index, err
}

// MaxFailures is how many failures of an index are given at most.
const MaxFailures = 100

// Failures gives some of the failures of an index by the ids of the objects, 1 to
// MaxFailures. For admins.
func (s *Service) Failures(ctx context.Context, index string, first int) ([]*Failure, error) {
	if _, err := auth.RequireRole(ctx, auth.RoleAdmin); err != nil {
		return nil, err
	}
	if first < 1 || first > MaxFailures {
		return nil, apperr.Argument("first", "first is 1 to %d.", MaxFailures)
	}
	return s.failures(ctx, index, first)
}
