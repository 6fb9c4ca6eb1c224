package bundle

import (
	"cmp"
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
	// Kind is the work, for example "translate". A T5 translates, unless it is "write".
	Kind string `json:"kind"`
	// Licence is an SPDX expression.
	Licence    string      `json:"licence"`
	Directions []Direction `json:"directions"`
	// Candidates is how many texts a language model draws at once for a user's wish, 1 to
	// MaxCandidates: the one is taken that keeps most of its words. It is for small models;
	// 0 stands for 1, and a single text is shown while it grows.
	Candidates int `json:"candidates"`
}

// cardWrites is the Kind of a Card whose model writes.
const cardWrites = "write"

// MaxCandidates is the most candidates of a Card.
const MaxCandidates = 16

// Direction is a language pair in BCP 47 tags, and how a model is asked for it.
type Direction struct {
	Source string `json:"source"`
	Target string `json:"target"`
	// Prefix is what the source begins with, "" for nothing: a token of a Marian
	// vocabulary, words for T5.
	Prefix string `json:"prefix"`
	// From and To are the tokens of the languages in the vocabulary of an M2M100 or
	// NLLB model; a card may leave them out.
	From string `json:"from"`
	To   string `json:"to"`
}

// maxDirections is how many directions a bundle offers: of a model for so many
// languages that their pairs are more, those with English.
const maxDirections = 2000

// Directions gives the language pairs of a translation bundle: those of its card, else
// those that its kind tells. tokens are those of languages in the vocabulary.
func (b *Bundle) Directions(tokens []string) ([]Direction, error) {
	var all []Direction
	switch {
	case len(b.Card.Directions) > 0:
		return b.cardDirections(tokens)
	case b.Kind == KindNLLB:
		all = meshDirections(tokens)
	case b.Kind == KindT5:
		all = b.taskDirections()
	default:
		all = b.namedDirections(tokens)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: %s: neither %s nor its name, tokens and tasks tell its languages", ErrBroken, b.Dir, cardFile)
	}
	sortDirections(all)
	return all, nil
}

// Mesh gives the tokens of the languages, by their tags, of a bundle that translates from
// every one into every other where their pairs are too many for Directions; nil for any
// other bundle. tokens are those of languages in the vocabulary.
func (b *Bundle) Mesh(tokens []string) map[string]string {
	if b.Kind != KindNLLB || len(b.Card.Directions) > 0 {
		return nil
	}
	of, tags := byLanguage(tokens)
	if len(tags)*(len(tags)-1) <= maxDirections {
		return nil
	}
	return of
}

// languageOf reads the tag of a token: ">>spa<<", "__es__", "spa_Latn".
func languageOf(token string) (tag string, ok bool) {
	return canonical(strings.Trim(strings.TrimSuffix(strings.TrimPrefix(token, ">>"), "<<"), "_"))
}

// byLanguage gives the tokens by their tags, and the tags in the order of the tokens. A
// script that its language is mostly written in is left out: "kor_Hang" is Korean.
func byLanguage(tokens []string) (of map[string]string, tags []string) {
	of = map[string]string{}
	for _, token := range tokens {
		tag, ok := languageOf(token)
		if ok && strings.Contains(token, "_") && usualScript(tag) {
			tag = baseOf(tag)
		}
		if _, known := of[tag]; ok && !known {
			of[tag] = token
			tags = append(tags, tag)
		}
	}
	return of, tags
}

// baseOf is the language of a tag without script and region.
func baseOf(tag string) string {
	base, _ := language.Make(tag).Base()
	return base.String()
}

// usualScript tells whether a tag names the script that its language is mostly written
// in, and nothing else.
func usualScript(tag string) bool {
	script, _ := language.Make(tag).Script()
	usual, _ := language.Make(baseOf(tag)).Script()
	// The usual script of Korean is that with Chinese characters among the others.
	fits := usual == script || usual.String() == "Kore" && script.String() == "Hang"
	return fits && tag == baseOf(tag)+"-"+script.String()
}

// meshDirections are those of a model that goes from every language to every other.
func meshDirections(tokens []string) []Direction {
	of, tags := byLanguage(tokens)
	all := len(tags)*(len(tags)-1) <= maxDirections
	var found []Direction
	for _, s := range tags {
		for _, t := range tags {
			if s != t && (all || s == "en" || t == "en") {
				found = append(found, Direction{Source: s, Target: t, From: of[s], To: of[t]})
			}
		}
	}
	return found
}

// taskName is how config.json names the tasks of T5.
var taskName = regexp.MustCompile(`^translation_([a-z]{2,3})_to_([a-z]{2,3})$`)

// taskDirections are those that task_specific_params tell.
func (b *Bundle) taskDirections() []Direction {
	var found []Direction
	for name, task := range b.Config.Tasks {
		m := taskName.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		source, okSource := canonical(m[1])
		target, okTarget := canonical(m[2])
		if okSource && okTarget && source != target {
			found = append(found, Direction{Source: source, Target: target, Prefix: task.Prefix})
		}
	}
	return found
}

// namedDirections are those that target tokens (">>xxx<<" in the vocabulary) and the
// bundle's name (opus-mt-SOURCE-TARGET, also opus-mt-tc-big-SOURCE-TARGET) tell. A model
// with target tokens and no such name gets English to each of them, and each of them to
// English where English is one.
func (b *Bundle) namedDirections(tokens []string) []Direction {
	sources, targets := languagesOfName(b.Name)
	if sources == nil && targets == nil {
		sources, targets = b.languagesOfSource()
	}
	prefixes, tagged := byLanguage(tokens)
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
	return all
}

func (b *Bundle) cardDirections(tokens []string) ([]Direction, error) {
	of, _ := byLanguage(tokens)
	all := make([]Direction, 0, len(b.Card.Directions))
	for _, d := range b.Card.Directions {
		source, okSource := canonical(d.Source)
		target, okTarget := canonical(d.Target)
		if !okSource || !okTarget || source == target {
			return nil, fmt.Errorf("%w: %s: %q to %q is no direction", ErrBroken, b.path(cardFile), d.Source, d.Target)
		}
		needed := []string{d.Prefix}
		switch b.Kind {
		case KindT5:
			needed = nil
		case KindNLLB:
			d.From, d.To = cmp.Or(d.From, of[source]), cmp.Or(d.To, of[target])
			needed = []string{cmp.Or(d.From, source), cmp.Or(d.To, target)}
		}
		for _, token := range needed {
			if token != "" && !slices.Contains(tokens, token) {
				return nil, fmt.Errorf("%w: %s: the vocabulary has no %q", ErrBroken, b.path(cardFile), token)
			}
		}
		d.Source, d.Target = source, target
		all = append(all, d)
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
	// A script that the language is written in anyway says nothing.
	if short, err := language.SuppressScript.Canonicalize(tag); err == nil {
		tag = short
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
