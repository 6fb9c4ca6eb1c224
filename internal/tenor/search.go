package tenor

import (
	"context"
	"strings"

	"parley/internal/apperr"
	"parley/internal/feedback"
	"parley/internal/page"
	"parley/internal/search"
)

// search answers with the public stickers that fit the words of q. Pickers search while
// somebody types.
func (h *Handler) search(ctx context.Context, q *request) (any, error) {
	limit, err := q.limit()
	if err != nil {
		return nil, err
	}
	language, err := q.language()
	if err != nil {
		return nil, err
	}
	within, err := q.shape()
	if err != nil {
		return nil, err
	}
	text, first := q.Get("q"), limit
	if within != (shape{}) {
		first = page.Most // some are left out
	}
	found, err := h.Search.Stickers(ctx, search.StickersInput{
		Query: &text, First: &first, After: q.optional("pos"), Language: language, Learned: true, Typing: true,
	})
	if err != nil {
		return nil, err
	}
	answer, last, more := results{Results: []result{}}, "", found.HasNext
	for _, e := range found.Edges {
		if len(answer.Results) == limit {
			more = true
			break
		}
		if last = e.Cursor; within.has(e.Node.Sticker) {
			answer.Results = append(answer.Results, q.result(e.Node.Sticker))
		}
	}
	if more {
		answer.Next = last
	}
	return answer, nil
}

// suggestions answers with ways in which q could go on.
func (h *Handler) suggestions(ctx context.Context, q *request) (any, error) {
	limit, err := q.limit()
	if err != nil {
		return nil, err
	}
	if !q.Has("q") {
		return nil, apperr.Argument("q", "Give what was typed so far.")
	}
	found, err := h.Search.Suggestions(ctx, q.Get("q"), limit)
	if err != nil {
		return nil, err
	}
	return terms{Results: append([]string{}, found...)}, nil
}

// posts answers with stickers by their ids; what nobody in particular may see is left out.
func (h *Handler) posts(ctx context.Context, q *request) (any, error) {
	ids := strings.Split(q.Get("ids"), ",")
	if q.Get("ids") == "" || len(ids) > mostLimit {
		return nil, apperr.Argument("ids", "Give 1 to %d ids, with commas between them.", mostLimit)
	}
	if err := h.Feedback.AllowSearch(ctx); err != nil {
		return nil, err
	}
	found, err := h.Search.PublicByID(ctx, ids...)
	if err != nil {
		return nil, err
	}
	answer := results{Results: []result{}}
	for _, one := range found {
		answer.Results = append(answer.Results, q.result(one))
	}
	return answer, nil
}

// share counts that somebody chose a sticker, from the answers to q where there is one.
func (h *Handler) share(ctx context.Context, q *request) (any, error) {
	id := q.Get("id")
	var err error
	if text := q.Get("q"); text != "" {
		_, err = h.Feedback.Chosen(ctx, feedback.ChosenInput{Query: text, StickerID: id})
	} else {
		_, err = h.Feedback.ChosenUnasked(ctx, id)
	}
	return struct{}{}, err
}
