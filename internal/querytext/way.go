package querytext

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"parley/internal/jobspec"
	"parley/internal/langtag"
)

// way is a direct direction of a model that takes queries.
type way struct {
	model          string
	source, target string
}

// languagesOf gives the languages that the embedding model of a digest understands; none
// where it does not say.
func languagesOf(bundles []jobspec.Bundle, digest string) []string {
	for _, b := range bundles {
		if b.Kind == jobspec.KindEmbed && b.Space != nil && b.Space.Digest == digest {
			return b.Languages
		}
	}
	return nil
}

// speaks tells whether one of some languages is that of a tag.
func speaks(languages []string, tag string) bool {
	return slices.ContainsFunc(languages, func(l string) bool { return langtag.Base(l) == langtag.Base(tag) })
}

// waysInto gives the direct directions from languages that a model does not understand into
// those that it does, in an order that follows from them alone: its first language first.
func waysInto(bundles []jobspec.Bundle, languages []string) (all []way) {
	for _, b := range bundles {
		if b.Kind != jobspec.KindTranslate || b.Digest == "" {
			continue
		}
		for _, d := range b.Directions {
			if !d.Pivot && speaks(languages, d.Target) && !speaks(languages, d.Source) {
				all = append(all, way{b.Digest, d.Source, d.Target})
			}
		}
		// Of a mesh one target is enough: it has every source.
		target := slices.IndexFunc(b.Mesh, func(tag string) bool { return speaks(languages, tag) })
		for _, source := range b.Mesh {
			if target >= 0 && !speaks(languages, source) {
				all = append(all, way{b.Digest, source, b.Mesh[target]})
			}
		}
	}
	rank := func(w way) int {
		return slices.IndexFunc(languages, func(l string) bool { return langtag.Base(l) == langtag.Base(w.target) })
	}
	slices.SortFunc(all, func(a, b way) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(len(a.source), len(b.source)), strings.Compare(a.source, b.source),
			cmp.Compare(len(a.target), len(b.target)), strings.Compare(a.target, b.target), strings.Compare(a.model, b.model))
	})
	return slices.Compact(all)
}

// from finds the way for a tag: from the same, else from one of the same language.
func from(ways []way, tag string) (way, bool) {
	for _, same := range []func(way) bool{
		func(w way) bool { return w.source == tag },
		func(w way) bool { return langtag.Base(w.source) == langtag.Base(tag) },
	} {
		if i := slices.IndexFunc(ways, same); i >= 0 {
			return ways[i], true
		}
	}
	return way{}, false
}

// canonical gives a tag as models write it, or "" for what is none.
func canonical(tag string) string {
	if len(tag) > maxTag {
		return ""
	}
	t, err := language.All.Parse(tag)
	if err != nil {
		return ""
	}
	return t.String()
}

// maxTag is the longest tag that is read, and maxPreferred how many are.
const (
	maxTag       = 35
	maxPreferred = 10
)
