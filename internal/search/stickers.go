package search

import (
	"context"
	"math"
	"slices"
	"unicode/utf8"

	"parley/internal/apperr"
	"parley/internal/embedding"
	"parley/internal/feedback"
	"parley/internal/page"
	"parley/internal/sticker"
	"parley/internal/store"
)

// StickersInput is a search: exactly one of Query, StickerID and ImageID is given.
type StickersInput struct {
	// Query has 1 to MaxQuery characters once it is normalised.
	Query, StickerID, ImageID *string
	First                     *int
	After                     *string
	Filter                    *Filter
	// MinScore leaves out what scores lower, 0 to 1.
	MinScore *float64
	// Learned tells whether votes count.
	Learned bool
	// Typing says that the last word may be the beginning of one.
	Typing bool
	// Language is the query's, a canonical tag; nil to find out.
	Language *string
}

// Filter says which stickers count; what is left out keeps all.
type Filter struct {
	// Tags must all be there, whatever their case.
	Tags []string
	// Mine keeps the viewer's own.
	Mine bool
}

// maxTags is how many tags a filter may have.
const maxTags = 8

// Matched says why a hit is one: shares of its score, which are 1 together.
type Matched struct {
	Words, Picture, Votes float64
	// VoteCount is how many people voted on it for this query.
	VoteCount int
}

// Hit is a sticker that was found.
type Hit struct {
	Sticker *sticker.Sticker
	// Score is 0 to 1.
	Score   float64
	Matched Matched
}

// Answer is a page of hits, and what is said of all of them.
type Answer struct {
	*page.Page[*Hit]
	// Degraded says that words alone were compared, or that a translation that was needed
	// did not come.
	Degraded bool
	// TranslatedFrom is the language that the query was translated from, and Translation
	// what it says in one that the model understands; nil where it was not translated.
	TranslatedFrom, Translation *string
	// Confidence is the chance that the first hit fits; nil where too few judgements
	// tell.
	Confidence *float64
	// NothingFits says that hits were withheld because the confidence is too low.
	NothingFits bool
	// Index is the search index that was used, nil for none.
	Index *string
	// Model is that of the index.
	Model *string
}

func (in StickersInput) validate() error {
	given := 0
	for _, one := range []*string{in.Query, in.StickerID, in.ImageID} {
		if one != nil {
			given++
		}
	}
	if given != 1 {
		return apperr.New(apperr.BadInput, "Give one of query, stickerId and imageId.")
	}
	if in.First != nil && (*in.First < 1 || *in.First > page.Most) {
		return apperr.Argument("first", "A page has 1 to %d stickers, not %d.", page.Most, *in.First)
	}
	if in.MinScore != nil && (math.IsNaN(*in.MinScore) || *in.MinScore < 0 || *in.MinScore > 1) {
		return apperr.Argument("minScore", "A score is 0 to 1.")
	}
	if in.StickerID != nil {
		if err := store.CheckID("sticker", *in.StickerID, "stickerId"); err != nil {
			return err
		}
	}
	if in.ImageID != nil {
		if err := store.CheckID("media", *in.ImageID, "imageId"); err != nil {
			return err
		}
	}
	if in.Filter != nil {
		if len(in.Filter.Tags) > maxTags {
			return apperr.Argument("filter", "A filter has at most %d tags.", maxTags)
		}
		for _, tag := range in.Filter.Tags {
			if tag == "" || utf8.RuneCountInString(tag) > sticker.MaxTag || !store.Storable(tag) {
				return apperr.Argument("filter", "A tag has 1 to %d characters.", sticker.MaxTag)
			}
		}
	}
	return nil
}

// normalized gives the form of a query in which it is searched for and counted, within
// its bounds.
func normalized(query string) (string, error) {
	if !store.Storable(query) {
		return "", apperr.Argument("query", "A query is UTF-8 without NUL characters.")
	}
	if len(query) > 16*MaxQuery {
		return "", apperr.Argument("query", "A query has at most %d characters.", MaxQuery)
	}
	text := embedding.Normalize(query)
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return "", apperr.Argument("query", "Say what to search for: a query has 1 to %d characters.", MaxQuery)
	case n > MaxQuery:
		return "", apperr.Argument("query", "A query has at most %d characters, not %d.", MaxQuery, n)
	}
	return text, nil
}

// Stickers answers a search with what the viewer may see. A search that fails is not
// counted.
func (s *Service) Stickers(ctx context.Context, in StickersInput) (*Answer, error) {
	if err := in.validate(); err != nil {
		return nil, err
	}
	if err := s.Feedback.AllowSearch(ctx); err != nil {
		return nil, err
	}
	if err := s.Shelf.Wait(ctx); err != nil {
		return nil, apperr.Wrap(err, apperr.Unavailable, "The stickers are being read: try again in a moment.")
	}
	v := viewerOf(ctx)
	f, err := filterOf(in.Filter, v)
	if err != nil {
		return nil, err
	}
	w, err := s.window(ctx, in, v, f)
	if err != nil {
		return nil, err
	}
	a, err := s.answer(w, in, v)
	if err != nil {
		return nil, err
	}
	if in.After == nil {
		found := feedback.Search{Query: w.text, Hits: len(w.hits), Degraded: w.degraded, Private: w.private}
		if a.NothingFits {
			found.Hits = 0
		}
		s.Feedback.Counted(found)
	}
	return a, nil
}

// answer cuts the page out of a window.
func (s *Service) answer(w *window, in StickersInput, v viewer) (*Answer, error) {
	a := &Answer{Page: &page.Page[*Hit]{}, Degraded: w.degraded, Confidence: w.confidence}
	if w.translation != "" {
		a.TranslatedFrom, a.Translation = &w.from, &w.translation
	}
	if w.index != "" {
		a.Index, a.Model = &w.index, &w.model
	}
	hits := w.hits
	if w.confidence != nil && *w.confidence < s.MinConfidence {
		a.NothingFits, hits = len(hits) > 0, nil
	}
	if in.MinScore != nil {
		hits = hits[:len(hits)-tail(hits, *in.MinScore)]
	}
	from := 0
	if in.After != nil {
		place, err := parseCursor(*in.After)
		if err != nil {
			return nil, err
		}
		from = place.in(w)
	}
	size := page.Usual
	if in.First != nil {
		size = *in.First
	}
	a.HasPrevious = from > 0
	a.Count = func() (int, error) { return len(hits), nil }
	for i := min(from, len(hits)); i < len(hits); i++ {
		if len(a.Edges) == size {
			a.HasNext = true
			break
		}
		hit, ok := s.hit(hits[i], v)
		if !ok {
			continue // it was deleted since
		}
		a.Edges = append(a.Edges, page.Edge[*Hit]{Node: hit, Cursor: w.cursor(i)})
	}
	return a, nil
}

// tail counts the hits at the end that score lower.
func tail(hits []ranked, least float64) int {
	at, _ := slices.BinarySearchFunc(hits, least, func(h ranked, least float64) int {
		if h.Score >= least {
			return -1
		}
		return 1
	})
	return len(hits) - at
}

func (s *Service) hit(r ranked, v viewer) (*Hit, bool) {
	c, ok := s.Shelf.get(r.ID)
	if !ok || !v.sees(c) {
		return nil, false
	}
	addressed, err := s.Shelf.Stickers.Addressed(c.Sticker)
	if err != nil {
		return nil, false
	}
	return &Hit{Sticker: addressed, Score: r.Score, Matched: Matched{Words: r.Words, Picture: r.Picture, Votes: r.Votes, VoteCount: r.Count}}, true
}
