package catalog

import (
	"cmp"
	"context"
	"slices"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/directory"
	"parley/internal/jobspec"
	"parley/internal/page"
	"parley/internal/store"
)

// List gives a page of the models of all folders, by name. It is for admins: everybody
// else is FORBIDDEN.
func (s *Service) List(ctx context.Context, args page.Args) (*page.Page[*Model], error) {
	if _, err := auth.RequireRole(ctx, auth.RoleAdmin); err != nil {
		return nil, err
	}
	all, err := s.models(ctx)
	if err != nil {
		return nil, err
	}
	order := page.Order[*Model]{Name: "NAME", Key: func(m *Model) (any, string) { return m.Name, m.ID }}
	return page.Slice(args, order, all)
}

// Get gives a model to an admin; for everybody else there is none.
func (s *Service) Get(ctx context.Context, id string) (*Model, error) {
	if err := store.CheckID(prefix, id, "id"); err != nil {
		return nil, err
	}
	missing := store.Found(&gen.NotFoundError{}, "model")
	if _, err := auth.RequireRole(ctx, auth.RoleAdmin); err != nil {
		if apperr.Is(err, apperr.Forbidden) {
			return nil, missing
		}
		return nil, err
	}
	all, err := s.models(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(m *Model) bool { return m.ID == id })
	if i < 0 {
		return nil, missing
	}
	return all[i], nil
}

// Folders gives the folders that workers announced, by id, for an admin.
func (s *Service) Folders(ctx context.Context) ([]*Folder, error) {
	if _, err := auth.RequireRole(ctx, auth.RoleAdmin); err != nil {
		return nil, err
	}
	places, err := s.places(ctx)
	if err != nil {
		return nil, err
	}
	folders := make([]*Folder, len(places))
	for i, p := range places {
		folders[i] = &p.Folder
	}
	return folders, nil
}

// place is a folder with the workers that share it, those that were seen last first.
type place struct {
	Folder
	workers []directory.Worker
}

// content is what the folder has: what the worker that was seen last says.
func (p *place) content() []jobspec.Model { return p.workers[0].Folder.Models }

// has tells whether the folder holds a bundle of the name.
func (p *place) has(name string) bool {
	return slices.ContainsFunc(p.content(), func(m jobspec.Model) bool { return m.Name == name })
}

// places gives the folders that are known, by id.
func (s *Service) places(ctx context.Context) ([]*place, error) {
	workers, err := s.workers.Read(ctx)
	if err != nil {
		return nil, err
	}
	byID := map[string]*place{}
	var all []*place
	for _, w := range workers {
		if w.Folder == nil {
			continue
		}
		p := byID[w.Folder.ID]
		if p == nil {
			p = &place{Folder: Folder{ID: w.Folder.ID, More: w.Folder.More}}
			byID[p.ID], all = p, append(all, p)
		}
		switch {
		case w.Folder.Writable == p.Writable:
			p.Alive = p.Alive || w.Alive()
		case w.Folder.Writable:
			p.Writable, p.Alive = true, w.Alive()
		}
		p.Workers, p.workers = append(p.Workers, w.ID), append(p.workers, w)
	}
	slices.SortFunc(all, func(a, b *place) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// models gives the models of all folders.
func (s *Service) models(ctx context.Context) ([]*Model, error) {
	places, err := s.places(ctx)
	if err != nil {
		return nil, err
	}
	var all []*Model
	for _, p := range places {
		for _, m := range p.content() {
			all = append(all, p.model(m))
		}
	}
	return all, nil
}

// model joins what the workers of a folder say of a bundle.
func (p *place) model(m jobspec.Model) *Model {
	shown := &Model{
		ID: modelID(p.ID, m.Name), Folder: p.ID, Name: m.Name, Kind: known(m.Kind), Work: known(m.Work), Precision: known(m.Precision),
		Licence: known(m.Licence), Languages: m.Languages, Size: m.Size, Memory: m.Memory, Repository: known(m.Repository),
		Commit: known(m.Commit), State: m.State, Reason: known(m.Reason),
	}
	for _, w := range p.workers {
		i := slices.IndexFunc(w.Folder.Models, func(own jobspec.Model) bool { return own.Name == m.Name })
		if i < 0 {
			continue
		}
		own := w.Folder.Models[i]
		shown.Workers = append(shown.Workers, &Holder{ID: w.ID, Alive: w.Alive(), State: own.State, Reason: known(own.Reason)})
		if own.State == jobspec.ModelServed && w.Alive() {
			shown.State, shown.Reason = jobspec.ModelServed, nil
		}
	}
	return shown
}

// known is nil for a text that says nothing.
func known(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
