package listing

import (
	"parley/graph/node"
	"parley/internal/page"
	"parley/internal/search"
	"parley/internal/sticker"
)

// StickerHits is a StickerHitConnection.
type StickerHits struct {
	List[*search.Hit, StickerHitEdge]
	Answer *search.Answer
}

// StickersFound makes the connection of an answer, and passes an error on.
func StickersFound(a *search.Answer, err error) (*StickerHits, error) {
	if err != nil {
		return nil, err
	}
	h := &StickerHits{Answer: a}
	h.Hold(a.Page)
	return h, nil
}

// Stickers are those of the page.
func (h StickerHits) Stickers() []*sticker.Sticker {
	all := make([]*sticker.Sticker, len(h.Page.Edges))
	for i, e := range h.Page.Edges {
		all[i] = e.Node.Sticker
	}
	return all
}

// Degraded tells whether the answer is worse than it could be.
func (h StickerHits) Degraded() bool { return h.Answer.Degraded }

// TranslatedFrom is the language that the query was translated from, nil for none.
func (h StickerHits) TranslatedFrom() *string { return h.Answer.TranslatedFrom }

// Translation is what the query was translated into, nil for nothing.
func (h StickerHits) Translation() *string { return h.Answer.Translation }

// Confidence is the chance that one of the first fits, nil where it is not known.
func (h StickerHits) Confidence() *float64 { return h.Answer.Confidence }

// NothingFits tells whether hits were withheld.
func (h StickerHits) NothingFits() bool { return h.Answer.NothingFits }

// Index is the id of the search index that was used, nil for none.
func (h StickerHits) Index() *string { return h.Answer.Index }

// Model is the model of the index.
func (h StickerHits) Model() *string { return h.Answer.Model }

// StickerHitEdge is a hit with its place.
type StickerHitEdge struct{ page.Edge[*search.Hit] }

// Sticker is what was found.
func (e StickerHitEdge) Sticker() *sticker.Sticker { return e.Node.Sticker }

// Score is that of the hit.
func (e StickerHitEdge) Score() float64 { return e.Node.Score }

// Matched says why it is one.
func (e StickerHitEdge) Matched() *search.Matched { return &e.Node.Matched }

// Found is a SearchConnection.
type Found struct {
	List[*search.Item, FoundEdge]
	degraded bool
}

// FoundOf makes the connection of what a search over several kinds found, and passes an
// error on.
func FoundOf(m *search.Mixed, err error) (*Found, error) {
	if err != nil {
		return nil, err
	}
	f := &Found{degraded: m.Degraded}
	f.Hold(m.Page)
	return f, nil
}

// Things are those of the page.
func (f Found) Things() []node.SearchResult {
	all := make([]node.SearchResult, len(f.Page.Edges))
	for i, e := range f.Page.Edges {
		all[i] = thing(e.Node)
	}
	return all
}

// Degraded tells whether words alone were compared.
func (f Found) Degraded() bool { return f.degraded }

// FoundEdge is a thing with its place.
type FoundEdge struct{ page.Edge[*search.Item] }

// Thing is what was found.
func (e FoundEdge) Thing() node.SearchResult { return thing(e.Node) }

// Score is that of the thing.
func (e FoundEdge) Score() float64 { return e.Node.Score }

func thing(i *search.Item) node.SearchResult {
	if i.Sticker != nil {
		return i.Sticker
	}
	if i.Post != nil {
		return i.Post
	}
	return i.Note
}
