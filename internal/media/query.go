package media

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"parley/internal/store"
)

// loosen notes that objects have perhaps no row: since now, whatever was noted before.
func (s *Service) loosen(ctx context.Context, names ...string) error {
	now := store.Now()
	_, err := s.store.InsertRows(ctx, "INSERT INTO loose_objects (id, since) VALUES ", "(?, ?)",
		" ON CONFLICT (id) DO UPDATE SET since = excluded.since", len(names),
		func(i int, args []any) []any { return append(args, names[i], now) })
	return err
}

// fasten notes that an object has a row.
func (s *Service) fasten(ctx context.Context, name string) error {
	if _, err := s.store.Exec(ctx, "DELETE FROM loose_objects WHERE id = ?", name); err != nil {
		return fmt.Errorf("fasten an object: %w", err)
	}
	return nil
}

// looseSince gives objects that were noted before a time, the oldest first.
func (s *Service) looseSince(ctx context.Context, before time.Time, limit int) (names []string, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	}, "SELECT id FROM loose_objects WHERE since < ? ORDER BY since, id LIMIT ?", before, limit)
	if err != nil {
		return nil, fmt.Errorf("find loose objects: %w", err)
	}
	return names, nil
}

// forget takes back what was noted of an object before a time, and tells whether there
// was something and whether a row names the object.
func (s *Service) forget(ctx context.Context, name string, before time.Time) (noted, named bool, err error) {
	n, err := s.store.Exec(ctx, "DELETE FROM loose_objects WHERE id = ? AND since < ?", name, before)
	if err != nil || n == 0 {
		return false, false, err
	}
	err = s.store.Query(ctx, func(*sql.Rows) error { named = true; return nil }, "SELECT 1 FROM media WHERE hash = ? LIMIT 1", name)
	return true, named, err
}
