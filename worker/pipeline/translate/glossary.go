package translate

import (
	"strings"
	"unicode/utf8"

	"parley/internal/glossary"
	"parley/internal/jobspec"
	"parley/worker/pipeline"
)

// checkTerms bounds what a job brings along.
func checkTerms(terms []jobspec.Term) error {
	if len(terms) > jobspec.MaxTerms {
		return pipeline.NewError(jobspec.CodeInvalidInput, "The glossary has %d terms; at most %d can be used.", len(terms), jobspec.MaxTerms)
	}
	return nil
}

// hiddenTerm is a term that stands in sentences, with its stand-ins: plain shows its
// translation as the user wrote it, capital with a capital first letter.
type hiddenTerm struct {
	jobspec.Term
	plain, capital string
}

// hiddenTerms are the terms of a text, by their stand-ins.
type hiddenTerms map[rune]*hiddenTerm

// hideTerms puts stand-ins for the terms of the job's glossary that stand in sentences.
// Those that are carried through the model, as placeholders are, show their translations.
func (s *source) hideTerms(job jobspec.Translate) hiddenTerms {
	if len(job.Terms) == 0 {
		return nil
	}
	m := glossary.New(job.Source, job.Terms)
	found := map[string]*hiddenTerm{}
	all := hiddenTerms{}
	for i, segment := range s.segments {
		if !segment.Sentence {
			continue
		}
		var out strings.Builder
		at := 0
		for _, f := range m.Find(segment.Text) {
			h := found[f.Term.Term]
			if h == nil {
				h = s.hideTerm(f.Term)
				found[f.Term.Term] = h
				all[firstRune(h.plain)], all[firstRune(h.capital)] = h, h
			}
			out.WriteString(segment.Text[at:f.Start])
			if f.Put(segment.Text) == f.Term.Translation {
				out.WriteString(h.plain)
			} else {
				out.WriteString(h.capital)
			}
			at = f.End
		}
		out.WriteString(segment.Text[at:])
		s.segments[i].Text = out.String()
	}
	return all
}

// hideTerm makes the stand-ins of a term, one where it makes no difference.
func (s *source) hideTerm(t jobspec.Term) *hiddenTerm {
	h := &hiddenTerm{Term: t, plain: s.object(s.written(t.Translation))}
	h.capital = h.plain
	if capital := glossary.Capitalized(t.Translation); capital != t.Translation {
		h.capital = s.object(s.written(capital))
	}
	return h
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// in counts the terms of a text, each in both of its forms.
func (all hiddenTerms) in(text string) map[*hiddenTerm]int {
	var counts map[*hiddenTerm]int
	for _, r := range text {
		if h := all[r]; h != nil {
			if counts == nil {
				counts = map[*hiddenTerm]int{}
			}
			counts[h]++
		}
	}
	return counts
}

// spell gives a text with words in the place of its terms.
func (all hiddenTerms) spell(text string, word func(*hiddenTerm) string) string {
	var out strings.Builder
	for _, r := range text {
		h := all[r]
		switch {
		case h == nil:
			out.WriteRune(r)
		case string(r) == h.plain:
			out.WriteString(word(h))
		default:
			out.WriteString(glossary.Capitalized(word(h)))
		}
	}
	return out.String()
}
