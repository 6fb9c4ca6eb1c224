package content

import (
	"context"
	"fmt"

	"parley/ent/gen"
	"parley/ent/gen/contentpart"
	entmedia "parley/ent/gen/media"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// change does something with a request of the viewer in a transaction, and gives the request
// as it is afterwards.
func (s *Service) change(ctx context.Context, id string, do func(ctx context.Context, r *gen.ContentRequest) error) (*Written, error) {
	if _, err := auth.Require(ctx); err != nil {
		return nil, err
	}
	if err := store.CheckID(prefix, id, "input", "requestId"); err != nil {
		return nil, err
	}
	w := &Written{}
	var err error
	w.Cursor, err = s.log.Tx(ctx, func(ctx context.Context) error {
		r, err := s.own(ctx, id)
		if err != nil {
			return err
		}
		if err := do(ctx, r); err != nil {
			return err
		}
		w.Request, err = s.get(ctx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Stop has what there is of a text kept as it is: the request becomes STOPPED as soon as its
// worker has handed the text over. Pictures, and what was not begun, are cancelled.
func (s *Service) Stop(ctx context.Context, id string) (*Written, error) {
	return s.change(ctx, id, func(ctx context.Context, r *gen.ContentRequest) error {
		return s.jobs.StopFor(ctx, r.ID, jobspec.KindWrite)
	})
}

// Cancel gives up what is still waited for.
func (s *Service) Cancel(ctx context.Context, id string) (*Written, error) {
	return s.change(ctx, id, func(ctx context.Context, r *gen.ContentRequest) error {
		return s.jobs.CancelFor(ctx, r.ID)
	})
}

// Retry tries the parts again that failed or were cancelled, CONFLICT where there are none.
func (s *Service) Retry(ctx context.Context, id string) (*Written, error) {
	return s.change(ctx, id, func(ctx context.Context, r *gen.ContentRequest) error {
		tried := false
		for _, p := range r.Edges.Parts {
			if p.State != contentpart.StateFAILED && p.State != contentpart.StateCANCELLED {
				continue
			}
			if _, err := s.jobs.Retry(ctx, p.JobID); err != nil {
				return err
			}
			tried = true
		}
		if !tried {
			return apperr.New(apperr.Conflict, "Nothing of this request failed or was cancelled: it is %s.", r.State)
		}
		return nil
	})
}

// Delete removes a request of the viewer with what was made, and cancels its jobs.
func (s *Service) Delete(ctx context.Context, id string) (*Written, error) {
	if _, err := auth.Require(ctx); err != nil {
		return nil, err
	}
	if err := store.CheckID(prefix, id, "input", "requestId"); err != nil {
		return nil, err
	}
	w := &Written{}
	var err error
	w.Cursor, err = s.log.Tx(ctx, func(ctx context.Context) error {
		if w.Request, err = s.own(ctx, id); err != nil {
			return err
		}
		return s.remove(ctx, w.Request.ID)
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// remove deletes a request. Its jobs end before it is locked, as the recorder does it, and
// again for what was retried in between.
func (s *Service) remove(ctx context.Context, id string) error {
	if err := s.jobs.CancelFor(ctx, id); err != nil {
		return err
	}
	locked, err := s.lock(ctx, id)
	if err != nil {
		return err
	}
	r := locked[id]
	if r == nil {
		return store.Found(&gen.NotFoundError{}, "content request")
	}
	if err := s.jobs.CancelFor(ctx, id); err != nil {
		return err
	}
	var pictures []string
	for _, p := range r.Edges.Parts {
		if p.MediaID != nil {
			pictures = append(pictures, *p.MediaID)
		}
	}
	rows, err := s.store.Client(ctx).Media.Query().Where(entmedia.IDIn(pictures...)).All(ctx)
	if err != nil {
		return fmt.Errorf("find the pictures of a content request: %w", err)
	}
	if err := s.media.Remove(ctx, rows...); err != nil {
		return err
	}
	if err := s.store.Client(ctx).ContentRequest.DeleteOneID(id).Exec(ctx); err != nil {
		return fmt.Errorf("delete a content request: %w", err)
	}
	// The second round may have counted it up since.
	r.Version += 2
	return s.log.Append(ctx, changed(r, ActionDeleted))
}
