package search

import (
	"cmp"
	"context"
	"slices"

	"parley/internal/apperr"
	"parley/internal/search/lexicon"
	"parley/internal/sticker"
)

// Listed is a sticker that everybody may see.
type Listed struct {
	*sticker.Sticker
	// Folded has its tags in the form in which they are compared. It is not to be changed.
	Folded map[string]bool
}

// Public gives the stickers that everybody may see, the newest first, with addresses as
// they were when the stickers were read.
func (s *Service) Public(ctx context.Context) ([]Listed, error) {
	if err := s.Shelf.Wait(ctx); err != nil {
		return nil, apperr.Wrap(err, apperr.Unavailable, "The stickers are being read: try again in a moment.")
	}
	var all []Listed
	s.Shelf.read(viewer{}, func(cards map[string]*card, _ []*lexicon.Lexicon) {
		for _, c := range cards {
			if c.owner == "" {
				all = append(all, Listed{c.Sticker, c.tags})
			}
		}
	})
	slices.SortFunc(all, func(a, b Listed) int { return cmp.Compare(b.ID, a.ID) })
	return all, nil
}

// PublicByID gives those of the stickers that everybody may see, in the order of the ids.
func (s *Service) PublicByID(ctx context.Context, ids ...string) ([]*sticker.Sticker, error) {
	if err := s.Shelf.Wait(ctx); err != nil {
		return nil, apperr.Wrap(err, apperr.Unavailable, "The stickers are being read: try again in a moment.")
	}
	var found []*sticker.Sticker
	for _, id := range ids {
		c, ok := s.Shelf.get(id)
		if !ok || c.owner != "" {
			continue
		}
		addressed, err := s.Shelf.Stickers.Addressed(c.Sticker)
		if err != nil {
			return nil, err
		}
		found = append(found, addressed)
	}
	return found, nil
}
