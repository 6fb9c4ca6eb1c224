package tenor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"

	"parley/internal/apperr"
	"parley/internal/sticker"
)

// place is that of a sticker on a board.
type place struct {
	Board string `json:"b"`
	At    int    `json:"p"`
	ID    string `json:"i"`
}

// maxPlace bounds what is decoded of a place.
const maxPlace = 400

func (p place) text() string {
	data, err := json.Marshal(p)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

func parsePlace(text string) (p place, err error) {
	refused := apperr.Argument("pos", "This is no place in a list of stickers.")
	if len(text) > maxPlace {
		return p, refused
	}
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(data, &p) != nil || p.Board == "" || p.At < 0 || p.At > mostFeatured {
		return place{}, refused
	}
	return p, nil
}

// in gives where the stickers begin that come after the place. On another board than its
// own it is behind the same sticker, or where that would be.
func (p place) in(b *board) int {
	if b.name != p.Board {
		if at := slices.Index(b.stickers, p.ID); at >= 0 {
			return at + 1
		}
	}
	return min(p.At+1, len(b.stickers))
}

// featured answers with what was chosen and liked most of late, and then the newest.
func (h *Handler) featured(ctx context.Context, q *request) (any, error) {
	limit, err := q.limit()
	if err != nil {
		return nil, err
	}
	within, err := q.shape()
	if err != nil {
		return nil, err
	}
	if err := h.Feedback.AllowSearch(ctx); err != nil {
		return nil, err
	}
	b, from, err := h.page(ctx, q.Get("pos"))
	if err != nil {
		return nil, err
	}
	answer := results{Results: []result{}}
	for at := from; at < len(b.stickers); at++ {
		if len(answer.Results) == limit {
			answer.Next = place{b.name, at - 1, b.stickers[at-1]}.text()
			break
		}
		found, err := h.Search.PublicByID(ctx, b.stickers[at])
		if err != nil {
			return nil, err
		}
		if len(found) > 0 && within.has(found[0]) {
			answer.Results = append(answer.Results, q.result(found[0]))
		}
	}
	return answer, nil
}

// page gives the board that a page is of, and where it begins.
func (h *Handler) page(ctx context.Context, pos string) (*board, int, error) {
	if pos == "" {
		b, err := h.board(ctx)
		return b, 0, err
	}
	p, err := parsePlace(pos)
	if err != nil {
		return nil, 0, err
	}
	b, ok := h.boards.kept.Get(p.Board)
	if !ok {
		if b, err = h.board(ctx); err != nil {
			return nil, 0, err
		}
	}
	return b, p.in(b), nil
}

// category is a tag as clients show it.
type category struct {
	Term string `json:"searchterm"`
	// Path is the search for it, without a key.
	Path  string `json:"path"`
	Image string `json:"image"`
	Name  string `json:"name"`
}

// categories answers with the tags that most stickers have, or with those that are
// trending, and a picture of each.
func (h *Handler) categories(ctx context.Context, q *request) (any, error) {
	kind := q.Get("type")
	if kind != "" && kind != "featured" && kind != "trending" {
		return nil, apperr.Argument("type", "The types are featured and trending.")
	}
	if err := h.Feedback.AllowSearch(ctx); err != nil {
		return nil, err
	}
	b, err := h.board(ctx)
	if err != nil {
		return nil, err
	}
	list := b.common
	if kind == "trending" {
		list = b.trending
	}
	shown, err := h.shown(ctx, list, mostCategories)
	if err != nil {
		return nil, err
	}
	tags := []category{}
	for _, s := range shown {
		tags = append(tags, category{s.tag, Path + "search?" + url.Values{"q": {s.tag}}.Encode(), q.base + s.picture.URL, "#" + s.tag})
	}
	return struct {
		Tags []category `json:"tags"`
	}{tags}, nil
}

// pictured is a tag with the sticker that stands for it.
type pictured struct {
	tag     string
	picture *sticker.Sticker
}

// shown gives the first groups whose sticker is still there; with it the tag may be gone.
func (h *Handler) shown(ctx context.Context, list []group, most int) (shown []pictured, err error) {
	for _, g := range list {
		found, err := h.Search.PublicByID(ctx, g.sticker)
		if err != nil || len(shown) == most {
			return shown, err
		}
		if len(found) > 0 {
			shown = append(shown, pictured{g.tag, found[0]})
		}
	}
	return shown, nil
}

// trendingTerms answers with the tags of what was chosen and liked most of late. What
// people type is nobody's business.
func (h *Handler) trendingTerms(ctx context.Context, q *request) (any, error) {
	limit, err := q.limit()
	if err != nil {
		return nil, err
	}
	if err := h.Feedback.AllowSearch(ctx); err != nil {
		return nil, err
	}
	b, err := h.board(ctx)
	if err != nil {
		return nil, err
	}
	shown, err := h.shown(ctx, b.trending, limit)
	if err != nil {
		return nil, err
	}
	answer := terms{Results: []string{}}
	for _, s := range shown {
		answer.Results = append(answer.Results, s.tag)
	}
	return answer, nil
}
