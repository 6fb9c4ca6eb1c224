package search

import (
	"cmp"
	"slices"

	"parley/internal/search/lexicon"
)

// byWords gives those of the stickers that a viewer sees and a filter keeps which have
// some of the words, the best first.
func (s *Service) byWords(t *target, v viewer, f filter) (hits []lexicon.Hit) {
	if len(t.words) == 0 {
		return nil
	}
	s.Shelf.read(v, func(cards map[string]*card, words []*lexicon.Lexicon) {
		for _, l := range words {
			for _, h := range l.Search(t.words, t.typing) {
				if c := cards[h.ID]; c != nil && h.ID != t.without && f.keeps(c, v) {
					hits = append(hits, h)
				}
			}
		}
	})
	slices.SortStableFunc(hits, func(a, b lexicon.Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
	return hits
}
