package note

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"parley/ent/gen"
	entglossary "parley/ent/gen/glossary"
	"parley/internal/glossary"
	"parley/internal/jobspec"
	"parley/internal/langtag"
)

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
		all[pairOf{row.Source, row.Target}] = glossary.New(row.Source, terms)
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
	pairs = append(pairs, pairOf{n.Language, langtag.Base(target)}, pairOf{langtag.Base(n.Language), target}, pairOf{langtag.Base(n.Language), langtag.Base(target)})
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
