package resume

import (
	"context"
	"time"

	"parley/internal/domain"
	"parley/internal/page"
)

type exportedPosition struct {
	Name string `json:"name"`
	// Cursor is empty for a reader that has not come anywhere yet.
	Cursor    string    `json:"cursor"`
	UpdatedAt time.Time `json:"updatedAt"`
}

// deleteAccount forgets the readers of the account and of its keys.
func (b *Book) deleteAccount(ctx context.Context, account string) error {
	for {
		if n, err := b.forgetSome(ctx, account); err != nil || n < expireStep {
			return err
		}
	}
}

// exportAccount writes how far the readers of the account and of its keys have
// come.
func (b *Book) exportAccount(ctx context.Context, account string, write domain.Write) error {
	return page.All(exportStep,
		func(after string, limit int) ([]reading, error) { return b.readings(ctx, account, after, limit) },
		func(r reading) string { return r.id },
		func(r reading) error { return write("StreamPosition", r.exportedPosition) })
}
