package note

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"parley/ent/gen"
	entglossary "parley/ent/gen/glossary"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/glossary"
	"parley/internal/idempotency"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// Limits of glossaries.
const (
	MaxTerms      = 200
	MaxTerm       = 100 // characters
	MaxGlossaries = 100
)

// GlossaryTerm is a term with what it is to be called in another language.
type GlossaryTerm struct{ Term, Translation string }

// Glossary is how a user wants terms of Source put into Target.
type Glossary struct {
	Source, Target string
	Terms          []*GlossaryTerm
	UpdatedAt      time.Time
}

// GlossaryTermInput is a term of SetGlossaryInput.
type GlossaryTermInput struct {
	Term        string `json:"term"`
	Translation string `json:"translation"`
}

// SetGlossaryInput is the input of setGlossary.
type SetGlossaryInput struct {
	Source         string               `json:"source"`
	Target         string               `json:"target"`
	Terms          []*GlossaryTermInput `json:"terms"`
	IdempotencyKey *string              `json:"idempotencyKey"`
}

// tidy gives the input's terms as they are kept, or every problem of them.
func (in SetGlossaryInput) tidy() ([]jobspec.Term, error) {
	errs := []error{checkKey(in.IdempotencyKey)}
	if in.Source == Undetermined || in.Target == Undetermined || Base(in.Source) == Base(in.Target) {
		errs = append(errs, apperr.Input("target", "A glossary is of two languages."))
	}
	if len(in.Terms) > MaxTerms {
		return nil, errors.Join(append(errs, apperr.Input("terms", "A glossary has at most %d terms, this one has %d.", MaxTerms, len(in.Terms)))...)
	}
	terms := make([]jobspec.Term, len(in.Terms))
	first := map[string]int{}
	for i, t := range in.Terms {
		terms[i] = jobspec.Term{Term: tidied(t.Term), Translation: tidied(t.Translation)}
		errs = append(errs, checkTerm(i, "term", terms[i].Term), checkTerm(i, "translation", terms[i].Translation))
		if !strings.ContainsFunc(terms[i].Term, unicode.IsLetter) {
			errs = append(errs, termError(i, "term", "A term needs a letter."))
			continue
		}
		key := glossary.Key(terms[i].Term)
		if at, twice := first[key]; twice {
			errs = append(errs, termError(i, "term", "The term is there already, as number %d.", at))
			continue
		}
		first[key] = i
	}
	return terms, errors.Join(errs...)
}

func tidied(s string) string { return norm.NFC.String(strings.TrimSpace(s)) }

func checkTerm(i int, field, s string) error {
	n := utf8.RuneCountInString(s)
	switch {
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unfit):
		return termError(i, field, "A %s is one line of UTF-8 without control characters and characters for private use.", field)
	case n == 0 || n > MaxTerm:
		return termError(i, field, "A %s has 1 to %d characters, this one has %d.", field, MaxTerm, n)
	}
	return nil
}

func unfit(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Co) }

func termError(i int, field, format string, args ...any) error {
	e := apperr.New(apperr.BadInput, format, args...)
	e.Path = []string{"input", "terms", strconv.Itoa(i), field}
	return e
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

// applying are the glossaries of a user, read to be used.
type applying map[pairOf]*glossary.Matcher

type pairOf struct{ source, target string }

// glossariesOf reads the glossaries of a user.
func (s *Service) glossariesOf(ctx context.Context, owner string) (applying, error) {
	rows, err := s.store.Client(ctx).Glossary.Query().Where(entglossary.OwnerID(owner)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read glossaries: %w", err)
	}
	all := applying{}
	for _, row := range rows {
		terms, err := termsOf(row)
		if err != nil {
			return nil, err
		}
		all[pairOf{row.Source, row.Target}] = glossary.New(terms)
	}
	return all, nil
}

// terms gives those that apply to a note's translation. The glossary is that of the
// same tags, else of the direction's that is used, else of the languages without
// script and region.
func (a applying) terms(n *gen.Note, target string, bundles []jobspec.Bundle) []jobspec.Term {
	if len(a) == 0 {
		return nil
	}
	pairs := []pairOf{{n.Language, target}}
	if _, d, ok := match(bundles, n.Language, target); ok {
		pairs = append(pairs, pairOf{d.Source, d.Target})
	}
	pairs = append(pairs, pairOf{n.Language, Base(target)}, pairOf{Base(n.Language), target}, pairOf{Base(n.Language), Base(target)})
	for _, p := range pairs {
		if m := a[p]; m != nil {
			return m.Occurring(stretches(n)...)
		}
	}
	return nil
}

// stretches are what a note's terms may stand in.
func stretches(n *gen.Note) []string {
	if n.Format == FormatHTML {
		return proseParts(n.Text)
	}
	return []string{n.Text}
}

// hashOf tells lists of terms apart; it is empty for none.
func hashOf(terms []jobspec.Term) string {
	if len(terms) == 0 {
		return ""
	}
	data, _ := json.Marshal(terms) // strings
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

type exportedGlossary struct {
	Source    string          `json:"source"`
	Target    string          `json:"target"`
	Terms     json.RawMessage `json:"terms"`
	CreatedAt time.Time       `json:"createdAt"`
	UpdatedAt time.Time       `json:"updatedAt"`
}

func (s *Service) exportGlossaries(ctx context.Context, account string, write domain.Write) error {
	rows, err := s.store.Client(ctx).Glossary.Query().Where(entglossary.OwnerID(account)).Order(entglossary.ByID()).All(ctx)
	if err != nil {
		return fmt.Errorf("export glossaries: %w", err)
	}
	for _, g := range rows {
		if err := write("Glossary", exportedGlossary{g.Source, g.Target, g.Terms, g.CreatedAt.UTC(), g.UpdatedAt.UTC()}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) deleteGlossaries(ctx context.Context, account string) error {
	if _, err := s.store.Client(ctx).Glossary.Delete().Where(entglossary.OwnerID(account)).Exec(ctx); err != nil {
		return fmt.Errorf("delete the glossaries of an account: %w", err)
	}
	return s.store.Erased(ctx)
}

// SizeOfGlossary is how many bytes its texts have.
func SizeOfGlossary(g *Glossary) int {
	size := 0
	for _, t := range g.Terms {
		size += len(t.Term) + len(t.Translation)
	}
	return size
}
