package translate

import (
	"cmp"
	"slices"

	"golang.org/x/text/language"

	"parley/internal/jobspec"
	"parley/worker/bundle"
	"parley/worker/pipeline"
)

// pivotLanguage is what texts go through where no direct way exists.
const pivotLanguage = "en"

type pair struct{ source, target string }

// hop is one translation on the way.
type hop struct {
	by   *Translator
	pair pair
	// prefix are the tokens, words the words that every input begins with.
	prefix   []int64
	words    string
	settings bundle.Generation
}

// maxPivots is how many pairs a translator offers by way of another language.
const maxPivots = 2000

// Link lets each translator go on through any of the others where that joins
// two languages by way of English that none of them joins directly. The
// translator that knows the source announces the pivot, and the other one must
// run too. Link may be called again while the translators run, when others have come or
// gone: calls under way keep the way that they found, and fail where it leads through a
// translator that has been closed.
func Link(all ...*Translator) {
	for _, t := range all {
		pivots := map[pair][]hop{}
		for _, first := range t.pairs() {
			if first.target != pivotLanguage {
				continue
			}
			for _, u := range append([]*Translator{t}, all...) {
				t.addPivots(pivots, first, u, all)
			}
		}
		t.pivots.Store(&pivots)
	}
}

// pairs are those that the translator joins directly, in the order of the alphabet.
func (t *Translator) pairs() []pair {
	all := make([]pair, 0, len(t.direct))
	for p := range t.direct {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b pair) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.target, b.target))
	})
	return all
}

func (t *Translator) addPivots(pivots map[pair][]hop, first pair, u *Translator, all []*Translator) {
	if t == u && t.bundle.Kind == bundle.KindNLLB {
		// It goes from every language to every other by itself: its card says which.
		return
	}
	for _, second := range u.pairs() {
		whole := pair{first.source, second.target}
		if second.source != pivotLanguage || whole.source == whole.target || pivots[whole] != nil || len(pivots) >= maxPivots {
			continue
		}
		known := slices.ContainsFunc(all, func(other *Translator) bool {
			_, ok := other.way(whole)
			return ok
		})
		if !known {
			pivots[whole] = []hop{t.direct[first], u.direct[second]}
		}
	}
}

// route finds the way from one language to another; a tag that is more precise
// than the bundle's ("en-GB") is served by the wider one ("en").
func (t *Translator) route(source, target string) ([]hop, error) {
	for _, s := range widening(source) {
		for _, g := range widening(target) {
			if h, ok := t.way(pair{s, g}); ok {
				return []hop{h}, nil
			}
		}
	}
	pivots := *t.pivots.Load()
	for _, s := range widening(source) {
		for _, g := range widening(target) {
			if hops, ok := pivots[pair{s, g}]; ok {
				return hops, nil
			}
		}
	}
	return nil, pipeline.NewError(jobspec.CodeUnsupportedLanguage, "The model %s does not translate from %q to %q.", t.bundle.Name, source, target)
}

// way is how the translator joins two languages directly.
func (t *Translator) way(p pair) (h hop, ok bool) {
	if h, ok = t.direct[p]; ok {
		return h, true
	}
	from, to := t.mesh[p.source], t.mesh[p.target]
	if from == "" || to == "" || p.source == p.target {
		return hop{}, false
	}
	h, err := t.hop(bundle.Direction{Source: p.source, Target: p.target, From: from, To: to})
	return h, err == nil
}

// widening gives a tag and what it falls back to.
func widening(tag string) []string {
	all := []string{tag}
	parsed, err := language.Parse(tag)
	for err == nil && !parsed.IsRoot() {
		if s := parsed.String(); s != all[len(all)-1] {
			all = append(all, s)
		}
		parsed = parsed.Parent()
	}
	return all
}
