package sticker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"parley/ent/gen"
	"parley/ent/gen/sticker"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/store"
)

// UpdateInput is the input of Update; nil fields stay as they are.
type UpdateInput struct {
	ID            string
	Name, Caption *string
	// Tags are instead of all it has; empty for none.
	Tags []string
	// Licence takes the licence away where it is empty.
	Licence *string
	// ExpectedVersion refuses the change when the sticker has another version.
	ExpectedVersion *int
}

// Validate reports every problem of the input.
func (in UpdateInput) Validate() error {
	errs := []error{checkTags(in.Tags, "input", "tags"), checkLicence(in.Licence)}
	if in.Name != nil {
		errs = append(errs, checkName(strings.TrimSpace(*in.Name), "input", "name"))
	}
	if in.Caption != nil {
		errs = append(errs, checkCaption(*in.Caption, "input", "caption"))
	}
	if in.Name == nil && in.Caption == nil && in.Tags == nil && in.Licence == nil {
		errs = append(errs, apperr.Input("name", "Say what to change: name, caption, tags or licence."))
	}
	return errors.Join(errs...)
}

// Update changes a sticker of the viewer, or of an admin a public one.
func (s *Service) Update(ctx context.Context, in UpdateInput) (*Written, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := store.CheckID(prefix, in.ID, "input", "id"); err != nil {
		return nil, err
	}
	if err := in.Validate(); err != nil {
		return nil, err
	}
	w := &Written{}
	w.Cursor, err = s.log.Tx(ctx, func(ctx context.Context) error {
		row, err := s.lock(ctx, viewer, in.ID)
		if err != nil {
			return err
		}
		if in.ExpectedVersion != nil && int64(*in.ExpectedVersion) != row.Version {
			return apperr.New(apperr.Conflict, "The sticker has version %d, not %d: somebody changed it in between.", row.Version, *in.ExpectedVersion)
		}
		if row, err = in.change(row).Save(asSystem(ctx)); store.Duplicate(err) {
			return taken(strings.TrimSpace(*in.Name), "input", "name")
		} else if err != nil {
			return fmt.Errorf("change a sticker: %w", err)
		}
		if err := s.announce(ctx, Updated, row); err != nil {
			return err
		}
		w.Sticker, err = s.one(ctx, row)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.committed(ctx, in.ID)
	return w, nil
}

// change gives the update that the input wants.
func (in UpdateInput) change(row *gen.Sticker) *gen.StickerUpdateOne {
	u := row.Update().AddVersion(1).SetUpdatedAt(store.Now())
	if in.Name != nil {
		name := strings.TrimSpace(*in.Name)
		u.SetName(name).SetNameKey(fold(name))
	}
	if in.Caption != nil {
		u.SetCaption(strings.TrimSpace(*in.Caption))
	}
	if in.Tags != nil {
		u.SetTags(distinct(in.Tags))
	}
	if in.Licence != nil {
		if l := licence(in.Licence); l != nil {
			u.SetLicence(*l)
		} else {
			u.ClearLicence()
		}
	}
	return u
}

// Delete removes a sticker of the viewer, or of an admin a public one: nobody is shown it
// any more.
func (s *Service) Delete(ctx context.Context, id string) (*Written, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := store.CheckID(prefix, id, "input", "id"); err != nil {
		return nil, err
	}
	w := &Written{}
	w.Cursor, err = s.log.Tx(ctx, func(ctx context.Context) error {
		row, err := s.lock(ctx, viewer, id)
		if err != nil {
			return err
		}
		if w.Sticker, err = s.one(ctx, row); err != nil {
			return err
		}
		return s.remove(asSystem(ctx), row)
	})
	if err != nil {
		return nil, err
	}
	s.committed(ctx, id)
	return w, nil
}

// remove deletes stickers with their pictures in the transaction of the context.
func (s *Service) remove(ctx context.Context, rows ...*gen.Sticker) error {
	ids, pictures := make([]string, len(rows)), make([]string, len(rows))
	for i, row := range rows {
		ids[i], pictures[i] = row.ID, row.MediaID
		row.Version++
	}
	if _, err := s.store.Client(ctx).Sticker.Delete().Where(sticker.IDIn(ids...)).Exec(ctx); err != nil {
		return fmt.Errorf("delete stickers: %w", err)
	}
	found, err := s.media.ByID(ctx, pictures)
	if err != nil {
		return err
	}
	gone := make([]*gen.Media, 0, len(found))
	for _, m := range found {
		gone = append(gone, m)
	}
	if err := s.media.Remove(ctx, gone...); err != nil {
		return err
	}
	return s.announce(ctx, Deleted, rows...)
}

// lock gives a sticker that the viewer may change, locked until the end of the
// transaction. What they can't see is NOT_FOUND, what they see and may not change
// FORBIDDEN.
func (s *Service) lock(ctx context.Context, viewer auth.Viewer, id string) (*gen.Sticker, error) {
	row, err := s.store.Client(ctx).Sticker.Get(ctx, id)
	if err != nil {
		return nil, store.Found(err, "sticker")
	}
	mine := row.OwnerID != nil && *row.OwnerID == viewer.ID
	if !mine && (!viewer.Admin() || row.Visibility == sticker.VisibilityPRIVATE) {
		return nil, apperr.New(apperr.Forbidden, "Only its owner may change a sticker, and an admin a public one.")
	}
	ctx = asSystem(ctx)
	row, err = store.ForUpdate(s.store, s.store.Client(ctx).Sticker.Query().Where(sticker.ID(id))).Only(ctx)
	return row, store.Found(err, "sticker")
}
