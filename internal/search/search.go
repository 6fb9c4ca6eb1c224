// Package search finds stickers by words, by vectors and by what people said of earlier
// answers. What it searches in is in the memory of each API process.
package search

import (
	"context"
	"time"

	"parley/internal/apperr"
	"parley/internal/embedding"
	"parley/internal/feed"
	"parley/internal/feedback"
	"parley/internal/indexing"
	"parley/internal/media"
	"parley/internal/note"
	"parley/internal/querytext"
	"parley/internal/sticker"
)

// The sources of vectors that are searched.
const (
	SourceStickers = sticker.SourceStickers
	SourceQueries  = "query"
)

// Config is what a Service works with.
type Config struct {
	Shelf    *Shelf
	Opinions *Opinions
	Vectors  *indexing.Follower
	// Embed makes vectors of queries. It may be set later than the rest, before the first
	// search.
	Embed *embedding.Client
	// Texts translates queries that the model does not understand, nil for none. It may be
	// set as late as Embed.
	Texts *querytext.Client
	Media *media.Service
	Notes *note.Service
	// Posts are searched with stickers and notes.
	Posts    *feed.Service
	Feedback *feedback.Service
	// MinConfidence is the chance of the first hit to fit below which an answer says
	// that nothing fits, once judgements tell.
	MinConfidence float64
	// CalibrateEvery is how often it is looked whether there are new judgements to learn
	// the confidence from.
	CalibrateEvery time.Duration
}

// Service answers searches.
type Service struct {
	Config
	windows *windows
	judge   judge
}

// New makes the service.
func New(c Config) *Service { return &Service{Config: c, windows: newWindows()} }

// MaxQuery is the longest query in characters, MaxHits the most hits that are ranked.
const (
	MaxQuery = feedback.MaxQuery
	MaxHits  = 500
)

// target is what is searched for, made ready: words, a vector, or both.
type target struct {
	// text is the query, normalised.
	text   string
	words  []string
	typing bool
	// translation is what the text says in a language that the model understands, where it
	// was translated, and from the language that it was translated from.
	translation, from string
	// vectors are those of what is searched for: of a query that was translated that of the
	// translation and that of the query, since what was taken for another language may have
	// been understood. The one that is nearer to a thing counts.
	vectors [][]float32
	// generation has the vectors to compare with; nil says words alone.
	generation *indexing.Generation
	// without is a sticker that is no answer to itself.
	without  string
	degraded bool
	// until is how long the generation is waited for, and away tells that it failed.
	until time.Time
	away  bool
}

// aim makes the target of a request, with the vectors of a generation, or for words alone
// without one.
func (s *Service) aim(ctx context.Context, in StickersInput, v viewer, g *indexing.Generation) (*target, error) {
	switch {
	case in.Query != nil:
		return s.aimAtText(ctx, in, v, g)
	case in.StickerID != nil:
		return s.aimAtSticker(ctx, *in.StickerID, v, g)
	}
	return s.aimAtImage(ctx, *in.ImageID, g)
}

// aimAtSticker takes the vector of a sticker's picture, or of its words where it has none
// yet, and its words.
func (s *Service) aimAtSticker(ctx context.Context, id string, v viewer, g *indexing.Generation) (*target, error) {
	c, ok := s.Shelf.get(id)
	if !ok || !v.sees(c) {
		return nil, apperr.NotFoundf("There is no such sticker.")
	}
	t := &target{words: c.words, without: id}
	if g == nil {
		t.degraded = true
		return t, nil
	}
	for _, side := range []indexing.Side{indexing.Picture, indexing.Words} {
		vector, ok := t.vector(ctx, g, side, id)
		if t.away {
			break
		}
		if ok {
			t.vectors, t.generation = [][]float32{vector}, g
			return t, nil
		}
	}
	t.degraded = true
	return t, nil
}
