package note

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/note"
	"parley/internal/auth"
	"parley/internal/indexing"
)

// SourceNotes is the name under which the vectors of notes are kept.
const SourceNotes = "note"

// Follow has w told of every change from now on. It is called before the service is used.
func (s *Service) Follow(w indexing.Watcher) { s.watcher = w }

func (s *Service) tell(ctx context.Context, gone bool, ids ...string) error {
	if s.watcher == nil || len(ids) == 0 {
		return nil
	}
	return s.watcher(ctx, gone, ids...)
}

// Rest is how long a note is left alone until its meaning is looked at.
const Rest = 20 * time.Second

// Source gives notes to those who keep their vectors: each by its title and the beginning of
// its text, labelled with its owner, once it was not edited for so long.
func (s *Service) Source(rest time.Duration) indexing.Source {
	return indexing.Source{
		Name: SourceNotes, Sides: []indexing.Side{indexing.Words}, Rest: rest,
		Page: func(ctx context.Context, after string, limit int) ([]indexing.Item, error) {
			rows, err := s.store.Client(ctx).Note.Query().Where(note.IDGT(after)).Order(note.ByID()).Limit(limit).Select(itemFields...).All(ctx)
			if err != nil {
				return nil, fmt.Errorf("read notes: %w", err)
			}
			items := make([]indexing.Item, len(rows))
			for i, n := range rows {
				items[i] = item(n)
			}
			return items, nil
		},
		ByID: func(ctx context.Context, ids []string) (map[string]indexing.Item, error) {
			rows, err := s.store.Client(ctx).Note.Query().Where(note.IDIn(ids...)).Select(itemFields...).All(ctx)
			if err != nil {
				return nil, fmt.Errorf("read notes: %w", err)
			}
			items := make(map[string]indexing.Item, len(rows))
			for _, n := range rows {
				items[n.ID] = item(n)
			}
			return items, nil
		},
	}
}

var itemFields = []string{note.FieldID, note.FieldOwnerID, note.FieldTitle, note.FieldText, note.FieldFormat, note.FieldVersion, note.FieldUpdatedAt}

// LabelOwner is what notes of an account are found by in the index of vectors.
func LabelOwner(account string) string { return "owner:" + account }

func item(n *gen.Note) indexing.Item {
	return indexing.Item{
		ID: n.ID, Version: int64(n.Version), Edited: n.UpdatedAt, Text: n.Title + "\n" + start(n.Text, n.Format), Labels: []string{LabelOwner(n.OwnerID)},
	}
}

// start gives as much of a text without tags as a model reads of it: that is less than
// detection looks at.
func start(text string, format note.Format) string {
	if format == FormatHTML {
		return prose(text)
	}
	return strings.ToValidUTF8(text[:min(len(text), sample)], "")
}

// mostWords is how many words of a search are looked for.
const mostWords = 16

// WithWords gives the ids of notes of the viewer that have some of the words in title or
// text, those with the most of them first and then the newest.
func (s *Service) WithWords(ctx context.Context, words []string, limit int) (ids []string, err error) {
	viewer, err := auth.Require(ctx)
	if err != nil || len(words) == 0 {
		return nil, err
	}
	position := "instr"
	if s.store.Postgres() {
		position = "strpos"
	}
	var sum strings.Builder
	var args []any
	for i, w := range words[:min(len(words), mostWords)] {
		if i > 0 {
			sum.WriteString(" + ")
		}
		sum.WriteString("CASE WHEN " + position + "(search_key, ?) > 0 THEN 1 ELSE 0 END")
		args = append(args, fold(w))
	}
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, "SELECT id FROM (SELECT id, updated_at, "+sum.String()+" AS found FROM notes WHERE owner_id = ?) AS n WHERE n.found > 0 ORDER BY n.found DESC, n.updated_at DESC, id LIMIT ?",
		append(args, viewer.ID, limit)...)
	if err != nil {
		return nil, fmt.Errorf("find notes by words: %w", err)
	}
	return ids, nil
}
