package graph

import (
	"context"

	"parley/internal/search"
)

// spendFound counts the texts of the notes that were found.
func spendFound(ctx context.Context, m *search.Mixed, err error) error {
	if err != nil {
		return err
	}
	return spendPage(ctx, m.Page, nil, func(i *search.Item) int {
		if i.Note == nil {
			return 0
		}
		return len(i.Note.Text)
	})
}
