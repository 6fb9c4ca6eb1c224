package sticker

import (
	"parley/internal/auth"
	"parley/internal/domain"
)

// Domain announces what can be asked of stickers.
func Domain() domain.Domain {
	return domain.Domain{
		Name:       "sticker",
		Operations: map[string]auth.Access{"Query.digitCount": auth.Anyone},
	}
}
