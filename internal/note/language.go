package note

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/abadojack/whatlanggo"
	"golang.org/x/net/html"

	"parley/ent/gen/note"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/jobspec"
	"parley/internal/langtag"
)

// Direction is a pair of languages that some worker announced.
type Direction struct {
	Source, Target string
	// Pivot is true when every way goes through English.
	Pivot bool
	// Available is true when a living worker announced it.
	Available bool
}

// Directions gives what the workers can translate, sorted, from source and into target
// where these are given. Without either, of models for very many languages those pairs
// alone that they announce besides.
func (s *Service) Directions(ctx context.Context, source, target *string) ([]*Direction, error) {
	if _, err := auth.Require(ctx); err != nil {
		return nil, err
	}
	workers, err := s.workers.Workers(ctx)
	if err != nil {
		return nil, err
	}
	type pair struct{ source, target string }
	found := map[pair]Direction{}
	for _, w := range workers {
		for _, b := range w.Bundles {
			for _, d := range slices.Concat(b.Directions, meshOf(b, source, target)) {
				if source != nil && d.Source != *source || target != nil && d.Target != *target {
					continue
				}
				key := pair{d.Source, d.Target}
				have, ok := found[key]
				found[key] = Direction{d.Source, d.Target, d.Pivot && (!ok || have.Pivot), w.Alive() || have.Available}
			}
		}
	}
	all := make([]*Direction, 0, len(found))
	for _, d := range found {
		all = append(all, &d)
	}
	slices.SortFunc(all, func(a, b *Direction) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Target, b.Target))
	})
	return all, nil
}

// meshOf gives the directions of a bundle's mesh from a language, or into one.
func meshOf(b jobspec.Bundle, source, target *string) (all []jobspec.Direction) {
	for _, tag := range b.Mesh {
		switch {
		case source != nil && tag != *source && slices.Contains(b.Mesh, *source):
			all = append(all, jobspec.Direction{Source: *source, Target: tag})
		case source == nil && target != nil && tag != *target && slices.Contains(b.Mesh, *target):
			all = append(all, jobspec.Direction{Source: tag, Target: *target})
		}
	}
	return all
}

// nearest finds a tag in a mesh: the same, else one of the same language.
func nearest(mesh []string, tag string) (found string, ok bool) {
	for _, m := range mesh {
		if m == tag {
			return m, true
		}
		if !ok && langtag.Base(m) == langtag.Base(tag) {
			found, ok = m, true
		}
	}
	return found, ok
}

// match finds the announced direction for a pair of tags: the same tags, else
// the same languages. Direct ones come before pivots.
func match(bundles []jobspec.Bundle, source, target string) (jobspec.Bundle, jobspec.Direction, bool) {
	var best jobspec.Direction
	var in jobspec.Bundle
	rank := 0
	for _, b := range bundles {
		if b.Kind != jobspec.KindTranslate {
			continue
		}
		directions := b.Directions
		from, okFrom := nearest(b.Mesh, source)
		into, okInto := nearest(b.Mesh, target)
		if okFrom && okInto && from != into {
			directions = append(slices.Clip(directions), jobspec.Direction{Source: from, Target: into})
		}
		for _, d := range directions {
			r := 0
			if d.Source == source && d.Target == target {
				r = 4
			} else if langtag.Base(d.Source) == langtag.Base(source) && langtag.Base(d.Target) == langtag.Base(target) {
				r = 2
			}
			if r > 0 && !d.Pivot {
				r++
			}
			if r > rank {
				rank, best, in = r, d, b
			}
		}
	}
	return in, best, rank > 0
}

// languageOf checks the given language or detects the text's among those that
// the workers can translate from.
func (s *Service) languageOf(ctx context.Context, text string, format note.Format, given *string) (string, error) {
	if given != nil {
		return *given, nil
	}
	bundles, err := s.workers.Bundles(ctx)
	if err != nil {
		return "", err
	}
	if format == FormatHTML {
		text = prose(text)
	}
	return detect(text, bundles), nil
}

// prose gives the text between the tags of HTML, as much as a detection looks at,
// without scripts and styles.
func prose(text string) string {
	var all strings.Builder
	z := html.NewTokenizer(strings.NewReader(text))
	within := ""
	for all.Len() < sample {
		switch z.Next() {
		case html.ErrorToken:
			return all.String()
		case html.StartTagToken:
			name, _ := z.TagName()
			within = string(name)
		case html.EndTagToken:
			within = ""
		case html.TextToken:
			if within != "script" && within != "style" {
				all.Write(z.Text())
				all.WriteByte(' ')
			}
		}
	}
	return all.String()
}

// proseParts gives the texts between the tags of HTML, each by itself.
func proseParts(text string) []string {
	var all []string
	z := html.NewTokenizer(strings.NewReader(text))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return all
		case html.TextToken:
			all = append(all, strings.Join(strings.FieldsFunc(string(z.Text()), func(r rune) bool { return r == '\n' || r == '\r' }), " "))
		}
	}
}

// sure is the confidence from which a detection counts, and sample how many
// bytes of a text are looked at.
const (
	sure   = 0.8
	sample = 4 << 10
)

// detect gives the language of a text among the announced sources, or
// Undetermined when it is not sure.
func detect(text string, bundles []jobspec.Bundle) string {
	among := map[whatlanggo.Lang]string{}
	for _, tag := range sources(bundles) {
		if lang, ok := langtag.Detectable(tag); ok && among[lang] == "" {
			among[lang] = tag
		}
	}
	if len(among) == 0 {
		return Undetermined
	}
	whitelist := make(map[whatlanggo.Lang]bool, len(among)+len(langtag.Rivals))
	for lang := range among {
		whitelist[lang] = true
	}
	for _, lang := range langtag.Rivals {
		whitelist[lang] = true
	}
	if len(text) > sample {
		text = strings.ToValidUTF8(text[:sample], "")
	}
	info := whatlanggo.DetectWithOptions(text, whatlanggo.Options{Whitelist: whitelist})
	// A text of another script than all of the languages has no script here.
	tag, ok := among[info.Lang]
	if !ok || info.Script == nil || info.Confidence < sure {
		return Undetermined
	}
	return tag
}

// sources gives the languages that bundles translate from, the shortest tags
// first: "pt" comes before "pt-BR".
func sources(bundles []jobspec.Bundle) []string {
	seen := map[string]bool{}
	var tags []string
	for _, b := range bundles {
		of := slices.Clone(b.Mesh)
		for _, d := range b.Directions {
			of = append(of, d.Source)
		}
		for _, tag := range of {
			if !seen[tag] {
				seen[tag] = true
				tags = append(tags, tag)
			}
		}
	}
	slices.SortFunc(tags, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	return tags
}

// checkTargets refuses wanted languages of one note that can't be.
func checkTargets(bundles []jobspec.Bundle, source string, targets []string) error {
	if source == Undetermined {
		return apperr.Input("languages", "The note's language is unknown: set it with updateNote first.")
	}
	for _, target := range targets {
		if langtag.Base(target) == langtag.Base(source) {
			return apperr.Input("languages", "The note is in %s already.", source)
		}
		if target == Undetermined {
			return apperr.Input("languages", "%q is no language to translate into.", target)
		}
		if !slices.ContainsFunc(bundles, func(b jobspec.Bundle) bool { return b.Kind == jobspec.KindTranslate }) {
			continue // nobody said what can be translated: that may still come
		}
		if _, _, ok := match(bundles, source, target); !ok {
			e := apperr.New(apperr.UnsupportedLanguage, "No worker can translate from %s into %s.", source, target)
			e.Path = []string{"input", "languages"}
			return e
		}
	}
	return nil
}
