package search

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"parley/internal/apperr"
	"parley/internal/embedding"
	"parley/internal/page"
	"parley/internal/search/lexicon"
	"parley/internal/store"
)

// Suggestions gives ways in which a query could go on whose beginning somebody has typed:
// the last word is completed by those of the stickers which have the words before it and
// which the viewer may see. The most frequent come first; first is 1 to 100.
func (s *Service) Suggestions(ctx context.Context, prefix string, first int) ([]string, error) {
	if first < 1 || first > page.Most {
		return nil, apperr.Argument("first", "There are 1 to %d suggestions at a time, not %d.", page.Most, first)
	}
	if !store.Storable(prefix) || len(prefix) > 16*MaxQuery || utf8.RuneCountInString(prefix) > MaxQuery {
		return nil, apperr.Argument("prefix", "What was typed has at most %d characters of UTF-8 without NUL characters.", MaxQuery)
	}
	if err := s.Feedback.AllowSearch(ctx); err != nil {
		return nil, err
	}
	if err := s.Shelf.Wait(ctx); err != nil {
		return nil, apperr.Wrap(err, apperr.Unavailable, "The stickers are being read: try again in a moment.")
	}
	typed := lexicon.Words(prefix)
	if len(typed) == 0 {
		return []string{}, nil
	}
	v := viewerOf(ctx)
	before, last := typed[:len(typed)-1], typed[len(typed)-1]
	counts := map[string]int{}
	s.Shelf.read(v, func(cards map[string]*card, words []*lexicon.Lexicon) {
		for _, l := range words {
			if len(before) == 0 {
				counts[last] += l.Count(last)
				for _, w := range l.Beginning(last, page.Most) {
					counts[w] += l.Count(w)
				}
				continue
			}
			for _, h := range l.Search(before, false) {
				if c := cards[h.ID]; c != nil && c.has(before) {
					c.count(last, counts)
				}
			}
		}
	})
	maps.DeleteFunc(counts, func(_ string, n int) bool { return n == 0 })
	completed := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	completed = completed[:min(first, len(completed))]
	// What stands before the last word stays as it was typed.
	stem := strings.TrimSuffix(embedding.Normalize(prefix), last)
	for i, w := range completed {
		completed[i] = stem + w
	}
	return completed, nil
}

// has tells whether a sticker has all words.
func (c *card) has(words []string) bool {
	for _, w := range words {
		if !slices.Contains(c.words, w) {
			return false
		}
	}
	return true
}

// count counts the words of a sticker that begin so.
func (c *card) count(begin string, counts map[string]int) {
	for _, w := range c.words {
		if strings.HasPrefix(w, begin) {
			counts[w]++
		}
	}
}
