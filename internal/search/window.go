package search

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	lru "github.com/hashicorp/golang-lru/v2"

	"parley/internal/apperr"
	"parley/internal/embedding"
	"parley/internal/indexing"
	"parley/internal/search/ranking"
	"parley/internal/vector"
)

type ranked = ranking.Ranked

// window is the ranked answer to a search, of which pages are cut. It does not change.
type window struct {
	// name tells it from others, and says nothing but what its hits say; index is the
	// search index.
	name, index, model string
	text               string
	translation, from  string
	hits               []ranked
	confidence         *float64
	degraded           bool
	// private tells that the words of private stickers alone were those of the query.
	private bool
}

// maxWindows is how many windows are kept, each under two names; with MaxHits hits each, of
// about 70 bytes, that is some 18 MB.
const maxWindows = 1024

// windows are answers that may be asked for again, by a next page or by others.
type windows struct{ kept *lru.Cache[string, *window] }

func newWindows() *windows {
	kept, err := lru.New[string, *window](maxWindows)
	if err != nil {
		panic(err) // the size is a constant
	}
	return &windows{kept}
}

// window gives the answer to a search: the one that a cursor comes from, where it is still
// there, else one of now with the index that the cursor names. People to whom the same is
// shown have the same windows, and what decides that is looked at once.
func (s *Service) window(ctx context.Context, in StickersInput, v viewer, f filter) (*window, error) {
	g := s.active()
	if in.ImageID == nil && !f.mine { // these depend on who asks
		v = s.Shelf.scope(v)
	}
	asked := in.key(v, f)
	if in.After != nil {
		place, err := parseCursor(*in.After)
		if err != nil {
			return nil, err
		}
		if w, ok := s.windows.kept.Get(place.Window + "|" + asked); ok {
			return w, nil
		}
		if g, err = s.generation(place.Index); err != nil {
			return nil, err
		}
	}
	t, err := s.aim(ctx, in, v, g)
	if err != nil {
		return nil, err
	}
	t.typing = in.Typing
	// What a query is translated from may depend on who asks, too.
	version := fmt.Sprintf("%s|%s:%q|%s", s.version(t), t.from, t.translation, asked)
	if w, ok := s.windows.kept.Get(version); ok && !t.degraded {
		return w, nil
	}
	w, err := s.rank(ctx, t, v, f, in.Learned)
	if err != nil {
		return nil, err
	}
	s.windows.kept.Add(w.name+"|"+asked, w)
	if !w.degraded { // else the next search tries again
		s.windows.kept.Add(version, w)
	}
	return w, nil
}

// key tells apart what is asked, and by whom.
func (in StickersInput) key(v viewer, f filter) string {
	what := ""
	switch {
	case in.Query != nil:
		what = "q:" + embedding.Normalize(*in.Query)
	case in.StickerID != nil:
		what = "s:" + *in.StickerID
	default:
		what = "i:" + *in.ImageID
	}
	language := ""
	if in.Language != nil {
		language = *in.Language
	}
	return fmt.Sprintf("%s|%t%t|%s|%s|%s", v.id, in.Learned, in.Typing, f.key(), language, what)
}

// active gives the generation that answers, nil for words alone.
func (s *Service) active() *indexing.Generation {
	g, _ := s.Vectors.Active()
	return g
}

// generation gives the one of an index that a cursor names, so that pages go together also
// when another one answers meanwhile.
func (s *Service) generation(index string) (*indexing.Generation, error) {
	if index == "" {
		return nil, nil
	}
	g, ok := s.Vectors.Generation(index)
	if !ok {
		return nil, apperr.Argument("after", "The index that this page comes from is gone: search again from the first.")
	}
	return g, nil
}

// version names what an answer is made from: what it says changes with it alone. It changes
// with what others keep for themselves as well, so that it stays inside.
func (s *Service) version(t *target) string {
	index := ""
	if t.generation != nil {
		index = fmt.Sprint(t.generation.ID, ":", t.generation.Revision())
	}
	return fmt.Sprint(s.Shelf.revision.Load(), ".", s.Opinions.revision.Load(), ".", s.judge.learnt.Load(), ".", index)
}

// rank makes the answer to a target.
func (s *Service) rank(ctx context.Context, t *target, v viewer, f filter, learned bool) (*window, error) {
	w := &window{text: t.text, translation: t.translation, from: t.from}
	signs := ranking.Signs{}
	words := s.byWords(t, v, f)
	for _, h := range words {
		signs.Words = append(signs.Words, h.ID)
		c, ok := s.Shelf.get(h.ID)
		w.private = (w.private || len(signs.Words) == 1) && ok && c.owner != ""
	}
	if learned {
		opinions, err := s.Opinions.of(ctx, t, v)
		if err != nil {
			return nil, err
		}
		signs.Opinions = s.kept(opinions, t, v, f)
	}
	if t.generation != nil {
		w.index, w.model = t.generation.ID, t.generation.Model
		near, err := s.byVectors(ctx, t, t.moved(ctx, signs.Opinions), v, f)
		if err != nil {
			return nil, err
		}
		signs.Near = near
	}
	all := ranking.Rank(signs)
	w.hits, w.degraded = slices.Clone(all[:min(len(all), MaxHits)]), t.degraded
	w.name = w.digest()
	w.confidence = s.trust(w.hits, t, v, evidenceOf(signs, words))
	return w, nil
}

// digest is equal for windows that say the same.
func (w *window) digest() string {
	h := sha256.New()
	_, _ = fmt.Fprintln(h, w.index, w.degraded)
	for _, r := range w.hits {
		_, _ = fmt.Fprintln(h, r)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}

// kept are the opinions about stickers that may be hits.
func (s *Service) kept(all map[string]ranking.Opinion, t *target, v viewer, f filter) map[string]ranking.Opinion {
	maps.DeleteFunc(all, func(id string, _ ranking.Opinion) bool {
		c, ok := s.Shelf.get(id)
		return !ok || id == t.without || !f.keeps(c, v)
	})
	return all
}

// moved gives the vectors, each moved by the opinions: these are about what was meant,
// whichever of them says it.
func (t *target) moved(ctx context.Context, opinions map[string]ranking.Opinion) [][]float32 {
	if len(opinions) == 0 {
		return t.vectors
	}
	moved := make([][]float32, len(t.vectors))
	for i, v := range t.vectors {
		moved[i] = ranking.Move(v, opinions, func(id string) ([]float32, bool) { return t.vectorOf(ctx, id) })
	}
	return moved
}

// vectorOf gives the vector of a sticker's words, or of its picture.
func (t *target) vectorOf(ctx context.Context, id string) ([]float32, bool) {
	for _, side := range []indexing.Side{indexing.Words, indexing.Picture} {
		if v, ok := t.vector(ctx, t.generation, side, id); ok {
			return v, true
		}
	}
	return nil, false
}

// byVectors gives the nearest stickers by the higher cosine of words and picture.
func (s *Service) byVectors(ctx context.Context, t *target, aims [][]float32, v viewer, f filter) ([]ranking.Near, error) {
	best := map[string]ranking.Near{}
	for _, side := range []indexing.Side{indexing.Words, indexing.Picture} {
		hits, err := t.nearest(ctx, SourceStickers, side, aims, vector.Query{K: MaxHits, Filter: f.labels(v)})
		if err != nil {
			return nil, err
		}
		for _, h := range hits {
			if have, ok := best[h.ID]; !ok || h.Score > have.Cosine {
				best[h.ID] = ranking.Near{ID: h.ID, Cosine: h.Score, Picture: side == indexing.Picture}
			}
		}
	}
	maps.DeleteFunc(best, func(id string, _ ranking.Near) bool {
		c, ok := s.Shelf.get(id)
		return !ok || id == t.without || !f.keeps(c, v)
	})
	near := slices.SortedFunc(maps.Values(best), func(a, b ranking.Near) int {
		return cmp.Or(cmp.Compare(b.Cosine, a.Cosine), cmp.Compare(a.ID, b.ID))
	})
	return near[:min(len(near), MaxHits)], nil
}

// aimAtImage takes the vector of a picture that the viewer may see. There is nothing to
// fall back to without one.
func (s *Service) aimAtImage(ctx context.Context, id string, g *indexing.Generation) (*target, error) {
	m, err := s.Media.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if g == nil || !g.Pictures {
		return nil, apperr.New(apperr.Unavailable, "No model reads pictures at the moment.")
	}
	r := s.Media.Open(ctx, m)
	defer func() { _ = r.Close() }()
	file, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read a picture: %w", err)
	}
	if file, err = indexing.Shrink(file); err != nil {
		return nil, err
	}
	t := &target{}
	if err := s.take(ctx, t, g, func() (embedding.Vector, error) { return s.Embed.Picture(ctx, g.Digest, file) }, "imageId"); err != nil {
		return nil, err
	}
	if t.degraded {
		return nil, apperr.New(apperr.Unavailable, "No worker looked at the picture in time: try again.")
	}
	return t, nil
}

// take gives a target a vector, or marks it as degraded.
func (s *Service) take(ctx context.Context, t *target, g *indexing.Generation, ask func() (embedding.Vector, error), argument string) error {
	v, err := ask()
	var refused *embedding.InputError
	switch {
	case errors.As(err, &refused):
		return apperr.Argument(argument, "%s", refused.Message)
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("search: %w", ctx.Err())
	case err != nil || len(v.Values) != g.Dimensions:
		t.degraded = true
	default:
		t.vectors, t.generation = append(t.vectors, v.Values), g
	}
	return nil
}
