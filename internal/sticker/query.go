package sticker

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	entsql "entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/sqljson"

	"parley/ent/gen"
	entmedia "parley/ent/gen/media"
	"parley/ent/gen/predicate"
	"parley/ent/gen/sticker"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/page"
	"parley/internal/store"
)

// Get gives a sticker that the viewer may see, or NOT_FOUND.
func (s *Service) Get(ctx context.Context, id string) (*Sticker, error) {
	if err := store.CheckID(prefix, id, "id"); err != nil {
		return nil, err
	}
	row, err := s.store.Client(ctx).Sticker.Get(ctx, id)
	if err != nil {
		return nil, store.Found(err, "sticker")
	}
	return s.one(ctx, row)
}

// ByID gives those of the stickers that the viewer may see, by id.
func (s *Service) ByID(ctx context.Context, ids []string) (map[string]*Sticker, error) {
	rows, err := s.store.Client(ctx).Sticker.Query().Where(sticker.IDIn(ids...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read stickers: %w", err)
	}
	all, err := s.pictured(ctx, rows)
	if err != nil {
		return nil, err
	}
	found := make(map[string]*Sticker, len(all))
	for _, one := range all {
		if one.URL != "" {
			found[one.ID] = one
		}
	}
	return found, nil
}

// Filter narrows a list of stickers; zero values match everything.
type Filter struct {
	// Mine keeps those of the viewer.
	Mine       bool
	Visibility *entmedia.Visibility
	// Tag is one that the sticker has, as it was written.
	Tag *string
	// Name is what the name begins with, whatever the case.
	Name *string
}

// OrderField is what a list of stickers is sorted by.
type OrderField string

// The orders.
const (
	OrderCreated OrderField = "CREATED_AT"
	OrderName    OrderField = "NAME"
)

// Order sorts a list of stickers.
type Order struct {
	Field      OrderField
	Descending bool
}

// List gives a page of the viewer's own stickers and the public ones. Admins too find no
// others here.
func (s *Service) List(ctx context.Context, f Filter, o Order, args page.Args) (*page.Page[*Sticker], error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	where, err := f.where(viewer.ID)
	if err != nil {
		return nil, err
	}
	order, err := o.page()
	if err != nil {
		return nil, err
	}
	return page.Load(args, order,
		func(c page.Cut, limit int) ([]*Sticker, error) {
			rows, err := s.store.Client(ctx).Sticker.Query().Where(where...).Where(predicate.Sticker(c.Where)).
				Order(sticker.OrderOption(c.Order)).Limit(limit).All(ctx)
			if err != nil {
				return nil, fmt.Errorf("list stickers: %w", err)
			}
			return s.pictured(ctx, rows)
		},
		func() (int, error) { return s.store.Client(ctx).Sticker.Query().Where(where...).Count(ctx) },
	)
}

func (f Filter) where(viewer string) ([]predicate.Sticker, error) {
	where := []predicate.Sticker{sticker.OwnerID(viewer)}
	if !f.Mine {
		where = []predicate.Sticker{sticker.Or(sticker.OwnerID(viewer), sticker.VisibilityEQ(sticker.VisibilityPUBLIC))}
	}
	if f.Visibility != nil {
		where = append(where, sticker.VisibilityEQ(sticker.Visibility(*f.Visibility)))
	}
	if f.Tag != nil {
		if err := checkTags([]string{*f.Tag}, "filter", "tag"); err != nil {
			return nil, err
		}
		where = append(where, func(q *entsql.Selector) { q.Where(sqljson.ValueContains(sticker.FieldTags, *f.Tag)) })
	}
	if f.Name != nil && *f.Name != "" {
		if err := checkName(*f.Name, "filter", "name"); err != nil {
			return nil, err
		}
		begin := fold(*f.Name)
		where = append(where, sticker.NameKeyGTE(begin), sticker.NameKeyLT(behind(begin)))
	}
	return where, nil
}

// behind gives what comes after every key that begins so. Keys are UTF-8, in which no
// byte is 255.
func behind(begin []byte) []byte {
	end := append([]byte(nil), begin...)
	end[len(end)-1]++
	return end
}

func (o Order) page() (page.Order[*Sticker], error) {
	p := page.Order[*Sticker]{Name: string(o.Field), Descending: o.Descending}
	switch o.Field {
	case OrderCreated:
		p.Column = sticker.FieldCreatedAt
		p.Key = func(s *Sticker) (any, string) { return s.CreatedAt, s.ID }
	case OrderName:
		p.Column = sticker.FieldNameKey
		p.Key = func(s *Sticker) (any, string) { return s.NameKey, s.ID }
	default:
		return p, apperr.Argument("orderBy", "Stickers can't be sorted by %q.", o.Field)
	}
	return p, nil
}

// insert makes the row of a sticker and tells whether its name was free. It waits for a
// transaction that is about to take the name.
func (s *Service) insert(ctx context.Context, row *gen.Sticker) (bool, error) {
	if err := check(row); err != nil {
		return false, err
	}
	tags, err := json.Marshal(row.Tags)
	if err != nil {
		return false, fmt.Errorf("encode tags: %w", err)
	}
	n, err := s.store.Exec(ctx, `INSERT INTO stickers
		(id, created_at, updated_at, owner_id, visibility, scope, name, name_key, caption, tags, licence, media_id, version)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (scope, name_key) DO NOTHING`,
		row.ID, row.CreatedAt, row.CreatedAt, row.OwnerID, string(row.Visibility), row.Scope, row.Name, row.NameKey, row.Caption, string(tags), row.Licence, row.MediaID)
	if err != nil {
		return false, fmt.Errorf("add a sticker: %w", err)
	}
	return n > 0, nil
}

// disown gives some of the public stickers of an account to the installation, and tells
// which.
func (s *Service) disown(ctx context.Context, account string, limit int) (rows []*gen.Sticker, err error) {
	err = s.store.Query(ctx, func(r *sql.Rows) error {
		row := &gen.Sticker{Visibility: sticker.VisibilityPUBLIC}
		err := r.Scan(&row.ID, &row.Version)
		rows = append(rows, row)
		return err
	}, `UPDATE stickers SET owner_id = NULL, version = version + 1, updated_at = ?
		WHERE owner_id = ? AND id IN (SELECT id FROM stickers WHERE owner_id = ? AND visibility = 'PUBLIC' ORDER BY id LIMIT ?)
		RETURNING id, version`, store.Now(), account, account, limit)
	if err != nil {
		return nil, fmt.Errorf("disown stickers: %w", err)
	}
	return rows, nil
}

// progressOf tells how much of a set was added, and locks its row where it is asked in a
// transaction.
func (s *Service) progressOf(ctx context.Context, set string) (done int, err error) {
	lock := ""
	if store.InTx(ctx) {
		if _, err := s.store.Exec(ctx, "INSERT INTO sticker_sets (id, done) VALUES (?, 0) ON CONFLICT (id) DO NOTHING", set); err != nil {
			return 0, fmt.Errorf("note a set of stickers: %w", err)
		}
		lock = s.store.ForUpdate()
	}
	err = s.store.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&done) }, "SELECT done FROM sticker_sets WHERE id = ?"+lock, set)
	if err != nil {
		return 0, fmt.Errorf("read how much of a set of stickers was added: %w", err)
	}
	return done, nil
}

// noteProgress notes how much of a set was added.
func (s *Service) noteProgress(ctx context.Context, set string, done int) error {
	if _, err := s.store.Exec(ctx, "UPDATE sticker_sets SET done = ? WHERE id = ?", done, set); err != nil {
		return fmt.Errorf("note how much of a set of stickers was added: %w", err)
	}
	return nil
}
