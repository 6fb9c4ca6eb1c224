package search

import (
	"parley/internal/auth"
	"parley/internal/domain"
)

// Domain announces what can be searched.
func (s *Service) Domain() domain.Domain {
	may := auth.Access(s.Feedback.May)
	return domain.Domain{
		Name:       "search",
		Operations: map[string]auth.Access{"Query.searchStickers": may, "Query.searchSuggestions": may, "Query.search": auth.People},
	}
}
