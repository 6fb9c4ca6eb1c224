package feed

import (
	"context"

	"parley/internal/auth"
	"parley/internal/idempotency"
	"parley/internal/store"
)

// Made is what a model made for the viewer.
type Made struct {
	// Text may be empty, ImageID is nil without a picture; one of them is there.
	Text    string
	ImageID *string
}

// PublishContentInput is the input of PublishContent.
type PublishContentInput struct {
	RequestID, Title string
	IdempotencyKey   *string
}

// PublishContent publishes what was made of a content request of the viewer. The post has a
// text and a picture of its own, and stays when the request is deleted.
func (s *Service) PublishContent(ctx context.Context, in PublishContentInput) (*Written, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := store.CheckID("req", in.RequestID, "input", "requestId"); err != nil {
		return nil, err
	}
	same := in
	same.IdempotencyKey = nil
	call := idempotency.Call{Owner: viewer.ID, Operation: "publishContent", Key: in.IdempotencyKey, Input: same}
	if answer, ok, err := s.keys.Earlier(ctx, call); err != nil {
		return nil, err
	} else if ok { // the request may be gone since
		p, err := s.Get(ctx, answer.Values[0])
		if err != nil {
			return nil, err
		}
		return &Written{p, answer.Cursor}, nil
	}
	made, err := s.Made(ctx, in.RequestID)
	if err != nil {
		return nil, at(err, "input", "requestId")
	}
	post := CreateInput{Title: in.Title, Content: made.Text, ImageID: made.ImageID, IdempotencyKey: in.IdempotencyKey}
	if err := post.Validate(); err != nil {
		return nil, err
	}
	return s.once(ctx, call, post)
}
