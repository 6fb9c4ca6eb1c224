package search

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"parley/internal/apperr"
	"parley/internal/sticker"
	"parley/internal/vector"
)

// filter is a Filter made ready.
type filter struct {
	mine bool
	tags []string
}

func filterOf(f *Filter, v viewer) (filter, error) {
	if f == nil {
		return filter{}, nil
	}
	if f.Mine && v.id == "" {
		return filter{}, apperr.New(apperr.Unauthenticated, "Sign in to search your own stickers.")
	}
	made := filter{mine: f.Mine}
	for _, tag := range f.Tags {
		made.tags = append(made.tags, sticker.FoldTag(tag))
	}
	slices.Sort(made.tags)
	made.tags = slices.Compact(made.tags)
	return made, nil
}

// keeps tells whether a viewer may see a sticker and the filter keeps it.
func (f filter) keeps(c *card, v viewer) bool {
	if !v.sees(c) || f.mine && (c.OwnerID == nil || *c.OwnerID != v.id) {
		return false
	}
	for _, tag := range f.tags {
		if !c.tags[tag] {
			return false
		}
	}
	return true
}

// labels is the same for the index of vectors.
func (f filter) labels(v viewer) vector.Filter {
	var seen []string
	if !f.mine {
		seen = append(seen, sticker.LabelPublic)
	}
	if v.id != "" {
		seen = append(seen, sticker.LabelOwner(v.id))
	}
	clauses := vector.Filter{seen}
	for _, tag := range f.tags {
		clauses = append(clauses, []string{sticker.LabelTag(tag)})
	}
	return clauses
}

// key tells filters apart.
func (f filter) key() string {
	if !f.mine && len(f.tags) == 0 {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.Join(f.tags, "\x00")))
	key := hex.EncodeToString(sum[:8])
	if f.mine {
		key += "m"
	}
	return key
}
