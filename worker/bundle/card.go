package bundle

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	"golang.org/x/text/language"
)

const cardFile = "parley.json"

// Card is parley.json: what a bundle does, for when its files don't say so.
// Every field may be left out.
//
//	{
//	  "name": "translate-mini",
//	  "kind": "translate",
//	  "licence": "CC-BY-4.0",
//	  "directions": [
//	    {"source": "en", "target": "es", "prefix": ">>spa<<"}
//	  ]
//	}
type Card struct {
	// Name replaces the folder's name.
	Name string `json:"name"`
	// Kind is the work, for example "translate".
	Kind string `json:"kind"`
	// Licence is an SPDX expression.
	Licence    string      `json:"licence"`
	Directions []Direction `json:"directions"`
}

// Direction is a language pair in BCP 47 tags with the token that the source
// begins with, "" for none.
type Direction struct {
	Source string `json:"source"`
	Target string `json:"target"`
	Prefix string `json:"prefix"`
}

// Directions gives the language pairs of a translation bundle: those of its
// card, else those that its target tokens (">>xxx<<" in the vocabulary) and its
// name (opus-mt-SOURCE-TARGET, also opus-mt-tc-big-SOURCE-TARGET) tell. A model
// with target tokens and no such name gets English to each of them, and each
// of them to English where English is one.
func (b *Bundle) Directions(tokens []string) ([]Direction, error) {
	if len(b.Card.Directions) > 0 {
		return b.cardDirections(tokens)
	}
	sources, targets := languagesOfName(b.Name)
	prefixes := map[string]string{}
	var tagged []string
	for _, token := range tokens {
		tag, ok := canonical(strings.TrimSuffix(strings.TrimPrefix(token, ">>"), "<<"))
		if _, known := prefixes[tag]; ok && !known {
			prefixes[tag] = token
			tagged = append(tagged, tag)
		}
	}
	if len(tagged) > 0 && (len(targets) != 1 || prefixes[targets[0]] == "") {
		targets = tagged
	}
	if len(sources) == 0 {
		sources = append([]string{"en"}, slices.DeleteFunc(slices.Clone(tagged), func(t string) bool { return t == "en" })...)
	}
	var all []Direction
	for _, s := range sources {
		for _, t := range targets {
			// A model for many pairs learned those with English at least.
			if s != t && (len(sources) == 1 || len(targets) == 1 || s == "en" || t == "en") {
				all = append(all, Direction{Source: s, Target: t, Prefix: prefixes[t]})
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: %s: neither %s nor its name and target tokens tell its languages", ErrBroken, b.Dir, cardFile)
	}
	sortDirections(all)
	return all, nil
}

func (b *Bundle) cardDirections(tokens []string) ([]Direction, error) {
	known := map[string]bool{"": true}
	for _, t := range tokens {
		known[t] = true
	}
	all := make([]Direction, 0, len(b.Card.Directions))
	for _, d := range b.Card.Directions {
		source, okSource := canonical(d.Source)
		target, okTarget := canonical(d.Target)
		if !okSource || !okTarget || source == target {
			return nil, fmt.Errorf("%w: %s: %q to %q is no direction", ErrBroken, b.path(cardFile), d.Source, d.Target)
		}
		if !known[d.Prefix] {
			return nil, fmt.Errorf("%w: %s: the vocabulary has no %q", ErrBroken, b.path(cardFile), d.Prefix)
		}
		all = append(all, Direction{Source: source, Target: target, Prefix: d.Prefix})
	}
	sortDirections(all)
	return all, nil
}

func sortDirections(all []Direction) {
	sort.SliceStable(all, func(i, j int) bool {
		if all[i].Source != all[j].Source {
			return all[i].Source < all[j].Source
		}
		return all[i].Target < all[j].Target
	})
}

// canonical turns a tag, also one of three letters (ISO 639-3) or with an
// underscore as Marian's tokens have it, into a canonical BCP 47 tag.
func canonical(code string) (string, bool) {
	tag, err := language.Parse(strings.ReplaceAll(code, "_", "-"))
	if err != nil || tag == language.Und || tag.IsRoot() {
		return "", false
	}
	if base, _ := tag.Base(); len(base.String()) == 3 {
		// The standard's code for a part of a language that people call by the
		// whole: Mandarin is Chinese.
		if whole, err := language.Macro.Canonicalize(tag); err == nil {
			tag = whole
		}
	}
	return tag.String(), true
}

// opusName is the name of an export of OPUS-MT, with or without the owner.
var opusName = regexp.MustCompile(`opus-mt(?:-[a-z]+[0-9]*)*?-(?:tc-(?:big|base|tiny)-)?([A-Za-z_]{2,})-([A-Za-z_]{2,})$`)

// languagesOfName reads one source and one target of the name. Names of groups
// ("mul", "ROMANCE", "gmw") are none.
func languagesOfName(name string) (sources, targets []string) {
	m := opusName.FindStringSubmatch(name)
	if m == nil {
		return nil, nil
	}
	if s, ok := single(m[1]); ok {
		sources = []string{s}
	}
	if t, ok := single(m[2]); ok {
		targets = []string{t}
	}
	return sources, targets
}

// single refuses the codes of groups of languages (ISO 639-5) and "mul".
func single(code string) (string, bool) {
	if code == "mul" || code != strings.ToLower(code) && !strings.Contains(code, "_") {
		return "", false
	}
	tag, ok := canonical(code)
	if !ok {
		return "", false
	}
	base, _ := language.Make(tag).Base()
	if groups[base.ISO3()] || groups[code] {
		return "", false
	}
	return tag, true
}

// groups are the codes of language families that OPUS-MT names use.
var groups = func() map[string]bool {
	m := map[string]bool{}
	for _, g := range strings.Fields("aav afa alv art bat bnt cau ccs cel cpf cpp cus dra euq fiu gem gmq gmw grk hmx iir inc ine ira itc mkh nic ngf omv paa phi poz pqe pqw roa sal sem sla sit sai tai trk urj wen zle zls zlw map taw tut cpe cau") {
		m[g] = true
	}
	return m
}()
