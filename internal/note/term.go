package note

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"parley/internal/apperr"
	"parley/internal/glossary"
	"parley/internal/jobspec"
	"parley/internal/langtag"
)

// MaxTerm is how many characters a term of a glossary and its translation have at most.
const MaxTerm = 100

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
	if in.Source == Undetermined || in.Target == Undetermined || langtag.Base(in.Source) == langtag.Base(in.Target) {
		errs = append(errs, apperr.Input("target", "A glossary is of two languages."))
	}
	if len(in.Terms) > jobspec.MaxTerms {
		return nil, errors.Join(append(errs, apperr.Input("terms", "A glossary has at most %d terms, this one has %d.", jobspec.MaxTerms, len(in.Terms)))...)
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
