package tenor

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"parley/internal/search"
	"parley/internal/sticker"
)

// Bounds of a board.
const (
	mostFeatured = 1000
	// mostTerms is how many tags it has, and mostCategories how many have a picture.
	mostTerms      = mostLimit
	mostCategories = 30
	// popularFor is the time whose choices and votes count.
	popularFor = 7 * 24 * time.Hour
	// mostBoards are kept, so that pages go together; about 20 kB each.
	mostBoards = 64
)

// board is what is shown before anybody searches. It does not change.
type board struct {
	// name tells it from others.
	name string
	// stickers are the ids of what is featured: the popular ones, then the newest.
	stickers []string
	// common are the tags that most stickers have, trending those of the popular ones
	// before the others.
	common, trending []group
}

// group is a tag, as one of its stickers spells it, and that sticker's id.
type group struct{ tag, sticker string }

// boards keeps the board of now, and earlier ones for their next pages.
type boards struct {
	mu   sync.Mutex
	now  *board
	made time.Time
	kept *lru.Cache[string, *board]
}

func newBoards() boards {
	kept, err := lru.New[string, *board](mostBoards)
	if err != nil {
		panic(err) // the size is a constant
	}
	return boards{kept: kept}
}

// board gives the board of now.
func (h *Handler) board(ctx context.Context) (*board, error) {
	h.boards.mu.Lock()
	defer h.boards.mu.Unlock()
	if b := h.boards.now; b != nil && time.Since(h.boards.made) < h.BoardLasts {
		return b, nil
	}
	all, err := h.Search.Public(ctx)
	var popular []string
	if err == nil {
		popular, err = h.Feedback.Popular(ctx, time.Now().Add(-popularFor), mostFeatured)
	}
	if err != nil && h.boards.now != nil {
		slog.WarnContext(ctx, "what is featured could not be read anew, it stays as it was for now", "error", err)
		h.boards.made = time.Now()
		return h.boards.now, nil
	}
	if err != nil {
		return nil, err
	}
	b := newBoard(all, popular)
	h.boards.now, h.boards.made = b, time.Now()
	h.boards.kept.Add(b.name, b)
	return b, nil
}

// newBoard makes a board of all public stickers, the newest first, and the ids of popular
// ones, some of which may be public no more.
func newBoard(all []search.Listed, popular []string) *board {
	ranks := make(map[string]int, len(popular))
	for i, id := range popular {
		ranks[id] = i
	}
	var first, rest []search.Listed
	for _, one := range all {
		if _, ok := ranks[one.ID]; ok {
			first = append(first, one)
		} else {
			rest = append(rest, one)
		}
	}
	slices.SortFunc(first, func(a, b search.Listed) int { return cmp.Compare(ranks[a.ID], ranks[b.ID]) })
	all = append(slices.Clip(first), rest...)
	b, digest := &board{}, sha256.New()
	for _, one := range all[:min(len(all), mostFeatured)] {
		b.stickers = append(b.stickers, one.ID)
		_, _ = fmt.Fprintln(digest, one.ID)
	}
	b.name = base64.RawURLEncoding.EncodeToString(digest.Sum(nil)[:12])
	counts := map[string]*count{}
	for i, one := range all {
		for tag := range one.Folded {
			c := counts[tag]
			if c == nil {
				c = &count{tag: tag}
				counts[tag] = c
			}
			if c.stickers++; i < len(first) {
				c.popular++
			}
		}
	}
	tags := slices.Collect(maps.Values(counts))
	b.common = groups(all, tags, func(a, b *count) int { return cmp.Compare(b.stickers, a.stickers) })
	b.trending = groups(all, tags, func(a, b *count) int {
		return cmp.Or(cmp.Compare(b.popular, a.popular), cmp.Compare(b.stickers, a.stickers))
	})
	return b
}

// count is how many stickers have a tag, in its folded form, and how many popular ones.
type count struct {
	tag               string
	stickers, popular int
}

// groups gives the first tags in an order, equal ones by their names, each with a sticker
// that stands for no tag before it, where there is one.
func groups(all []search.Listed, tags []*count, order func(a, b *count) int) []group {
	slices.SortFunc(tags, func(a, b *count) int { return cmp.Or(order(a, b), cmp.Compare(a.tag, b.tag)) })
	var list []group
	used := map[string]bool{}
	for _, c := range tags[:min(len(tags), mostTerms)] {
		var shown search.Listed
		for _, one := range all {
			if one.Folded[c.tag] && (shown.Sticker == nil || !used[one.ID]) {
				if shown = one; !used[one.ID] {
					break
				}
			}
		}
		used[shown.ID] = true
		spelt := slices.IndexFunc(shown.Tags, func(t string) bool { return sticker.FoldTag(t) == c.tag })
		list = append(list, group{shown.Tags[max(spelt, 0)], shown.ID})
	}
	return list
}
