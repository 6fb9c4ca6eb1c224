package feed

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/idempotency"
	"parley/internal/media"
	"parley/internal/store"
)

// CreateInput is the input of Create.
type CreateInput struct {
	Title, Content string
	// ImageID is that of a picture of the author's, nil for none.
	ImageID        *string
	IdempotencyKey *string
}

// Validate reports every problem of the input.
func (in CreateInput) Validate() error {
	errs := []error{
		checkText("title", "A title", in.Title, MaxTitle), checkText("content", "A text", in.Content, MaxContent),
		idempotency.CheckKey(in.IdempotencyKey, "input", "idempotencyKey"),
	}
	if strings.TrimSpace(in.Title) == "" && strings.TrimSpace(in.Content) == "" && in.ImageID == nil {
		errs = append(errs, apperr.Input("content", "A post needs a title, a text or a picture."))
	}
	if in.ImageID != nil {
		errs = append(errs, store.CheckID("media", *in.ImageID, "input", "imageId"))
	}
	return errors.Join(errs...)
}

// Create publishes a post of the viewer: when it returns, followers find it in their feeds.
// The same idempotency key gives the first call's post, NOT_FOUND when it was deleted since.
func (s *Service) Create(ctx context.Context, in CreateInput) (*Written, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := in.Validate(); err != nil {
		return nil, err
	}
	same := in
	same.IdempotencyKey = nil
	return s.once(ctx, idempotency.Call{Owner: viewer.ID, Operation: "createPost", Key: in.IdempotencyKey, Input: same}, in)
}

// once publishes a post of the call's owner, or gives the one that a call before this
// published.
func (s *Service) once(ctx context.Context, call idempotency.Call, in CreateInput) (*Written, error) {
	var p *gen.Post
	answer, err := s.keys.Once(ctx, call, func(ctx context.Context) (ids []string, err error) {
		if p, err = s.publish(ctx, call.Owner, in); err != nil {
			return nil, err
		}
		return []string{p.ID}, nil
	})
	if err == nil && answer.Repeated {
		p, err = s.Get(ctx, answer.Values[0])
	}
	if err != nil {
		return nil, err
	}
	return &Written{p, answer.Cursor}, nil
}

// publish makes a post in the transaction of the context. Its time is taken when nobody
// else publishes or follows the author, so that an author's posts are committed in the order
// of their times.
func (s *Service) publish(ctx context.Context, author string, in CreateInput) (*gen.Post, error) {
	locked, err := s.lockAuthors(ctx, author)
	if err != nil {
		return nil, err
	}
	picture, err := s.ownPicture(ctx, author, in.ImageID)
	if err != nil {
		return nil, err
	}
	p, err := s.store.Client(ctx).Post.Create().SetID(store.NewID(prefix)).SetCreatedAt(s.now()).SetAuthorID(author).
		SetTitle(strings.TrimSpace(in.Title)).SetContent(in.Content).
		SetSearchKey(string(fold(in.Title + "\n" + in.Content))).SetNillableMediaID(picture).Save(asSystem(ctx))
	if err != nil {
		return nil, fmt.Errorf("publish a post: %w", err)
	}
	if err := s.fanOut(ctx, p, locked[author]); err != nil {
		return nil, err
	}
	if err := s.tell(ctx, false, p.ID); err != nil {
		return nil, err
	}
	return p, s.log.Append(ctx, published(p), postChanged(p, Created))
}

// ownPicture makes a picture for a post of one that the author has: a row of its own over
// the same bytes, which everybody may see and which belongs to the installation. So it goes
// with the post and by no other way, and the author's picture may go without it.
func (s *Service) ownPicture(ctx context.Context, author string, id *string) (*string, error) {
	if id == nil {
		return nil, nil //nolint:nilnil // a post may be without
	}
	m, err := s.media.Get(ctx, *id)
	if err != nil {
		return nil, at(err, "input", "imageId")
	}
	if m.OwnerID == nil || *m.OwnerID != author {
		return nil, at(apperr.New(apperr.Forbidden, "A post shows a picture of its author."), "input", "imageId")
	}
	twin, err := s.media.Twin(asSystem(ctx), m.ID, media.About{Visibility: media.Public, Licence: m.Licence})
	if err != nil {
		return nil, at(err, "input", "imageId")
	}
	return &twin.ID, nil
}

// at says which argument a refusal is about.
func at(err error, path ...string) error {
	var told *apperr.Error
	if errors.As(err, &told) {
		e := *told
		e.Path = path
		return &e
	}
	return err
}

// Delete removes a post with its likes, its reports and its picture: the viewer's own, or as
// an admin any.
func (s *Service) Delete(ctx context.Context, id string) (*Written, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := store.CheckID(prefix, id, "input", "postId"); err != nil {
		return nil, err
	}
	w := &Written{}
	w.Cursor, err = s.log.Tx(ctx, func(ctx context.Context) error {
		var err error
		if w.Post, err = s.Get(ctx, id); err != nil {
			return err
		}
		if w.Post.AuthorID != viewer.ID && !viewer.Admin() {
			return apperr.New(apperr.Forbidden, "Only its author and admins may delete a post.")
		}
		return s.remove(ctx, w.Post)
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// remove deletes posts of one author in the transaction of the context.
func (s *Service) remove(ctx context.Context, posts ...*gen.Post) error {
	if len(posts) == 0 {
		return nil
	}
	if _, err := s.lockAuthors(ctx, posts[0].AuthorID); err != nil {
		return err
	}
	ids, pictures := make([]string, len(posts)), []string{}
	changes := make([]event.Change, len(posts))
	for i, p := range posts {
		ids[i] = p.ID
		p.Version++
		changes[i] = postChanged(p, Deleted)
		if p.MediaID != nil {
			pictures = append(pictures, *p.MediaID)
		}
	}
	n, err := s.deletePosts(ctx, ids)
	if err != nil {
		return err
	}
	if n != int64(len(posts)) {
		return missing() // somebody else was first
	}
	if err := s.tell(ctx, true, ids...); err != nil {
		return err
	}
	if err := s.removePictures(ctx, pictures); err != nil {
		return err
	}
	if err := s.store.Erased(ctx); err != nil {
		return err
	}
	return s.log.Append(ctx, changes...)
}

func (s *Service) removePictures(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	found, err := s.media.ByID(asSystem(ctx), ids)
	if err != nil {
		return err
	}
	gone := make([]*gen.Media, 0, len(found))
	for _, m := range found {
		gone = append(gone, m)
	}
	return s.media.Remove(asSystem(ctx), gone...)
}
