// Package model opens bundles: which family of models a bundle belongs to is decided
// by its kind, and what comes out is what a worker serves.
package model

import (
	"context"
	"slices"

	"parley/internal/jobspec"
	"parley/worker"
	"parley/worker/bundle"
	"parley/worker/pipeline"
)

// families are the ways to run a bundle. Another one is a file in this room and an
// entry here; no two name the same kind of bundle.
var families = []family{translation, writing, embedding, drawing}

// family is one way to run bundles.
type family struct {
	// work is the kind of job that its models do.
	work string
	// kinds are the bundles that it runs.
	kinds []bundle.Kind
	// open loads bundles of these kinds. What can't be loaded is told to refuse; the
	// others work without it.
	open func(ctx context.Context, all []*bundle.Bundle, o pipeline.Options, refuse func(*bundle.Bundle, error)) []Model
	// join lets the family's models work together, again whenever one has come or gone;
	// it may be called while they run. Nil where each works alone.
	join func(all []Model)
	// verify loads a bundle of these kinds and compares it with its reference. The
	// error is a problem of the bundle's.
	verify func(ctx context.Context, b *bundle.Bundle, o pipeline.Options, f *pipeline.Findings) error
}

// Model is a bundle that was opened.
type Model struct {
	// Handlers do its work and announce it.
	Handlers []worker.Handler
	// Close gives the model back, after the handlers have ended.
	Close func() error
}

// familyOf finds the family that runs bundles of a kind.
func familyOf(all []family, kind bundle.Kind) (f family, ok bool) {
	i := slices.IndexFunc(all, func(f family) bool { return slices.Contains(f.kinds, kind) })
	if i < 0 {
		return family{}, false
	}
	return all[i], true
}

// Work is the kind of job that bundles of a kind do, "" when no family runs them.
func Work(kind bundle.Kind) string {
	f, _ := familyOf(families, kind)
	return f.work
}

// unrunnable is why a bundle without a family can't be used.
func unrunnable(b *bundle.Bundle) error {
	return pipeline.NewError(jobspec.CodeModelBroken, "The model %s is of a kind that can't run yet (%s).", b.Name, b.Kind)
}
