package sticker

import (
	"context"
	"fmt"
	"io"
	"strings"

	"parley/ent/gen"
	"parley/ent/gen/sticker"
	"parley/internal/indexing"
)

// SourceStickers is the name under which the vectors of stickers are kept.
const SourceStickers = "sticker"

// Follow has w told of every change from now on, and seen called with the ids once the
// change is committed, before the call returns that made it. Both are set before the
// service is used.
func (s *Service) Follow(w indexing.Watcher, seen func(ctx context.Context, ids ...string)) {
	s.watcher, s.seen = w, seen
}

// tell tells the watcher.
func (s *Service) tell(ctx context.Context, gone bool, rows ...*gen.Sticker) error {
	if s.watcher == nil || len(rows) == 0 {
		return nil
	}
	return s.watcher(ctx, gone, idsOf(rows)...)
}

// committed tells who wants to know what is committed.
func (s *Service) committed(ctx context.Context, ids ...string) {
	if s.seen != nil && len(ids) > 0 {
		s.seen(ctx, ids...)
	}
}

func idsOf(rows []*gen.Sticker) []string {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	return ids
}

// Page gives stickers with their pictures in the order of their ids, those behind one, to
// the system.
func (s *Service) Page(ctx context.Context, after string, limit int) ([]*Sticker, error) {
	rows, err := s.store.Client(ctx).Sticker.Query().Where(sticker.IDGT(after)).Order(sticker.ByID()).Limit(limit).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read stickers: %w", err)
	}
	return s.pictured(ctx, rows)
}

// Addressed gives a copy of a sticker whose address is valid from now on.
func (s *Service) Addressed(one *Sticker) (*Sticker, error) {
	url, err := s.media.URL(one.Picture)
	if err != nil {
		return nil, fmt.Errorf("the address of a sticker: %w", err)
	}
	again := *one
	again.URL = url
	return &again, nil
}

// LabelPublic is what public stickers are found by in the index of vectors.
const LabelPublic = "public"

// LabelOwner is what the private stickers of an account are found by, and public ones that
// it added.
func LabelOwner(account string) string { return "owner:" + account }

// LabelTag is what stickers with a tag are found by. Tags of more than 240 bytes that
// begin alike have the same.
func LabelTag(tag string) string {
	const most = 240
	folded := string(fold(tag))
	return "tag:" + strings.ToValidUTF8(folded[:min(len(folded), most)], "")
}

// FoldTag is how tags are compared.
func FoldTag(tag string) string { return string(fold(tag)) }

// Source gives stickers to those who keep their vectors: each by its caption, or its name
// where it has none, and its picture.
func (s *Service) Source() indexing.Source {
	return indexing.Source{
		Name: SourceStickers, Sides: []indexing.Side{indexing.Words, indexing.Picture},
		Page: func(ctx context.Context, after string, limit int) ([]indexing.Item, error) {
			rows, err := s.Page(ctx, after, limit)
			items := make([]indexing.Item, len(rows))
			for i, one := range rows {
				items[i] = s.item(one)
			}
			return items, err
		},
		ByID: func(ctx context.Context, ids []string) (map[string]indexing.Item, error) {
			found, err := s.ByID(ctx, ids)
			items := make(map[string]indexing.Item, len(found))
			for id, one := range found {
				items[id] = s.item(one)
			}
			return items, err
		},
	}
}

func (s *Service) item(one *Sticker) indexing.Item {
	item := indexing.Item{ID: one.ID, Version: one.Version, Text: one.Caption, PictureKey: one.Picture.Hash}
	if item.Text == "" {
		item.Text = Spoken(one.Name)
	}
	item.Picture = func(ctx context.Context) ([]byte, error) {
		r := s.media.Open(ctx, one.Picture)
		defer func() { _ = r.Close() }()
		return io.ReadAll(r)
	}
	if one.Visibility == sticker.VisibilityPUBLIC {
		item.Labels = append(item.Labels, LabelPublic)
	}
	if one.OwnerID != nil {
		item.Labels = append(item.Labels, LabelOwner(*one.OwnerID))
	}
	for _, tag := range one.Tags {
		item.Labels = append(item.Labels, LabelTag(tag))
	}
	return item
}

// Spoken gives the words of a file's name without its ending.
func Spoken(name string) string {
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		name = name[:dot]
	}
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == '.' {
			return ' '
		}
		return r
	}, name)
}
