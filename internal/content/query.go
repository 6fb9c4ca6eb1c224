package content

import (
	"context"
	"fmt"

	"parley/ent/gen"
	"parley/ent/gen/contentrequest"
	"parley/ent/gen/predicate"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/page"
	"parley/internal/store"
)

// Get gives a request of the viewer with its parts, or NOT_FOUND.
func (s *Service) Get(ctx context.Context, id string) (*gen.ContentRequest, error) {
	if _, err := auth.Require(ctx); err != nil {
		return nil, err
	}
	if err := store.CheckID(prefix, id, "id"); err != nil {
		return nil, err
	}
	return s.get(ctx, id)
}

// ByID gives those of the requests that the viewer may see, with their parts, by id.
func (s *Service) ByID(ctx context.Context, ids []string) (map[string]*gen.ContentRequest, error) {
	rows, err := withParts(s.store.Client(ctx).ContentRequest.Query().Where(contentrequest.IDIn(ids...))).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read content requests: %w", err)
	}
	byID := make(map[string]*gen.ContentRequest, len(rows))
	for _, r := range rows {
		byID[r.ID] = r
	}
	return byID, nil
}

// Result gives the text, empty for none, and the id of the picture, nil for none, of a
// request of the viewer that has ended. It is CONFLICT while something is waited for, and
// where nothing was made.
func (s *Service) Result(ctx context.Context, id string) (text string, image *string, err error) {
	r, err := s.own(ctx, id)
	if err != nil {
		return "", nil, err
	}
	for _, p := range r.Edges.Parts {
		if p.Text != nil {
			text = *p.Text
		}
		if p.MediaID == nil {
			continue
		}
		switch _, err := s.media.Get(ctx, *p.MediaID); {
		case err == nil:
			image = p.MediaID
		case !apperr.Is(err, apperr.NotFound): // its owner may have deleted it
			return "", nil, err
		}
	}
	if r.State == Pending || text == "" && image == nil {
		return "", nil, apperr.New(apperr.Conflict, "Nothing of this request can be published: it is %s.", r.State)
	}
	return text, image, nil
}

// Filter narrows List; zero values match everything.
type Filter struct {
	States []contentrequest.State
	Kinds  []contentrequest.Kind
}

// List gives a page of the viewer's requests, the newest first.
func (s *Service) List(ctx context.Context, f Filter, args page.Args) (*page.Page[*gen.ContentRequest], error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	where := []predicate.ContentRequest{contentrequest.OwnerID(viewer.ID)}
	if len(f.States) > 0 {
		where = append(where, contentrequest.StateIn(f.States...))
	}
	if len(f.Kinds) > 0 {
		where = append(where, contentrequest.KindIn(f.Kinds...))
	}
	order := page.Order[*gen.ContentRequest]{
		Name: "CREATED_AT", Column: contentrequest.FieldCreatedAt, Descending: true,
		Key: func(r *gen.ContentRequest) (any, string) { return r.CreatedAt, r.ID },
	}
	return page.Load(args, order,
		func(c page.Cut, limit int) ([]*gen.ContentRequest, error) {
			return withParts(s.store.Client(ctx).ContentRequest.Query().Where(where...).Where(predicate.ContentRequest(c.Where)).
				Order(contentrequest.OrderOption(c.Order)).Limit(limit)).All(ctx)
		},
		func() (int, error) { return s.store.Client(ctx).ContentRequest.Query().Where(where...).Count(ctx) },
	)
}
