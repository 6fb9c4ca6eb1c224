package translate

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode"

	"parley/internal/glossary"
	"parley/internal/jobspec"
	"parley/worker/pipeline"
)

// way is how the terms of a sentence get their translations. Each needs a pass of the
// model; the next is taken where one does not give each term as often as it stands in
// the sentence.
type way string

const (
	// replaced lets the model translate the term, and puts the user's translation in the
	// place of what the term alone becomes.
	replaced way = "replaced"
	// switched gives the model the user's translation to read, which it may copy.
	switched way = "switched"
	// carriedOver takes the term out of the sentence, as what the vocabulary lacks. It
	// never fails.
	carriedOver way = ""
)

// reading is what the model reads of a sentence, and what was taken out of it.
type reading struct {
	way     way
	rest    string
	carried []carried
	ids     []int64
}

func (p *passage) read(way way, text string) reading {
	rest, out := p.hop.by.carrier.prepare(text)
	return reading{way: way, rest: rest, carried: out, ids: p.encode(rest)}
}

// whole puts what was taken out of the sentence into its translation.
func (r reading) whole(text string) string {
	if len(r.carried) == 0 {
		return text
	}
	return restore(text, r.rest, r.carried)
}

// readings are the ways to read a sentence, of which over carries its terms, in the
// order in which they are tried. A sentence with tags is only carried over: so a term
// stays within its tags.
func (p *passage) readings(text string, over reading) []reading {
	if len(p.terms.in(text)) == 0 || strings.ContainsFunc(text, isTag) {
		return []reading{over}
	}
	var all []reading
	add := func(way way, word func(*hiddenTerm) string) {
		spelled := p.terms.spell(text, word)
		if r := p.read(way, spelled); p.fits(spelled) && r.rest != "" && p.carriedOf(r) == p.carriedOf(over) {
			all = append(all, r)
		}
	}
	add(replaced, func(h *hiddenTerm) string { return h.Term.Term })
	add(switched, func(h *hiddenTerm) string { return h.Translation })
	return append(all, over)
}

// carriedOf is all that was taken out for a reading but spaces and terms: where it is the
// same as without the terms, all of these are left in.
func (p *passage) carriedOf(r reading) string {
	var out strings.Builder
	for _, c := range r.carried {
		out.WriteString(c.text)
	}
	return strings.Map(func(r rune) rune {
		if p.terms[r] != nil || unicode.IsSpace(r) {
			return -1
		}
		return r
	}, out.String())
}

// translateTerms has the terms translated that stand in sentences, each alone and once.
func (p *passage) translateTerms(ctx context.Context, model *loaded, sentences []*pending) error {
	p.lone = map[*hiddenTerm]string{}
	var requests []*pipeline.Request
	seen := map[*hiddenTerm]bool{}
	for _, s := range sentences {
		if s.readings[0].way != replaced {
			continue
		}
		for _, h := range p.termsOf(s) {
			r := p.read(replaced, h.Term.Term)
			if seen[h] || len(r.carried) > 0 || r.rest == "" || !p.fits(h.Term.Term) {
				continue
			}
			seen[h] = true
			requests = append(requests, &pipeline.Request{Input: r.ids, Settings: p.hop.settings, Done: func(outputs []pipeline.Output) {
				text := p.hop.by.tokenizer.Decode(outputs[0].Tokens)
				p.lone[h] = strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsPunct(r) })
			}})
		}
	}
	if len(requests) == 0 {
		return nil
	}
	return model.Generate(ctx, requests, p.alone)
}

// hopeless tells that the next way can't succeed: nothing is known of a term alone.
func (p *passage) hopeless(s *pending) bool {
	if s.readings[0].way != replaced {
		return false
	}
	for h := range s.terms {
		if p.lone[h] == "" {
			return true
		}
	}
	return false
}

// termsOf gives the terms of a sentence, in a fixed order.
func (p *passage) termsOf(s *pending) []*hiddenTerm {
	return slices.SortedFunc(maps.Keys(s.terms), func(a, b *hiddenTerm) int { return strings.Compare(a.plain, b.plain) })
}

// place makes the sentence's translation of what the model wrote, with stand-ins for the
// terms; it is empty where it does not have each as often as the sentence.
func (p *passage) place(s *pending, r reading, text string) string {
	if r.way == carriedOver {
		return text
	}
	var forms []jobspec.Term
	used := map[string]bool{}
	for _, h := range p.termsOf(s) {
		form := h.Translation
		if r.way == replaced {
			// In small letters it is found whatever its case.
			form = strings.ToLower(p.lone[h])
		}
		key := glossary.Key(form)
		if key == "" || used[key] {
			return ""
		}
		used[key] = true
		forms = append(forms, jobspec.Term{Term: form, Translation: h.plain})
	}
	var out strings.Builder
	at := 0
	for _, f := range glossary.New(p.hop.pair.target, forms).Find(text) {
		out.WriteString(text[at:f.Start])
		out.WriteString(p.standIn(p.terms[firstRune(f.Term.Translation)], r.way, text, f))
		at = f.End
	}
	out.WriteString(text[at:])
	placed := out.String()
	if !maps.Equal(s.terms, p.terms.in(r.whole(placed))) || p.tells(s, placed) {
		return ""
	}
	return placed
}

// standIn chooses the form of a term for its place: a capital letter stays one unless it
// is the term's own in that language.
func (p *passage) standIn(h *hiddenTerm, way way, text string, f glossary.Match) string {
	own := h.Translation
	if way == replaced {
		own = p.lone[h]
	}
	first := strings.IndexFunc(text, unicode.IsLetter)
	if unicode.IsUpper(firstRune(h.Term.Term)) || !unicode.IsUpper(firstRune(text[f.Start:])) || unicode.IsUpper(firstRune(own)) && f.Start != first {
		return h.plain
	}
	return h.capital
}

// tells whether a translation holds a term's beside the stand-ins.
func (p *passage) tells(s *pending, placed string) bool {
	var all []jobspec.Term
	for h := range s.terms {
		all = append(all, h.Term)
		all[len(all)-1].Term = h.Translation
	}
	return len(glossary.New(p.hop.pair.target, all).Find(placed)) > 0
}
