package indexing

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"parley/internal/store"
)

// want is one side of an object that is to be embedded.
type want struct {
	source, object string
	side           Side
	version        int64
	// content tells what is embedded apart.
	content string
	tries   int
	item    Item
	// ordinal is which of its job's vectors it becomes.
	ordinal int
}

// plan is what brings an index up to date with some objects.
type plan struct {
	// sides is how many texts and pictures the objects have.
	sides int
	wants []want
	// surplus are rows of what is there no more, and renewed those by version whose
	// vectors, or the jobs that make them, are still right.
	surplus []int64
	renewed map[int64][]int64
	// changed are the objects that surplus rows are of.
	changed []string
}

// compare plans what an index needs of the objects of a source, from their rows.
func compare(index *Index, source Source, items []Item, rows []row, now time.Time) plan {
	type key struct {
		object string
		side   Side
	}
	byKey := make(map[key]row, len(rows))
	for _, r := range rows {
		byKey[key{r.object, r.side}] = r
	}
	p := plan{renewed: map[int64][]int64{}}
	for _, item := range items {
		for _, side := range source.Sides {
			content, ok := contentOf(index, item, side)
			if !ok {
				continue
			}
			p.sides++
			k := key{item.ID, side}
			r, known := byKey[k]
			delete(byKey, k)
			w := want{source: source.Name, object: item.ID, side: side, version: item.Version, content: content, item: item}
			switch standing(r, known, item.Version, content, now) {
			case wanted:
				p.wants = append(p.wants, w)
			case again:
				w.tries = r.tries
				p.wants = append(p.wants, w)
			case older:
				p.renewed[item.Version] = append(p.renewed[item.Version], r.id)
			}
		}
	}
	for k, r := range byKey {
		p.surplus = append(p.surplus, r.id)
		p.changed = append(p.changed, k.object)
	}
	slices.Sort(p.changed)
	p.changed = slices.Compact(p.changed)
	return p
}

// what is to be done about a row.
type what int

const (
	nothing what = iota
	// wanted is what has no vector of the object as it is, and again what is tried anew.
	wanted
	again
	// older is a vector of an older version whose content is the same, or the wait for one.
	older
)

// standing tells what is to be done about a row of an object's version.
func standing(r row, known bool, version int64, content string, now time.Time) what {
	switch {
	case !known:
		return wanted
	case r.job != "":
		switch {
		case r.jobVersion >= version:
			return nothing
		case r.jobContent == content:
			return older
		}
		return wanted
	case !r.retryAt.IsZero():
		if r.jobVersion < version && r.jobContent != content {
			return wanted
		}
		if r.retryAt.After(now) {
			return nothing
		}
		return again
	case !r.hasVector && !r.failed:
		return wanted
	case r.version >= version:
		return nothing
	case r.hasVector && r.content == content:
		return older
	}
	return wanted
}

// has tells whether there is anything of a side.
func (i Item) has(side Side) bool {
	if side == Words {
		return i.Text != ""
	}
	return i.Picture != nil
}

// contentOf tells what of an item is embedded apart, and whether there is anything of the
// side that the index's model reads.
func contentOf(index *Index, item Item, side Side) (string, bool) {
	if !item.has(side) {
		return "", false
	}
	switch side {
	case Words:
		if !index.Texts {
			return "", false
		}
		sum := sha256.Sum256([]byte(item.Text))
		return hex.EncodeToString(sum[:16]), true
	case Picture:
		if !index.Pictures {
			return "", false
		}
		if item.PictureKey == "" {
			return "v" + strconv.FormatInt(item.Version, 10), true
		}
		if !store.Storable(item.PictureKey) || len(item.PictureKey) > 64 {
			sum := sha256.Sum256([]byte(item.PictureKey))
			return "h" + hex.EncodeToString(sum[:16]), true
		}
		return "k" + item.PictureKey, true
	}
	return "", false
}
