package note

import (
	"context"

	"parley/internal/apperr"
)

// samples are in languages of the model that ships with parley.
var samples = []struct{ title, text, language string }{
	{"The house", "The house is small. The garden behind it is large and green.", "en"},
	{"El mercado", "El mercado abre temprano. Compro pan, queso y tomates.", "es"},
	{"Le train", "Le train part à midi. Nous avons encore le temps de boire un café.", "fr"},
}

// seed gives the account three notes. Within a day, for as long as their keys are
// remembered, it makes none of them again, not even one that was deleted since.
func (s *Service) seed(ctx context.Context, _ string) error {
	for _, n := range samples {
		key := "seed: " + n.title
		_, err := s.Create(ctx, CreateNoteInput{Title: n.title, Text: n.text, Language: &n.language, IdempotencyKey: &key})
		if err != nil && !apperr.Is(err, apperr.NotFound) {
			return err
		}
	}
	return nil
}
