package model

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"

	"parley/worker"
	"parley/worker/bundle"
	"parley/worker/pipeline"
)

// Set is the models of a folder, opened.
type Set struct{ models []Model }

// Open loads every bundle below root that a kind of job needs. What can't be used is
// logged with the reason; the others work without it. It fails when nothing is
// left. The models share their lanes and their memory.
func Open(ctx context.Context, root string, o pipeline.Options) (*Set, error) {
	return openFolder(ctx, families, root, o)
}

// openFolder is Open with other families.
func openFolder(ctx context.Context, all []family, root string, o pipeline.Options) (*Set, error) {
	dirs, err := bundle.List(root)
	if err != nil {
		return nil, fmt.Errorf("look for models: %w", err)
	}
	o = o.WithDefaults()
	reasons := []error{fmt.Errorf("there is no model in %s that can be used", root)}
	refuse := func(dir string, err error) {
		slog.Error("a model can't be used", "folder", dir, "error", err)
		reasons = append(reasons, fmt.Errorf("%s: %w", filepath.Base(dir), err))
	}
	var bundles []*bundle.Bundle
	for _, dir := range dirs {
		b, err := trusted(all, dir)
		if err != nil {
			refuse(dir, err)
			continue
		}
		if f, _ := familyOf(all, b.Kind); f.open == nil {
			slog.Info("a model stays closed, no kind of job needs it yet", "model", b.Name, "kind", b.Kind)
			continue
		}
		bundles = append(bundles, b)
	}
	s := &Set{}
	for _, f := range all {
		own := slices.DeleteFunc(slices.Clone(bundles), func(b *bundle.Bundle) bool { return !slices.Contains(f.kinds, b.Kind) })
		if len(own) > 0 {
			s.models = append(s.models, f.open(ctx, own, o, func(b *bundle.Bundle, err error) { refuse(b.Dir, err) })...)
		}
	}
	if len(s.models) == 0 {
		return nil, errors.Join(reasons...)
	}
	return s, nil
}

// trusted reads a bundle that a family runs, and checks the digests of its files.
func trusted(all []family, dir string) (*bundle.Bundle, error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return nil, err
	}
	if _, ok := familyOf(all, b.Kind); !ok {
		return nil, unrunnable(b)
	}
	if _, err := b.Check(); err != nil {
		return nil, err
	}
	return b, nil
}

// Handlers are what a worker serves with the models.
func (s *Set) Handlers() []worker.Handler {
	var all []worker.Handler
	for _, m := range s.models {
		all = append(all, m.Handlers...)
	}
	return all
}

// Names are those of the bundles that the handlers announce.
func (s *Set) Names() []string {
	var names []string
	for _, h := range s.Handlers() {
		if name := h.Bundle().Name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Close gives all models back, after the handlers have ended.
func (s *Set) Close() error {
	var errs []error
	for _, m := range s.models {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}
