package note

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/note"
	"parley/ent/gen/predicate"
	"parley/ent/gen/translation"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
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

// ByID gives those of the notes that the viewer may see, by id. One note comes
// from the cache where there is one; several are read together.
func (s *Service) ByID(ctx context.Context, ids []string) (map[string]*gen.Note, error) {
	if _, err := auth.Require(ctx); err != nil {
		return nil, err
	}
	if len(ids) == 1 {
		n, err := s.Get(ctx, ids[0])
		if apperr.Is(err, apperr.NotFound) {
			return nil, nil
		}
		return map[string]*gen.Note{ids[0]: n}, err
	}
	rows, err := s.store.Client(ctx).Note.Query().Where(note.IDIn(ids...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read notes: %w", err)
	}
	byID := make(map[string]*gen.Note, len(rows))
	for _, n := range rows {
		byID[n.ID] = n
	}
	return byID, nil
}

func (s *Service) read(ctx context.Context, id string) (*gen.Note, error) {
	if s.cache == nil {
		return s.load(ctx, id)
	}
	if data, ok, err := s.cache.Get(ctx, cacheKey(id)); err != nil {
		slog.WarnContext(ctx, "the cache does not answer", "error", err)
	} else if ok {
		var c cached
		// A version of parley before there were formats wrote notes without one.
		if err := json.Unmarshal(data, &c); err == nil && c.Note.Format != "" {
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
		Order(gen.Asc(translation.FieldLanguage), gen.Desc(translation.FieldTextVersion), gen.Asc(translation.FieldID)).Select(withoutAlternatives...).All(ctx)
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
	t, err := s.store.Client(ctx).Translation.Query().Where(translation.ID(id)).Select(withoutAlternatives...).Only(ctx)
	return t, store.Found(err, "translation")
}

// TranslationsByID gives translations that the viewer may see, by id.
func (s *Service) TranslationsByID(ctx context.Context, ids []string) (map[string]*gen.Translation, error) {
	rows, err := s.store.Client(ctx).Translation.Query().Where(translation.IDIn(ids...)).Select(withoutAlternatives...).All(ctx)
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

// revision is what a note counts: all changes of it or of its translations,
// and those of its text.
type revision struct {
	revision    int64
	textVersion int
}

// revise counts the revisions of notes up inside the transaction of the
// context, and gives them by id. Notes that are gone are left out.
func (s *Service) revise(ctx context.Context, ids []string) (map[string]revision, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	revised := make(map[string]revision, len(ids))
	for part := range slices.Chunk(ids, 500) {
		in, args := store.In(part)
		if s.store.Postgres() && len(part) > 1 {
			// In one order, so that two recorders don't lock each other out.
			if err := s.store.Query(ctx, func(*sql.Rows) error { return nil },
				"SELECT id FROM notes WHERE id IN "+in+" ORDER BY id"+s.store.ForUpdate(), args...); err != nil {
				return nil, fmt.Errorf("lock notes: %w", err)
			}
		}
		err := s.store.Query(ctx, func(rows *sql.Rows) error {
			var id string
			var r revision
			if err := rows.Scan(&id, &r.revision, &r.textVersion); err != nil {
				return err
			}
			revised[id] = r
			return nil
		}, "UPDATE notes SET revision = revision + 1 WHERE id IN "+in+" RETURNING id, revision, text_version", args...)
		if err != nil {
			return nil, fmt.Errorf("count revisions: %w", err)
		}
	}
	s.refuseOlder(ctx, revised)
	return revised, nil
}

// refuseOlder makes the cache refuse older revisions before the transaction of
// the context commits: whoever can see the new one reads no older one from the
// cache. Should the transaction fail, the note is read past the cache until
// its next change or for the time of a tombstone.
func (s *Service) refuseOlder(ctx context.Context, revised map[string]revision) {
	if s.cache == nil {
		return
	}
	// The writer holds locks: a cache that does not answer must not hold it up.
	// The relay tries again.
	ctx, cancel := context.WithTimeout(ctx, 250*time.Millisecond)
	defer cancel()
	for id, r := range revised {
		if err := s.cache.Invalidate(ctx, cacheKey(id), r.revision); err != nil {
			slog.WarnContext(ctx, "the cache does not answer", "error", err)
			return
		}
	}
}

// Invalidate keeps what the cache holds from being older than events; the
// relay calls it before it publishes them. Of several events of one note the
// last one is enough.
func (s *Service) Invalidate(ctx context.Context, events []event.Event) error {
	if s.cache == nil {
		return nil
	}
	newest := map[string]int64{}
	for _, e := range events {
		id := ""
		switch e.Type {
		case TypeNoteChanged:
			id = e.Object
		case TypeTranslationChanged:
			id = e.Parent
		default:
			continue
		}
		newest[id] = max(newest[id], e.Version)
	}
	for id, version := range newest {
		if err := s.cache.Invalidate(ctx, cacheKey(id), version); err != nil {
			return err
		}
	}
	return nil
}
