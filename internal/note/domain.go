package note

import (
	"context"
	"time"

	"parley/ent/gen"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/object"
)

// The topic and the types of the events about notes.
const (
	TopicNotes             = "NOTES"
	TypeNoteChanged        = "NoteChanged"
	TypeTranslationChanged = "TranslationChanged"
)

// NoteAction is what happened to a note.
type NoteAction string

// The actions.
const (
	Created NoteAction = "CREATED"
	Updated NoteAction = "UPDATED"
	Deleted NoteAction = "DELETED"
)

// NoteChanged is the event of a note's change as clients are shown it.
type NoteChanged struct {
	Cursor event.Cursor
	At     time.Time
	NoteID string
	Action NoteAction
	// Note is nil when it is gone.
	Note *gen.Note
}

// TranslationChanged is the event of a translation's change as clients are
// shown it.
type TranslationChanged struct {
	Cursor                event.Cursor
	At                    time.Time
	NoteID, TranslationID string
	// Translation is nil when it is gone.
	Translation *gen.Translation
}

// TranslationUpdate is one message of the subscription translations.
type TranslationUpdate struct {
	Cursor      event.Cursor
	Translation *gen.Translation
}

// Domain announces notes and their translations.
func (s *Service) Domain() domain.Domain {
	return domain.Domain{
		Name:    "note",
		Account: domain.Account{Delete: s.deleteAccount, Export: s.exportAccount},
		Seed:    s.seed,
		Kinds: []job.Kind{{
			Name: jobspec.KindTranslate, Result: "tr", Validate: validate, Apply: s.apply, Reopen: s.reopen, Route: route,
		}},
		Topics: []event.Topic{{Name: TopicNotes}},
		Types:  []event.Type{s.noteChanged(), s.translationChanged()},
		Operations: map[string]auth.Access{
			"Query.note": auth.People, "Query.notes": auth.People, "Query.noteStats": auth.People, "Query.languages": auth.People,
			"Query.glossary": auth.People, "Query.glossaries": auth.People, "Mutation.setGlossary": auth.People,
			"Mutation.createNote": auth.People, "Mutation.updateNote": auth.People, "Mutation.deleteNote": auth.People,
			"Mutation.importNote": auth.People, "Mutation.translateNote": auth.People, "Mutation.translateNotes": auth.People,
			"Subscription.translations": auth.People,
		},
		Objects: []object.Kind{
			object.Owned(object.Many("note", "note", s.ByID), s.Load, func(n *gen.Note) string { return n.OwnerID }),
			object.Owned(object.Many("tr", "translation", s.TranslationsByID), s.Translation, func(t *gen.Translation) string { return t.OwnerID }),
		},
	}
}

func (s *Service) noteChanged() event.Type {
	return event.Type{
		Name: TypeNoteChanged, Topic: TopicNotes, Object: "note", Invalidate: s.Invalidate,
		Show: event.ShowWith(func(m event.Message, n *gen.Note) any {
			return &NoteChanged{Cursor: m.Cursor, At: m.At, NoteID: m.Object, Action: NoteAction(m.State), Note: n}
		}),
	}
}

func (s *Service) translationChanged() event.Type {
	return event.Type{
		Name: TypeTranslationChanged, Topic: TopicNotes, Object: "tr", Invalidate: s.Invalidate,
		Passing: func(state string) bool { return state == string(Pending) },
		Show: event.ShowWith(func(m event.Message, t *gen.Translation) any {
			return &TranslationChanged{Cursor: m.Cursor, At: m.At, NoteID: m.Parent, TranslationID: m.Object, Translation: t}
		}),
	}
}

// Series announces the subscription to a note's translations: the newest of each
// language, then every change. It ends when the note is deleted.
func (s *Service) Series() domain.Series[gen.Translation] {
	return domain.Series[gen.Translation]{
		Type: TypeTranslationChanged,
		Parent: func(ctx context.Context, id string) (string, error) {
			n, err := s.Get(ctx, id)
			if err != nil {
				return "", err
			}
			return n.OwnerID, nil
		},
		Members: func(ctx context.Context, note string, all bool) ([]*gen.Translation, error) {
			byNote, err := s.Translations(ctx, []string{note}, all)
			return byNote[note], err
		},
		ID:      func(t *gen.Translation) string { return t.ID },
		Version: func(t *gen.Translation) int64 { return t.Version },
		Ends:    func(e event.Event) bool { return e.Type == TypeNoteChanged && e.State == string(Deleted) },
	}
}
