package note

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"parley/ent/gen"
	entglossary "parley/ent/gen/glossary"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/idempotency"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// MaxGlossaries is how many glossaries a user may have, each of up to jobspec.MaxTerms terms.
const MaxGlossaries = 100

// GlossaryTerm is a term with what it is to be called in another language.
type GlossaryTerm struct{ Term, Translation string }

// Glossary is how a user wants terms of Source put into Target.
type Glossary struct {
	Source, Target string
	Terms          []*GlossaryTerm
	UpdatedAt      time.Time
}

// SetGlossary replaces the viewer's glossary of a pair and gives it, nil when it has
// no terms and so is gone.
func (s *Service) SetGlossary(ctx context.Context, in SetGlossaryInput) (*Glossary, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	terms, err := in.tidy()
	if err != nil {
		return nil, err
	}
	same := in
	same.IdempotencyKey = nil
	call := idempotency.Call{Owner: viewer.ID, Operation: "setGlossary", Key: in.IdempotencyKey, Input: same}
	_, err = s.keys.Once(ctx, call, func(ctx context.Context) ([]string, error) {
		return nil, s.writeGlossary(ctx, viewer.ID, in.Source, in.Target, terms)
	})
	if err != nil {
		return nil, err
	}
	return s.Glossary(ctx, in.Source, in.Target)
}

func (s *Service) writeGlossary(ctx context.Context, owner, source, target string, terms []jobspec.Term) error {
	client := s.store.Client(ctx)
	if len(terms) == 0 {
		if _, err := client.Glossary.Delete().Where(entglossary.OwnerID(owner), entglossary.Source(source), entglossary.Target(target)).Exec(ctx); err != nil {
			return fmt.Errorf("remove a glossary: %w", err)
		}
		return s.store.Erased(ctx)
	}
	data, err := json.Marshal(terms)
	if err != nil {
		return fmt.Errorf("encode a glossary: %w", err)
	}
	changed, err := client.Glossary.Update().Where(entglossary.OwnerID(owner), entglossary.Source(source), entglossary.Target(target)).SetTerms(data).Save(ctx)
	if err != nil {
		return fmt.Errorf("change a glossary: %w", err)
	}
	if changed > 0 {
		return nil
	}
	there, err := client.Glossary.Query().Where(entglossary.OwnerID(owner)).Count(ctx)
	if err != nil {
		return fmt.Errorf("count glossaries: %w", err)
	}
	if there >= MaxGlossaries {
		return apperr.Input("source", "You have %d glossaries and may have %d.", there, MaxGlossaries)
	}
	err = client.Glossary.Create().SetID(store.NewID("glos")).SetOwnerID(owner).SetSource(source).SetTarget(target).SetTerms(data).
		OnConflictColumns(entglossary.FieldOwnerID, entglossary.FieldSource, entglossary.FieldTarget).
		Update(func(u *gen.GlossaryUpsert) { u.SetTerms(data).SetUpdatedAt(store.Now()) }).Exec(ctx)
	if err != nil {
		return fmt.Errorf("make a glossary: %w", err)
	}
	return nil
}

// Glossary gives the viewer's glossary of a pair, nil when there is none.
func (s *Service) Glossary(ctx context.Context, source, target string) (*Glossary, error) {
	all, err := s.Glossaries(ctx)
	for _, g := range all {
		if g.Source == source && g.Target == target {
			return g, nil
		}
	}
	return nil, err
}

// Glossaries gives the viewer's own glossaries, by source and target.
func (s *Service) Glossaries(ctx context.Context) ([]*Glossary, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := s.store.Client(ctx).Glossary.Query().Where(entglossary.OwnerID(viewer.ID)).
		Order(gen.Asc(entglossary.FieldSource, entglossary.FieldTarget)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read glossaries: %w", err)
	}
	all := make([]*Glossary, len(rows))
	for i, row := range rows {
		terms, err := termsOf(row)
		if err != nil {
			return nil, err
		}
		all[i] = &Glossary{Source: row.Source, Target: row.Target, UpdatedAt: row.UpdatedAt}
		for _, t := range terms {
			all[i].Terms = append(all[i].Terms, &GlossaryTerm{t.Term, t.Translation})
		}
	}
	return all, nil
}

func termsOf(row *gen.Glossary) (terms []jobspec.Term, err error) {
	if err := json.Unmarshal(row.Terms, &terms); err != nil {
		return nil, fmt.Errorf("decode the glossary %s: %w", row.ID, err)
	}
	return terms, nil
}

// SizeOfGlossary is how many bytes its texts have.
func SizeOfGlossary(g *Glossary) int {
	size := 0
	for _, t := range g.Terms {
		size += len(t.Term) + len(t.Translation)
	}
	return size
}
