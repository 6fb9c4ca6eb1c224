package sticker

import (
	"parley/internal/auth"
	"parley/internal/domain"
)

// Service is what can be asked of stickers.
type Service struct{}

// New makes the service.
func New() *Service { return &Service{} }

// Domain announces stickers.
func (s *Service) Domain() domain.Domain {
	return domain.Domain{
		Name:       "sticker",
		Operations: map[string]auth.Access{"Query.digitCount": auth.Anyone},
	}
}
