package note

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"

	"parley/ent/gen"
	"parley/ent/gen/note"
	"parley/ent/gen/predicate"
	"parley/ent/gen/translation"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/jobspec"
	"parley/internal/page"
	"parley/internal/store"
)

// Get gives a note of the viewer with the newest translation per language,
// from the cache where there is one.
func (s *Service) Get(ctx context.Context, id string) (*gen.Note, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := store.CheckID("note", id, "id"); err != nil {
		return nil, err
	}
	n, err := s.read(ctx, id)
	if err != nil {
		return nil, err
	}
	if !viewer.Sees(n.OwnerID) {
		return nil, store.Found(&gen.NotFoundError{}, "note")
	}
	return n, nil
}

func (s *Service) read(ctx context.Context, id string) (*gen.Note, error) {
	if s.cache == nil {
		return s.load(ctx, id)
	}
	if data, ok, err := s.cache.Get(ctx, cacheKey(id)); err != nil {
		slog.WarnContext(ctx, "the cache does not answer", "error", err)
	} else if ok {
		var c cached
		if err := json.Unmarshal(data, &c); err == nil {
			c.Note.Edges.Translations = c.Translations
			return c.Note, nil
		}
	}
	n, err := s.load(ctx, id)
	if err != nil {
		return nil, err
	}
	c := cached{Note: n, Translations: n.Edges.Translations}
	data, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode a note: %w", err)
	}
	if err := s.cache.Put(ctx, cacheKey(id), n.Revision, data, cacheFor); err != nil {
		slog.WarnContext(ctx, "the cache does not answer", "error", err)
	}
	return n, nil
}

// Load gives a note past the cache.
func (s *Service) Load(ctx context.Context, id string) (*gen.Note, error) { return s.load(ctx, id) }

// load reads note and translations in one snapshot-free pass: the translations
// come second, so they are never older than the revision says.
func (s *Service) load(ctx context.Context, id string) (*gen.Note, error) {
	n, err := s.store.Client(ctx).Note.Get(ctx, id)
	if err != nil {
		return nil, store.Found(err, "note")
	}
	byNote, err := s.Translations(ctx, []string{id}, false)
	if err != nil {
		return nil, err
	}
	n.Edges.Translations = byNote[id]
	if n.Edges.Translations == nil {
		n.Edges.Translations = []*gen.Translation{}
	}
	n.TitleKey, n.SearchKey = nil, ""
	return n, nil
}

// Translations gives the translations of notes that the viewer was given, by
// note: the newest per language, or with history all, the newest first.
func (s *Service) Translations(ctx context.Context, notes []string, history bool) (map[string][]*gen.Translation, error) {
	rows, err := s.store.Client(ctx).Translation.Query().Where(translation.NoteIDIn(notes...)).
		Order(gen.Asc(translation.FieldLanguage), gen.Desc(translation.FieldTextVersion), gen.Asc(translation.FieldID)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read translations: %w", err)
	}
	byNote := make(map[string][]*gen.Translation, len(notes))
	for _, t := range rows {
		list := byNote[t.NoteID]
		if !history && len(list) > 0 && list[len(list)-1].Language == t.Language {
			continue
		}
		byNote[t.NoteID] = append(list, t)
	}
	return byNote, nil
}

// Translation gives a translation that the viewer may see.
func (s *Service) Translation(ctx context.Context, id string) (*gen.Translation, error) {
	if err := store.CheckID("tr", id, "id"); err != nil {
		return nil, err
	}
	t, err := s.store.Client(ctx).Translation.Get(ctx, id)
	return t, store.Found(err, "translation")
}

// TranslationsByID gives translations that the viewer may see, by id.
func (s *Service) TranslationsByID(ctx context.Context, ids []string) (map[string]*gen.Translation, error) {
	rows, err := s.store.Client(ctx).Translation.Query().Where(translation.IDIn(ids...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read translations: %w", err)
	}
	byID := make(map[string]*gen.Translation, len(rows))
	for _, t := range rows {
		byID[t.ID] = t
	}
	return byID, nil
}

// List gives a page of the viewer's own notes.
func (s *Service) List(ctx context.Context, f Filter, o Order, args page.Args) (*page.Page[*gen.Note], error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	where := append(f.where(), note.OwnerID(viewer.ID))
	order, err := o.page()
	if err != nil {
		return nil, err
	}
	return page.Load(args, order,
		func(c page.Cut, limit int) ([]*gen.Note, error) {
			return s.store.Client(ctx).Note.Query().Where(where...).Where(predicate.Note(c.Where)).
				Order(note.OrderOption(c.Order)).Limit(limit).All(ctx)
		},
		func() (int, error) { return s.store.Client(ctx).Note.Query().Where(where...).Count(ctx) },
	)
}

func (f Filter) where() []predicate.Note {
	var where []predicate.Note
	if f.Language != nil {
		where = append(where, note.Language(*f.Language))
	}
	if f.Text != nil && *f.Text != "" {
		where = append(where, note.SearchKeyContains(fold(*f.Text)))
	}
	if f.TranslatedInto != nil {
		where = append(where, note.HasTranslationsWith(
			translation.Language(*f.TranslatedInto), translation.StateEQ(Ready)))
	}
	return where
}

func (o Order) page() (page.Order[*gen.Note], error) {
	p := page.Order[*gen.Note]{Name: string(o.Field), Descending: o.Descending}
	switch o.Field {
	case OrderCreated:
		p.Column = note.FieldCreatedAt
		p.Key = func(n *gen.Note) (any, string) { return n.CreatedAt, n.ID }
	case OrderUpdated:
		p.Column = note.FieldUpdatedAt
		p.Key = func(n *gen.Note) (any, string) { return n.UpdatedAt, n.ID }
	case OrderTitle:
		p.Column = note.FieldTitleKey
		p.Key = func(n *gen.Note) (any, string) { return n.TitleKey, n.ID }
	default:
		return p, apperr.Argument("orderBy", "Notes can't be sorted by %q.", o.Field)
	}
	return p, nil
}

// Stats counts the viewer's own notes and translations, for an admin
// everybody's: one GROUP BY for each breakdown.
func (s *Service) Stats(ctx context.Context) (*Stats, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	st := &Stats{}
	where, args := " WHERE owner_id = ?", []any{viewer.ID}
	if viewer.Admin() {
		where, args = "", nil
	}
	err = s.group(ctx, "notes", "language", where, args, func(word string, n int) {
		st.Total += n
		st.ByLanguage = append(st.ByLanguage, &LanguageCount{word, n})
	})
	if err != nil {
		return nil, err
	}
	if err := s.group(ctx, "translations", "language", where, args, func(word string, n int) {
		st.ByTarget = append(st.ByTarget, &LanguageCount{word, n})
	}); err != nil {
		return nil, err
	}
	return st, s.group(ctx, "translations", "state", where, args, func(word string, n int) {
		st.ByState = append(st.ByState, &StateCount{translation.State(word), n})
	})
}

func (s *Service) group(ctx context.Context, table, column, where string, args []any, add func(string, int)) error {
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var word string
		var n int
		if err := rows.Scan(&word, &n); err != nil {
			return err
		}
		add(word, n)
		return nil
	}, "SELECT "+column+", COUNT(*) FROM "+table+where+" GROUP BY "+column+" ORDER BY COUNT(*) DESC, "+column, args...)
	if err != nil {
		return fmt.Errorf("count %s by %s: %w", table, column, err)
	}
	return nil
}

// Invalidate keeps what the cache holds from being older than an event; the
// relay calls it before it publishes the event.
func (s *Service) Invalidate(ctx context.Context, e jobspec.Event) error {
	if s.cache == nil {
		return nil
	}
	switch e.Type {
	case event.TypeNoteChanged:
		return s.cache.Invalidate(ctx, cacheKey(e.Object), e.Version)
	case event.TypeTranslationChanged:
		return s.cache.Invalidate(ctx, cacheKey(e.Parent), e.Version)
	}
	return nil
}
