package note

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"parley/ent/gen"
	entglossary "parley/ent/gen/glossary"
	"parley/ent/gen/note"
	"parley/ent/gen/translation"
	"parley/internal/domain"
	"parley/internal/event"
	"parley/internal/page"
	"parley/internal/store"
)

// accountStep is how many notes of an account one transaction deletes, and how
// many are read at a time: each may have 64 KiB, and 20 translations as long.
const accountStep = 50

// deleteAccount deletes the notes of an account as Delete does each.
func (s *Service) deleteAccount(ctx context.Context, account string) error {
	for more := true; more; {
		err := s.store.Tx(ctx, func(ctx context.Context) error {
			ids, err := s.store.Client(ctx).Note.Query().Where(note.OwnerID(account)).Order(note.ByID()).Limit(accountStep).IDs(ctx)
			if err != nil {
				return fmt.Errorf("find the notes of an account: %w", err)
			}
			if more = len(ids) > 0; !more {
				return nil
			}
			return s.deleteAll(ctx, ids)
		})
		if err != nil {
			return err
		}
	}
	return s.store.Tx(ctx, func(ctx context.Context) error { return s.deleteGlossaries(ctx, account) })
}

// deleteAll deletes those of the notes that are still there. It takes its locks in
// the order in which delete does.
func (s *Service) deleteAll(ctx context.Context, ids []string) error {
	if err := s.jobs.CancelFor(ctx, ids...); err != nil {
		return err
	}
	client := s.store.Client(ctx)
	q := store.ForUpdate(s.store, client.Note.Query().Where(note.IDIn(ids...)).Order(note.ByID()))
	notes, err := q.Select(note.FieldID, note.FieldOwnerID, note.FieldRevision, note.FieldTextVersion).All(ctx)
	if err != nil {
		return fmt.Errorf("lock notes: %w", err)
	}
	if err := s.jobs.CancelFor(ctx, ids...); err != nil {
		return err
	}
	if _, err := client.Note.Delete().Where(note.IDIn(ids...)).Exec(ctx); err != nil {
		return fmt.Errorf("delete notes: %w", err)
	}
	last := make(map[string]revision, len(notes))
	changes := make([]event.Change, len(notes))
	for i, n := range notes {
		n.Revision += 2 // as in delete
		last[n.ID] = revision{n.Revision, n.TextVersion}
		changes[i] = noteChanged(n, Deleted)
	}
	s.refuseOlder(ctx, last)
	if err := s.tell(ctx, true, ids...); err != nil {
		return err
	}
	if err := s.log.Append(ctx, changes...); err != nil {
		return err
	}
	return s.store.Erased(ctx)
}

type exportedNote struct {
	ID        string      `json:"id"`
	Title     string      `json:"title"`
	Text      string      `json:"text"`
	Language  string      `json:"language"`
	Format    note.Format `json:"format"`
	Version   int         `json:"version"`
	CreatedAt time.Time   `json:"createdAt"`
	UpdatedAt time.Time   `json:"updatedAt"`
}

type exportedTranslation struct {
	ID          string            `json:"id"`
	NoteID      string            `json:"noteId"`
	Language    string            `json:"language"`
	TextVersion int               `json:"textVersion"`
	State       translation.State `json:"state"`
	Text        *string           `json:"text"`
	Model       *string           `json:"model"`
	// Alternatives are as they are kept, nil where there are none.
	Alternatives json.RawMessage `json:"alternatives,omitempty"`
	CreatedAt    time.Time       `json:"createdAt"`
	UpdatedAt    time.Time       `json:"updatedAt"`
}

// exportAccount writes the notes of an account, then all translations of them.
func (s *Service) exportAccount(ctx context.Context, account string, write domain.Write) error {
	err := page.All(accountStep,
		func(after string, limit int) ([]*gen.Note, error) {
			return s.store.Client(ctx).Note.Query().Where(note.OwnerID(account), note.IDGT(after)).Order(note.ByID()).Limit(limit).All(ctx)
		},
		func(n *gen.Note) string { return n.ID },
		func(n *gen.Note) error {
			return write("Note", exportedNote{n.ID, n.Title, n.Text, n.Language, n.Format, n.Version, n.CreatedAt.UTC(), n.UpdatedAt.UTC()})
		})
	if err != nil {
		return fmt.Errorf("export notes: %w", err)
	}
	err = page.All(accountStep,
		func(after string, limit int) ([]*gen.Translation, error) {
			return s.store.Client(ctx).Translation.Query().Where(translation.OwnerID(account), translation.IDGT(after)).
				Order(translation.ByID()).Limit(limit).All(ctx)
		},
		func(t *gen.Translation) string { return t.ID },
		func(t *gen.Translation) error {
			return write("Translation", exportedTranslation{
				t.ID, t.NoteID, t.Language, t.TextVersion, t.State, t.Text, t.Model, t.Alternatives, t.CreatedAt.UTC(), t.UpdatedAt.UTC(),
			})
		})
	if err != nil {
		return fmt.Errorf("export translations: %w", err)
	}
	return s.exportGlossaries(ctx, account, write)
}

type exportedGlossary struct {
	Source    string          `json:"source"`
	Target    string          `json:"target"`
	Terms     json.RawMessage `json:"terms"`
	CreatedAt time.Time       `json:"createdAt"`
	UpdatedAt time.Time       `json:"updatedAt"`
}

func (s *Service) exportGlossaries(ctx context.Context, account string, write domain.Write) error {
	rows, err := s.store.Client(ctx).Glossary.Query().Where(entglossary.OwnerID(account)).Order(entglossary.ByID()).All(ctx)
	if err != nil {
		return fmt.Errorf("export glossaries: %w", err)
	}
	for _, g := range rows {
		if err := write("Glossary", exportedGlossary{g.Source, g.Target, g.Terms, g.CreatedAt.UTC(), g.UpdatedAt.UTC()}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) deleteGlossaries(ctx context.Context, account string) error {
	if _, err := s.store.Client(ctx).Glossary.Delete().Where(entglossary.OwnerID(account)).Exec(ctx); err != nil {
		return fmt.Errorf("delete the glossaries of an account: %w", err)
	}
	return s.store.Erased(ctx)
}
