package graph

import (
	"context"

	"parley/ent/gen"
	"parley/internal/event"
	"parley/internal/note"
)

// translations gives a note's translations, those that a cached note brought
// along without asking again.
func translations(ctx context.Context, notes *note.Service, n *gen.Note, history bool) ([]*gen.Translation, error) {
	field := "Note.translations"
	if history {
		field = "Note.translations(history)"
	} else if n.Edges.Translations != nil {
		return texts(ctx, n.Edges.Translations, nil, sizeOfTranslation)
	}
	found, err := joined(ctx, field, n.ID, itself, func(ctx context.Context, ids []string) (map[string][]*gen.Translation, error) {
		return notes.Translations(ctx, ids, history)
	})
	return texts(ctx, found, err, sizeOfTranslation)
}

func sizeOfTranslation(t *gen.Translation) int {
	if t.Text == nil {
		return 0
	}
	return len(*t.Text)
}

func translationUpdate(at event.Cursor, t *gen.Translation) *note.TranslationUpdate {
	return &note.TranslationUpdate{Cursor: at, Translation: t}
}
