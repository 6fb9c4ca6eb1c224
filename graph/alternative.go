package graph

import (
	"context"

	"parley/ent/gen"
	"parley/internal/jobspec"
	"parley/internal/note"
)

// defaultAlternatives is how many alternatives are given where the call says null.
const defaultAlternatives = 5

// alternatives gives the first alternatives of a translation, none before its text is there.
func alternatives(ctx context.Context, notes *note.Service, t *gen.Translation, first *int) ([]*note.Alternative, error) {
	wanted := defaultAlternatives
	if first != nil {
		wanted = *first
	}
	if err := note.CheckAlternatives(wanted); err != nil {
		return nil, err
	}
	if t.Text == nil || wanted == 0 {
		return []*note.Alternative{}, nil
	}
	found, err := joined(ctx, "Translation.alternatives", t.ID, itself, notes.Alternatives)
	if err != nil || found == nil {
		return []*note.Alternative{}, err
	}
	return texts(ctx, found[:min(wanted, len(found))], nil, func(a *jobspec.Alternative) int { return len(a.Text) })
}
