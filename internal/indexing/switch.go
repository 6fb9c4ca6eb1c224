package indexing

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"

	"parley/ent/gen"
	"parley/ent/gen/searchindex"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// prefix begins the ids of search indexes.
const prefix = "index"

// maxIndexes is how many indexes there may be at a time: all of them are in memory.
const maxIndexes = 4

// Rebuild begins an index of another model beside the one that answers. model is the name
// of a bundle that a living worker has, NOT_FOUND where none does. An index of the same
// model, and more than maxIndexes, are CONFLICT. For admins.
func (s *Service) Rebuild(ctx context.Context, model string) (made *Index, before event.Cursor, err error) {
	if _, err := auth.RequireRole(ctx, auth.RoleAdmin); err != nil {
		return nil, before, err
	}
	ctx = auth.System(ctx, "indexing.rebuild")
	bundles, err := s.candidates(ctx, model)
	if err != nil {
		return nil, before, err
	}
	if model == "" || len(bundles) == 0 {
		return nil, before, apperr.NotFoundf("No worker that is there has a model %q that embeds texts.", model)
	}
	before, err = s.log.Tx(ctx, func(ctx context.Context) error {
		there, err := s.locked(ctx)
		if err != nil {
			return err
		}
		// While workers change a model there are two of one name.
		i := slices.IndexFunc(bundles, func(b jobspec.Bundle) bool {
			return !slices.ContainsFunc(there, func(index *Index) bool { return index.Digest == b.Space.Digest })
		})
		if i < 0 {
			return apperr.New(apperr.Conflict, "There is a search index of this model.")
		}
		if len(there) >= maxIndexes {
			return apperr.New(apperr.Conflict, "There are %d search indexes and can be no more: delete one.", len(there))
		}
		made, err = s.create(ctx, bundles[i])
		return err
	})
	if store.Duplicate(err) {
		err = apperr.New(apperr.Conflict, "There is a search index of this model.")
	}
	return made, before, err
}

// locked gives all search indexes, locked, the oldest first.
func (s *Service) locked(ctx context.Context) ([]*Index, error) {
	q := s.store.Client(ctx).SearchIndex.Query().Order(gen.Asc(searchindex.FieldCreatedAt, searchindex.FieldID))
	all, err := store.ForUpdate(s.store, q).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read search indexes: %w", err)
	}
	return all, nil
}

// Switch lets another index answer: one that is READY, or RETIRED, which is the way back.
// The one that answered is RETIRED and kept, until the next takes its place. In every
// process it is one step. Of the index that answers already it changes nothing. For admins.
func (s *Service) Switch(ctx context.Context, id string) (now *Index, before event.Cursor, err error) {
	if _, err := auth.RequireRole(ctx, auth.RoleAdmin); err != nil {
		return nil, before, err
	}
	if err := store.CheckID(prefix, id, "input", "id"); err != nil {
		return nil, before, err
	}
	ctx = auth.System(ctx, "indexing.switch")
	before, err = s.log.Tx(ctx, func(ctx context.Context) error {
		all, err := s.locked(ctx)
		if err != nil {
			return err
		}
		now = find(all, id)
		switch {
		case now == nil:
			return store.Found(&gen.NotFoundError{}, "search index")
		case now.State == Active:
			return nil
		case now.State == Building:
			return apperr.New(apperr.Conflict, "The search index is being built: wait until it is READY.")
		}
		for _, other := range all {
			switch {
			case other.ID == id:
			case other.State == Active:
				if _, err := s.become(ctx, other, Retired); err != nil {
					return err
				}
			case other.State == Retired:
				if err := s.remove(ctx, other); err != nil {
					return err
				}
			}
		}
		now, err = s.become(ctx, now, Active)
		return err
	})
	return now, before, err
}

func find(all []*Index, id string) *Index {
	for _, index := range all {
		if index.ID == id {
			return index
		}
	}
	return nil
}

// become gives an index another state.
func (s *Service) become(ctx context.Context, index *Index, state State) (*Index, error) {
	u := s.store.Client(ctx).SearchIndex.UpdateOneID(index.ID).SetState(state).AddVersion(1)
	switch now := store.Now(); state {
	case Ready:
		u.SetReadyAt(now)
	case Active:
		u.SetActivatedAt(now).ClearRetiredAt()
		if index.ReadyAt == nil {
			u.SetReadyAt(now)
		}
	case Retired:
		u.SetRetiredAt(now)
	}
	changed, err := u.Save(ctx)
	if err != nil {
		return nil, fmt.Errorf("change the search index %s: %w", index.ID, err)
	}
	return changed, s.announce(ctx, true, changed.ID, string(state), changed.Version)
}

// Delete deletes an index and what it keeps, and ends the building of one. The one that
// answers is CONFLICT. For admins.
func (s *Service) Delete(ctx context.Context, id string) (before event.Cursor, err error) {
	if _, err := auth.RequireRole(ctx, auth.RoleAdmin); err != nil {
		return before, err
	}
	if err := store.CheckID(prefix, id, "input", "id"); err != nil {
		return before, err
	}
	ctx = auth.System(ctx, "indexing.delete")
	return s.log.Tx(ctx, func(ctx context.Context) error {
		all, err := s.locked(ctx)
		if err != nil {
			return err
		}
		index := find(all, id)
		switch {
		case index == nil:
			return store.Found(&gen.NotFoundError{}, "search index")
		case index.State == Active:
			return apperr.New(apperr.Conflict, "This search index answers: switch to another one first.")
		}
		return s.remove(ctx, index)
	})
}

// remove deletes an index and cancels its jobs; its embeddings are deleted by and by.
func (s *Service) remove(ctx context.Context, index *Index) error {
	if err := s.store.Client(ctx).SearchIndex.DeleteOneID(index.ID).Exec(ctx); err != nil {
		return fmt.Errorf("delete the search index %s: %w", index.ID, err)
	}
	if err := s.jobs.CancelFor(ctx, index.ID); err != nil {
		return err
	}
	return s.announce(ctx, true, index.ID, gone, index.Version+1)
}

// complete ends the building of an index. Where none answers it does from now on.
func (s *Service) complete(ctx context.Context, index *Index, c counts) error {
	state := Ready
	err := s.store.Tx(ctx, func(ctx context.Context) error {
		all, err := s.locked(ctx)
		if err != nil {
			return err
		}
		now := find(all, index.ID)
		if now == nil || now.State != Building {
			return nil
		}
		state = Active
		for _, other := range all {
			if other.State == Active {
				state = Ready
			}
		}
		if err := s.setCounts(ctx, now, c); err != nil {
			return err
		}
		_, err = s.become(ctx, now, state)
		return err
	})
	if err == nil {
		slog.Info("a search index is built", "model", index.Model, "index", index.ID, "state", state, "vectors", c.done, "failures", c.failed)
	}
	return err
}

func (s *Service) setReport(ctx context.Context, index *Index, report json.RawMessage) error {
	err := s.store.Client(ctx).SearchIndex.Update().Where(searchindex.ID(index.ID)).SetReport(report).AddVersion(1).Exec(ctx)
	if err != nil {
		return fmt.Errorf("keep the report of the search index %s: %w", index.ID, err)
	}
	return nil
}

func (s *Service) setCounts(ctx context.Context, index *Index, c counts) error {
	err := s.store.Client(ctx).SearchIndex.Update().Where(searchindex.ID(index.ID)).
		SetTotal(c.all).SetDone(c.done).SetFailed(c.failed).AddVersion(1).Exec(ctx)
	if err != nil {
		return fmt.Errorf("keep the numbers of the search index %s: %w", index.ID, err)
	}
	return nil
}

// keepCounts writes the numbers of an index and tells admins.
func (s *Service) keepCounts(ctx context.Context, index *Index, c counts) error {
	return s.store.Tx(ctx, func(ctx context.Context) error {
		if err := s.setCounts(ctx, index, c); err != nil {
			return err
		}
		return s.announce(ctx, false, index.ID, string(index.State), index.Version+1)
	})
}
