package feed

import (
	"context"
	"errors"
	"strings"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/store"
)

// Like makes the viewer like a post, which counts once.
func (s *Service) Like(ctx context.Context, id string) (*Written, error) {
	return s.rate(ctx, id, s.addLike)
}

// Unlike ends that.
func (s *Service) Unlike(ctx context.Context, id string) (*Written, error) {
	return s.rate(ctx, id, s.dropLike)
}

// rate changes whether the viewer likes a post; change tells by how much that changes how
// many do.
func (s *Service) rate(ctx context.Context, id string, change func(ctx context.Context, viewer, post string) (int64, error)) (*Written, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := store.CheckID(prefix, id, "input", "postId"); err != nil {
		return nil, err
	}
	w := &Written{}
	w.Cursor, err = s.log.Tx(ctx, func(ctx context.Context) (err error) {
		// One after the other changes the likes of a post.
		if w.Post, err = s.lockPost(ctx, viewer, id); err != nil {
			return err
		}
		by, err := change(ctx, viewer.ID, id)
		if err != nil || by == 0 {
			return err
		}
		w.Post.LikeCount += by
		return s.countLikes(ctx, id, by)
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// ReportInput is the input of Report.
type ReportInput struct {
	PostID, Reason string
}

// Validate reports every problem of the input.
func (in ReportInput) Validate() error {
	errs := []error{store.CheckID(prefix, in.PostID, "input", "postId"), checkText("reason", "A reason", in.Reason, MaxReason)}
	if strings.TrimSpace(in.Reason) == "" {
		errs = append(errs, apperr.Input("reason", "Say what is wrong with the post."))
	}
	return errors.Join(errs...)
}

// Report keeps what the viewer says is wrong with a post, instead of what they said before.
func (s *Service) Report(ctx context.Context, in ReportInput) (event.Cursor, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return event.Cursor{}, err
	}
	if err := in.Validate(); err != nil {
		return event.Cursor{}, err
	}
	return s.log.Tx(ctx, func(ctx context.Context) error {
		p, err := s.lockPost(ctx, viewer, in.PostID)
		if err != nil {
			return err
		}
		if p.AuthorID == viewer.ID {
			return apperr.Input("postId", "This is your own post: delete it.")
		}
		return s.addReport(ctx, viewer.ID, in.PostID, strings.TrimSpace(in.Reason))
	})
}
