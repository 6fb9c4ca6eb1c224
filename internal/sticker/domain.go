package sticker

import (
	"context"

	"parley/ent/gen"
	"parley/ent/gen/sticker"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/object"
)

// The topic and the type of the events about stickers.
const (
	TopicStickers      = "STICKERS"
	TypeStickerChanged = "StickerChanged"
)

// Domain announces stickers, and what else can be asked of them.
func (s *Service) Domain() domain.Domain {
	return domain.Domain{
		Name:    "sticker",
		Topics:  []event.Topic{{Name: TopicStickers}},
		Types:   []event.Type{stickerChanged()},
		Objects: []object.Kind{object.Many(prefix, "sticker", s.ByID)},
		Operations: map[string]auth.Access{
			"Query.digitCount": auth.Anyone,
			"Query.sticker":    auth.People, "Query.stickers": auth.People,
			"Mutation.addStickers": auth.People, "Mutation.updateSticker": auth.People, "Mutation.deleteSticker": auth.People,
		},
		Account: domain.Account{Delete: s.deleteAccount, Export: s.exportAccount},
	}
}

// stickerChanged comes with the sticker as each viewer may see it: of a public one the
// owner is not the only one.
func stickerChanged() event.Type {
	return event.Type{
		Name: TypeStickerChanged, Topic: TopicStickers, Object: event.Nothing,
		Show: func(m event.Message) any {
			return &Changed{Cursor: m.Cursor, At: m.At, StickerID: m.Object, Action: Action(m.State)}
		},
	}
}

// audiences gives who hears of a sticker: its owner, or of a public one everybody who is
// signed in, once: admins hear what analysts do.
func audiences(row *gen.Sticker) []string {
	if row.Visibility == sticker.VisibilityPRIVATE {
		return []string{event.User(*row.OwnerID)}
	}
	return []string{event.Role(string(auth.RoleUser)), event.Role(string(auth.RoleService)), event.Role(string(auth.RoleAnalyst))}
}

// asSystem is the context in which rows are written after the rules were asked, and
// pictures are read of those stickers that the viewer was given.
func asSystem(ctx context.Context) context.Context { return auth.System(ctx, "sticker.keep") }
