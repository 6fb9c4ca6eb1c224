package media

import (
	"context"
	"fmt"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/media"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/object"
	"parley/internal/page"
)

// Domain announces pictures.
func (s *Service) Domain() domain.Domain {
	return domain.Domain{
		Name:    "media",
		Objects: []object.Kind{object.Many(prefix, "picture", s.ByID)},
		Operations: map[string]auth.Access{
			"Query.image": auth.People, "Mutation.uploadImage": auth.People, "Mutation.deleteImage": auth.People,
		},
		Counters: []domain.Counter{
			{Name: "parley_media_swept_total", Help: "Objects of the media store that were deleted because nothing named them.", Value: s.swept.Load},
		},
		Expire:  func(ctx context.Context) error { _, err := s.Sweep(ctx); return err },
		Account: domain.Account{Delete: s.deleteAccount, Export: s.exportAccount},
	}
}

// accountStep is how many pictures of an account one transaction deletes, and how many
// are read at a time.
const accountStep = 500

// deleteAccount deletes the pictures of an account.
func (s *Service) deleteAccount(ctx context.Context, account string) error {
	for more := true; more; {
		err := s.store.Tx(ctx, func(ctx context.Context) error {
			pictures, err := s.store.Client(ctx).Media.Query().Where(media.OwnerID(account)).Order(media.ByID()).Limit(accountStep).All(ctx)
			if err != nil {
				return fmt.Errorf("find the pictures of an account: %w", err)
			}
			if more = len(pictures) > 0; !more {
				return nil
			}
			if err := s.Remove(ctx, pictures...); err != nil {
				return err
			}
			return s.store.Erased(ctx)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

type exportedImage struct {
	ID          string           `json:"id"`
	URL         string           `json:"url"`
	Visibility  media.Visibility `json:"visibility"`
	ContentType string           `json:"contentType"`
	Width       int              `json:"width"`
	Height      int              `json:"height"`
	Bytes       int64            `json:"bytes"`
	SHA256      string           `json:"sha256"`
	Licence     *string          `json:"licence"`
	CreatedAt   time.Time        `json:"createdAt"`
}

// exportAccount writes what is known of the pictures of an account, and where each is.
func (s *Service) exportAccount(ctx context.Context, account string, write domain.Write) error {
	err := page.All(accountStep,
		func(after string, limit int) ([]*gen.Media, error) {
			return s.store.Client(ctx).Media.Query().Where(media.OwnerID(account), media.IDGT(after)).Order(media.ByID()).Limit(limit).All(ctx)
		},
		func(m *gen.Media) string { return m.ID },
		func(m *gen.Media) error {
			address, err := s.URL(m)
			if err != nil {
				return err
			}
			return write("Image", exportedImage{
				m.ID, address, m.Visibility, m.ContentType, m.Width, m.Height, m.Bytes, m.Hash, m.Licence, m.CreatedAt.UTC(),
			})
		})
	if err != nil {
		return fmt.Errorf("export pictures: %w", err)
	}
	return nil
}
