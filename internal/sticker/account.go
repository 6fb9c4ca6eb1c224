package sticker

import (
	"context"
	"fmt"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/sticker"
	"parley/internal/domain"
	"parley/internal/page"
	"parley/internal/store"
)

// accountStep is how many stickers of an account one transaction deletes or disowns, and
// how many are read at a time.
const accountStep = 100

// deleteAccount deletes the private stickers of an account. The public ones, which it
// added as an admin, are everybody's: they become the installation's.
func (s *Service) deleteAccount(ctx context.Context, account string) error {
	for _, step := range []func(context.Context, string) (int, error){s.deletePrivate, s.giveUpPublic} {
		for n := accountStep; n == accountStep; {
			err := s.store.Tx(ctx, func(ctx context.Context) (err error) {
				if n, err = step(ctx, account); err != nil || n == 0 {
					return err
				}
				return s.store.Erased(ctx)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) deletePrivate(ctx context.Context, account string) (int, error) {
	q := s.store.Client(ctx).Sticker.Query().Where(sticker.OwnerID(account), sticker.VisibilityEQ(sticker.VisibilityPRIVATE))
	rows, err := store.ForUpdate(s.store, q.Order(sticker.ByID()).Limit(accountStep)).All(ctx)
	if err != nil {
		return 0, fmt.Errorf("find the stickers of an account: %w", err)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	return len(rows), s.remove(ctx, rows...)
}

func (s *Service) giveUpPublic(ctx context.Context, account string) (int, error) {
	rows, err := s.disown(ctx, account, accountStep)
	if err != nil {
		return 0, err
	}
	return len(rows), s.announce(ctx, Updated, rows...)
}

type exportedSticker struct {
	ID         string             `json:"id"`
	Name       string             `json:"name"`
	URL        string             `json:"url"`
	Caption    string             `json:"caption"`
	Tags       []string           `json:"tags"`
	Visibility sticker.Visibility `json:"visibility"`
	Width      int                `json:"width"`
	Height     int                `json:"height"`
	SHA256     string             `json:"sha256"`
	Licence    *string            `json:"licence"`
	Version    int64              `json:"version"`
	CreatedAt  time.Time          `json:"createdAt"`
	UpdatedAt  time.Time          `json:"updatedAt"`
}

// exportAccount writes the stickers of an account, and where the picture of each is.
func (s *Service) exportAccount(ctx context.Context, account string, write domain.Write) error {
	err := page.All(accountStep,
		func(after string, limit int) ([]*Sticker, error) {
			rows, err := s.store.Client(ctx).Sticker.Query().Where(sticker.OwnerID(account), sticker.IDGT(after)).Order(gen.Asc(sticker.FieldID)).Limit(limit).All(ctx)
			if err != nil {
				return nil, err
			}
			return s.pictured(ctx, rows)
		},
		func(one *Sticker) string { return one.ID },
		func(one *Sticker) error {
			return write("Sticker", exportedSticker{
				one.ID, one.Name, one.URL, one.Caption, one.Tags, one.Visibility, one.Width(), one.Height(), one.Picture.Hash, one.Licence,
				one.Version, one.CreatedAt.UTC(), one.UpdatedAt.UTC(),
			})
		})
	if err != nil {
		return fmt.Errorf("export stickers: %w", err)
	}
	return nil
}
