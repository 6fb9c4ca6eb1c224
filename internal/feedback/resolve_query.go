package feedback

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"parley/internal/store"
)

// resolve finds the stickers that reports name, and keeps them from being deleted until
// the end of the transaction.
func (s *Service) resolve(ctx context.Context, reports []*report) (*stickers, error) {
	ids, keys, scopes := map[string]bool{}, map[string]bool{}, map[string]bool{"": true}
	for _, r := range reports {
		for _, it := range r.items {
			for _, one := range it.refs {
				if one.id {
					ids[one.given] = true
				} else {
					keys[one.key], scopes[r.voter] = true, true
				}
			}
		}
	}
	found := &stickers{byID: map[string]sticker{}, byName: map[named]string{}}
	if err := s.resolveNames(ctx, found, slices.Sorted(maps.Keys(keys)), slices.Sorted(maps.Keys(scopes))); err != nil {
		return nil, err
	}
	for _, id := range found.byName {
		ids[id] = true
	}
	if len(ids) == 0 {
		return found, nil
	}
	lock := ""
	if s.store.Postgres() {
		lock = " ORDER BY id FOR KEY SHARE"
	}
	in, arg := store.Among(s.store, "id", slices.Sorted(maps.Keys(ids)))
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var one sticker
		err := rows.Scan(&one.id, &one.owner)
		found.byID[one.id] = one
		return err
	}, "SELECT id, scope FROM stickers WHERE "+in+lock, arg)
	if err != nil {
		return nil, fmt.Errorf("look up stickers: %w", err)
	}
	return found, nil
}

func (s *Service) resolveNames(ctx context.Context, found *stickers, keys, scopes []string) error {
	if len(keys) == 0 {
		return nil
	}
	in, scopeArg := store.Among(s.store, "scope", scopes)
	condition, keyArg := "name_key IN (SELECT CAST(value AS BLOB) FROM json_each(?))", any(store.List(keys))
	if s.store.Postgres() {
		list := make([][]byte, len(keys))
		for i, k := range keys {
			list[i] = []byte(k)
		}
		condition, keyArg = "name_key = ANY(ARRAY(SELECT unnest(?::bytea[])))", list
	}
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var id, scope string
		var key []byte
		err := rows.Scan(&id, &scope, &key)
		found.byName[named{scope, string(key)}] = id
		return err
	}, "SELECT id, scope, name_key FROM stickers WHERE "+in+" AND "+condition, scopeArg, keyArg)
	if err != nil {
		return fmt.Errorf("look up stickers by their names: %w", err)
	}
	return nil
}
