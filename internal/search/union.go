package search

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/feed"
	"parley/internal/indexing"
	"parley/internal/note"
	"parley/internal/page"
	"parley/internal/search/ranking"
	"parley/internal/sticker"
	"parley/internal/vector"
)

// Kind is a kind of thing that a search over several finds.
type Kind string

// The kinds.
const (
	KindSticker Kind = "STICKER"
	KindNote    Kind = "NOTE"
	KindPost    Kind = "POST"
)

// maxUnion is how many of each kind are ranked by a search over several, and leastText the
// cosine from which on a note or post without any of the words counts: there are always some
// that are nearest, however far.
const (
	maxUnion  = 200
	leastText = 0.25
)

// Item is one thing that was found: one of the fields is set.
type Item struct {
	Sticker *sticker.Sticker
	Note    *gen.Note
	Post    *gen.Post
	Score   float64
}

// Mixed is a page of things of several kinds.
type Mixed struct {
	*page.Page[*Item]
	// Degraded says that words alone were compared.
	Degraded bool
}

// AllInput is a search over several kinds, all where none is named.
type AllInput struct {
	Query string
	Kinds []Kind
	First *int
	After *string
}

// mixed is a hit before it is read.
type mixed struct {
	kind  Kind
	id    string
	score float64
}

// All searches what the viewer may see of several kinds: public stickers, and the viewer's
// own stickers and notes, and posts.
func (s *Service) All(ctx context.Context, in AllInput) (*Mixed, error) {
	if in.First != nil && (*in.First < 1 || *in.First > page.Most) {
		return nil, apperr.Argument("first", "A page has 1 to %d things, not %d.", page.Most, *in.First)
	}
	if _, err := auth.Require(ctx); err != nil {
		return nil, err
	}
	v := viewerOf(ctx)
	if err := s.Feedback.AllowSearch(ctx); err != nil {
		return nil, err
	}
	if err := s.Shelf.Wait(ctx); err != nil {
		return nil, apperr.Wrap(err, apperr.Unavailable, "The stickers are being read: try again in a moment.")
	}
	from, err := s.begin(in.After)
	if err != nil {
		return nil, err
	}
	t, err := s.aimAtText(ctx, StickersInput{Query: &in.Query}, v, s.active())
	if err != nil {
		return nil, err
	}
	hits, err := s.ofKinds(ctx, t, v, in.Kinds)
	if err != nil {
		return nil, err
	}
	m := &Mixed{Page: &page.Page[*Item]{}, Degraded: t.degraded}
	size := page.Usual
	if in.First != nil {
		size = *in.First
	}
	m.Count = func() (int, error) { return len(hits), nil }
	return m, s.fill(ctx, m, hits, from.behind(hits), size)
}

// begin gives the place that a page begins behind; one without an id is the first page's.
func (s *Service) begin(after *string) (c cursor, err error) {
	if after == nil {
		return cursor{Place: -1}, nil
	}
	return parseCursor(*after)
}

// behind is in for things of several kinds.
func (c cursor) behind(hits []mixed) int {
	if c.Place >= 0 && (c.Place >= len(hits) || hits[c.Place].id != c.ID) {
		if at := slices.IndexFunc(hits, func(m mixed) bool { return m.id == c.ID }); at >= 0 {
			return at + 1
		}
	}
	return c.Place + 1
}

// ofKinds ranks each kind by itself and joins them by their scores.
func (s *Service) ofKinds(ctx context.Context, t *target, v viewer, kinds []Kind) (hits []mixed, err error) {
	wants := func(k Kind) bool { return len(kinds) == 0 || slices.Contains(kinds, k) }
	if wants(KindSticker) {
		w, err := s.rank(ctx, t, v, filter{}, true)
		if err != nil {
			return nil, err
		}
		for _, h := range w.hits[:min(len(w.hits), maxUnion)] {
			hits = append(hits, mixed{KindSticker, h.ID, h.Score})
		}
	}
	if wants(KindNote) {
		notes, err := s.rankNotes(ctx, t, v)
		if err != nil {
			return nil, err
		}
		for _, h := range notes[:min(len(notes), maxUnion)] {
			hits = append(hits, mixed{KindNote, h.ID, h.Score})
		}
	}
	if wants(KindPost) {
		posts, err := s.rankPosts(ctx, t)
		if err != nil {
			return nil, err
		}
		for _, h := range posts[:min(len(posts), maxUnion)] {
			hits = append(hits, mixed{KindPost, h.ID, h.Score})
		}
	}
	slices.SortFunc(hits, func(a, b mixed) int {
		return cmp.Or(cmp.Compare(b.score, a.score), strings.Compare(a.id, b.id))
	})
	return hits, nil
}

// rankNotes ranks the viewer's notes.
func (s *Service) rankNotes(ctx context.Context, t *target, v viewer) ([]ranked, error) {
	words, err := s.Notes.WithWords(ctx, t.words, maxUnion)
	if err != nil {
		return nil, err
	}
	return t.rankTexts(ctx, words, note.SourceNotes, vector.Filter{{note.LabelOwner(v.id)}})
}

// rankPosts ranks the posts that the viewer may see: vectors know nothing of blocks.
func (s *Service) rankPosts(ctx context.Context, t *target) ([]ranked, error) {
	words, err := s.Posts.WithWords(ctx, t.words, maxUnion)
	if err != nil {
		return nil, err
	}
	posts, err := t.rankTexts(ctx, words, feed.SourcePosts, nil)
	if err != nil || len(posts) == 0 {
		return nil, err
	}
	ids := make([]string, len(posts))
	for i, p := range posts {
		ids[i] = p.ID
	}
	visible, err := s.Posts.ByID(ctx, ids)
	return slices.DeleteFunc(posts, func(p ranked) bool { return visible[p.ID] == nil }), err
}

// rankTexts ranks texts of a source by the words that were found in them and by vectors.
func (t *target) rankTexts(ctx context.Context, words []string, source string, f vector.Filter) ([]ranked, error) {
	signs := ranking.Signs{Words: words}
	if t.generation != nil {
		least := leastText
		near, err := t.nearest(ctx, source, indexing.Words, t.vectors, vector.Query{K: maxUnion, MinScore: &least, Filter: f})
		if err != nil {
			return nil, err
		}
		for _, h := range near {
			signs.Near = append(signs.Near, ranking.Near{ID: h.ID, Cosine: h.Score})
		}
	}
	return ranking.Rank(signs), nil
}

// fill reads hits from a place on until the page is full, those that are gone left out.
func (s *Service) fill(ctx context.Context, m *Mixed, hits []mixed, from, size int) error {
	m.HasPrevious = from > 0
	for from < len(hits) && len(m.Edges) < size {
		some := hits[from:min(len(hits), from+size-len(m.Edges))]
		if err := s.read(ctx, m, some, from); err != nil {
			return err
		}
		from += len(some)
	}
	m.HasNext = from < len(hits)
	return nil
}

func (s *Service) read(ctx context.Context, m *Mixed, hits []mixed, from int) error {
	ids := map[Kind][]string{}
	for _, h := range hits {
		ids[h.kind] = append(ids[h.kind], h.id)
	}
	stickers, err := s.Shelf.Stickers.ByID(ctx, ids[KindSticker])
	if err != nil {
		return err
	}
	notes := map[string]*gen.Note{}
	if len(ids[KindNote]) > 0 {
		if notes, err = s.Notes.ByID(ctx, ids[KindNote]); err != nil {
			return err
		}
	}
	posts := map[string]*gen.Post{}
	if len(ids[KindPost]) > 0 {
		if posts, err = s.Posts.ByID(ctx, ids[KindPost]); err != nil {
			return err
		}
	}
	for i, h := range hits {
		one := &Item{Sticker: stickers[h.id], Note: notes[h.id], Post: posts[h.id], Score: h.score}
		if one.Sticker != nil || one.Note != nil || one.Post != nil {
			m.Edges = append(m.Edges, page.Edge[*Item]{Node: one, Cursor: cursor{Window: "a", Place: from + i, ID: h.id}.text()})
		}
	}
	return nil
}
