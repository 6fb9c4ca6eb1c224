package sticker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/ent/gen"
	entmedia "parley/ent/gen/media"
	"parley/ent/gen/sticker"
	"parley/internal/event"
	"parley/internal/idempotency"
	"parley/internal/indexing"
	"parley/internal/media"
	"parley/internal/store"
)

// Limits of stickers.
const (
	// MaxFiles is how many one call adds, MaxTogether the size of their files in bytes.
	MaxFiles    = 50
	MaxTogether = 64 << 20
	// MaxName is in bytes of UTF-8.
	MaxName = 255
	// MaxCaption, MaxTag and MaxLicence are in characters.
	MaxCaption = 500
	MaxTags    = 32
	MaxTag     = 64
	MaxLicence = 2000
)

// Who may see a sticker.
const (
	Public  = media.Public
	Private = media.Private
)

// prefix begins the ids of stickers.
const prefix = "sticker"

// Sticker is a sticker with its picture.
type Sticker struct {
	gen.Sticker
	// Picture is the row of the picture, which belongs to the installation whoever
	// added the sticker. Its bytes are media.Service.Open's.
	Picture *gen.Media
	// URL is where the picture is; see media.Service.URL.
	URL string
}

// SeenBy tells who may see the sticker.
func (s *Sticker) SeenBy() entmedia.Visibility { return entmedia.Visibility(s.Visibility) }

// Width is that of the picture in pixels.
func (s *Sticker) Width() int { return s.Picture.Width }

// Height is that of the picture in pixels.
func (s *Sticker) Height() int { return s.Picture.Height }

// System tells whether the sticker belongs to the installation and to no account.
func (s *Sticker) System() bool { return s.OwnerID == nil }

// Action is what happened to a sticker.
type Action string

// The actions.
const (
	Created Action = "CREATED"
	Updated Action = "UPDATED"
	Deleted Action = "DELETED"
)

// Changed is the event of a sticker's change as clients are shown it.
type Changed struct {
	Cursor    event.Cursor
	At        time.Time
	StickerID string
	Action    Action
}

// Service keeps stickers.
type Service struct {
	store *store.Store
	log   *event.Log
	media *media.Service
	keys  *idempotency.Keys
	// watcher and seen may be nil: found.go.
	watcher indexing.Watcher
	seen    func(ctx context.Context, ids ...string)
}

// New makes the service, which keeps its pictures in m.
func New(s *store.Store, log *event.Log, m *media.Service) *Service {
	return &Service{store: s, log: log, media: m, keys: idempotency.New(s, log)}
}

// Written is a sticker with the cursor before the write.
type Written struct {
	Sticker *Sticker
	Cursor  event.Cursor
}

// pictured gives stickers with their pictures, in their order. One that is deleted at
// this moment has a picture without an address.
func (s *Service) pictured(ctx context.Context, rows []*gen.Sticker) ([]*Sticker, error) {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.MediaID
	}
	if len(ids) == 0 {
		return nil, nil
	}
	pictures, err := s.media.ByID(asSystem(ctx), ids)
	if err != nil {
		return nil, err
	}
	all := make([]*Sticker, len(rows))
	for i, row := range rows {
		all[i] = &Sticker{Sticker: *row, Picture: pictures[row.MediaID]}
		if all[i].Picture == nil {
			all[i].Picture = &gen.Media{}
			continue
		}
		if all[i].URL, err = s.media.URL(all[i].Picture); err != nil {
			return nil, fmt.Errorf("the address of a sticker: %w", err)
		}
	}
	return all, nil
}

// one is pictured for one sticker, which is NOT_FOUND when its picture is gone.
func (s *Service) one(ctx context.Context, row *gen.Sticker) (*Sticker, error) {
	all, err := s.pictured(ctx, []*gen.Sticker{row})
	if err != nil {
		return nil, err
	}
	if all[0].URL == "" {
		return nil, store.Found(&gen.NotFoundError{}, "sticker")
	}
	return all[0], nil
}

// announce appends the events of changes for those who may see the stickers, and tells the
// watcher.
func (s *Service) announce(ctx context.Context, action Action, rows ...*gen.Sticker) error {
	var changes []event.Change
	for _, row := range rows {
		for _, audience := range audiences(row) {
			changes = append(changes, event.Change{
				Audience: audience, Topic: TopicStickers, Type: TypeStickerChanged, Object: row.ID, Version: row.Version, State: string(action),
			})
		}
	}
	if err := s.tell(ctx, action == Deleted, rows...); err != nil {
		return err
	}
	return s.log.Append(ctx, changes...)
}

var errOwnerless = errors.New("a private sticker without an owner")

// check refuses a row that nobody could see.
func check(row *gen.Sticker) error {
	if row.OwnerID == nil && row.Visibility == sticker.VisibilityPRIVATE {
		return errOwnerless
	}
	return nil
}
