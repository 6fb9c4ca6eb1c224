package audit

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/auditentry"
	"parley/ent/gen/predicate"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/page"
	"parley/internal/store"
)

// List gives a page of the entries, the newest first. It is for admins:
// everybody else is FORBIDDEN. An argument of the filter that can't be right is
// BAD_INPUT. With DialogID it looks through every entry that the rest of the
// filter leaves, as does the page's Count.
func (l *Log) List(ctx context.Context, f Filter, args page.Args) (*page.Page[*Entry], error) {
	if _, err := auth.RequireRole(ctx, auth.RoleAdmin); err != nil {
		return nil, err
	}
	where, err := f.where()
	if err != nil {
		return nil, err
	}
	order := page.Order[*Entry]{
		Name: "AT", Column: auditentry.FieldCreatedAt, Descending: true,
		Key: func(e *Entry) (any, string) { return e.At, e.ID },
	}
	return page.Load(args, order,
		func(c page.Cut, limit int) ([]*Entry, error) {
			rows, err := l.store.Client(ctx).AuditEntry.Query().Where(where...).Where(predicate.AuditEntry(c.Where)).
				Order(auditentry.OrderOption(c.Order)).Limit(limit).All(ctx)
			if err != nil {
				return nil, fmt.Errorf("read the audit log: %w", err)
			}
			return entries(rows)
		},
		func() (int, error) {
			n, err := l.store.Client(ctx).AuditEntry.Query().Where(where...).Count(ctx)
			if err != nil {
				return 0, fmt.Errorf("count the audit log: %w", err)
			}
			return n, nil
		},
	)
}

// Get gives an entry to an admin; for everybody else there is none.
func (l *Log) Get(ctx context.Context, id string) (*Entry, error) {
	if err := store.CheckID("aud", id, "id"); err != nil {
		return nil, err
	}
	if _, err := auth.RequireRole(ctx, auth.RoleAdmin); err != nil {
		if apperr.Is(err, apperr.Forbidden) {
			return nil, store.Found(&gen.NotFoundError{}, "audit entry")
		}
		return nil, err
	}
	row, err := l.store.Client(ctx).AuditEntry.Get(ctx, id)
	if err != nil {
		return nil, store.Found(err, "audit entry")
	}
	list, err := entries([]*gen.AuditEntry{row})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

func (f Filter) where() ([]predicate.AuditEntry, error) {
	var where []predicate.AuditEntry
	if f.ReaderID != nil {
		// An id of anything else is one that read nothing.
		if _, ok := store.Prefix(*f.ReaderID); !ok {
			return nil, refuse("readerId", "This is not an id.")
		}
		where = append(where, auditentry.ReaderID(*f.ReaderID))
	}
	if f.Since != nil {
		// Postgres cuts what is finer than a microsecond; rounding up keeps the
		// meaning, since no entry lies between.
		since := f.Since.UTC().Add(time.Microsecond - time.Nanosecond).Truncate(time.Microsecond)
		where = append(where, auditentry.CreatedAtGTE(since))
	}
	if f.DialogID != nil {
		number, err := strconv.ParseUint(*f.DialogID, 10, 63)
		if err != nil {
			return nil, refuse("dialogId", "The number of a dialog is a whole number from 0 to 2^63-1.")
		}
		where = append(where, holds(pack([]int64{int64(number)})))
	}
	return where, nil
}

func refuse(field, sentence string) error {
	e := apperr.New(apperr.BadInput, "%s", sentence)
	e.Path = []string{"filter", field}
	return e
}

func entries(rows []*gen.AuditEntry) ([]*Entry, error) {
	list := make([]*Entry, len(rows))
	for i, r := range rows {
		numbers, err := unpack(r.Dialogs)
		if err != nil {
			return nil, err
		}
		list[i] = &Entry{ID: r.ID, At: r.CreatedAt.UTC(), KeyID: r.KeyID, Action: Action(r.Action), DialogIDs: numbers}
		if r.ReaderID != "" {
			list[i].ReaderID = &r.ReaderID
		}
	}
	return list, nil
}
