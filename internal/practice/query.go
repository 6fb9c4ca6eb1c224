package practice

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"parley/ent/gen"
	"parley/internal/auth"
	"parley/internal/store"
)

// maxErrorsShown is how many errors of one utterance are shown.
const maxErrorsShown = 1000

// whose gives a condition that user_id is the learner whom the caller names, and
// its arguments.
func (c caller) whose(externalID *string) (condition string, args []any) {
	if c.owner == "" {
		return "user_id = ?", []any{c.user}
	}
	return "user_id = (SELECT id FROM external_users WHERE owner_id = ? AND external_id = ?)", []any{c.owner, *externalID}
}

// most gives the most frequent kinds of error.
func (s *Service) most(ctx context.Context, who caller, externalID *string, top int) ([]*Frequency, error) {
	if s.store.Postgres() {
		w := wanted{learner: who.user, owner: who.owner, top: top}
		if externalID != nil {
			w.name = *externalID
		}
		return s.exercises.Do(ctx, w)
	}
	where, args := who.whose(externalID)
	return s.frequencies(ctx, "SELECT category, subcategory, frequency, last_at FROM error_frequencies WHERE "+where+
		" ORDER BY frequency DESC, pair"+limit(top), args)
}

// wanted is one exercise to read: of a learner, or of the one whom the owner
// knows by a name.
type wanted struct {
	learner, owner, name string
	top                  int
}

// mostOfMany gives what most would give for each, on Postgres, where the way to the
// database and back costs more than the reading.
func (s *Service) mostOfMany(ctx context.Context, many []wanted) ([][]*Frequency, error) {
	learners, owners, names := make([]string, len(many)), make([]string, len(many)), make([]string, len(many))
	top := 0
	for i, w := range many {
		learners[i], owners[i], names[i] = w.learner, w.owner, w.name
		top = max(top, w.top)
	}
	lists := make([][]*Frequency, len(many))
	for i := range lists {
		lists[i] = []*Frequency{}
	}
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var f Frequency
		var n int
		if err := rows.Scan(&n, &f.Category, &f.Subcategory, &f.Frequency, &f.LastAt); err != nil {
			return err
		}
		if f.LastAt = f.LastAt.UTC(); len(lists[n-1]) < many[n-1].top {
			lists[n-1] = append(lists[n-1], &f)
		}
		return nil
	}, `SELECT w.n, f.category, f.subcategory, f.frequency, f.last_at
		FROM unnest(?::text[], ?::text[], ?::text[]) WITH ORDINALITY AS w (learner, owner, name, n)
		CROSS JOIN LATERAL (SELECT category, subcategory, frequency, last_at, pair FROM error_frequencies
			WHERE user_id = CASE WHEN w.owner = '' THEN w.learner
				ELSE (SELECT id FROM external_users WHERE owner_id = w.owner AND external_id = w.name) END
			ORDER BY frequency DESC, pair`+limit(top)+`) AS f
		ORDER BY w.n, f.frequency DESC, f.pair`, learners, owners, names)
	if err != nil {
		return nil, fmt.Errorf("read error frequencies: %w", err)
	}
	return lists, nil
}

// mostSince counts the errors that were recorded since then.
func (s *Service) mostSince(ctx context.Context, who caller, externalID *string, top int, since time.Time) ([]*Frequency, error) {
	where, args := who.whose(externalID)
	collate := ""
	if s.store.Postgres() {
		collate = ` COLLATE "C"` // by bytes, as SQLite's texts are
	}
	return s.frequencies(ctx, "SELECT category, subcategory, COUNT(*), MAX(created_at) FROM learner_errors WHERE "+where+
		" AND created_at >= ? GROUP BY category, subcategory ORDER BY COUNT(*) DESC, category"+collate+", subcategory"+collate+limit(top),
		append(args, since.UTC()))
}

// limit is part of the words of a statement. For one whose limit is an argument
// Postgres makes a new plan at each call, which takes twice as long as the rest.
func limit(top int) string { return " LIMIT " + strconv.Itoa(top) }

func (s *Service) frequencies(ctx context.Context, query string, args []any) ([]*Frequency, error) {
	list := []*Frequency{}
	err := s.store.Query(ctx, func(rows *sql.Rows) error {
		var f Frequency
		if err := rows.Scan(&f.Category, &f.Subcategory, &f.Frequency, (*moment)(&f.LastAt)); err != nil {
			return err
		}
		list = append(list, &f)
		return nil
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read error frequencies: %w", err)
	}
	return list, nil
}

// moment reads a time that SQLite gives as a text, since the type of a column
// is lost in an aggregate.
type moment time.Time

// Scan reads a time of either database.
func (m *moment) Scan(value any) error {
	switch v := value.(type) {
	case time.Time:
		*m = moment(v.UTC())
		return nil
	case string:
		t, err := time.Parse("2006-01-02 15:04:05.999999999-07:00", v)
		*m = moment(t.UTC())
		return err
	}
	return fmt.Errorf("%T is no time", value)
}

// learnerOf gives the learner of a row if they are one of the owner's, or "".
func (s *Service) learnerOf(ctx context.Context, owner, table, id string) (learner string, err error) {
	err = s.store.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&learner) },
		"SELECT t.user_id FROM "+table+" t JOIN external_users x ON x.id = t.user_id WHERE t.id = ? AND x.owner_id = ?", id, owner)
	if err != nil {
		return "", fmt.Errorf("look for the learner of a row: %w", err)
	}
	return learner, nil
}

// Errors gives the errors of utterances that the viewer was given, by
// utterance, in the order of their recording and at most 1000 of each.
func (s *Service) Errors(ctx context.Context, utterances []string) (map[string][]*gen.LearnerError, error) {
	who, err := callerOf(ctx, auth.ScopePracticeRead)
	if err != nil {
		return nil, err
	}
	in, list := store.Among(s.store, "utterance_id", utterances)
	args := []any{list}
	switch {
	case who.owner != "":
		in += " AND user_id IN (SELECT id FROM external_users WHERE owner_id = ?)"
		args = append(args, who.owner)
	case !who.admin:
		in += " AND user_id = ?"
		args = append(args, who.user)
	}
	const columns = "id, created_at, user_id, utterance_id, client_key, ordinal, category, subcategory, start_offset, end_offset, source"
	byUtterance := make(map[string][]*gen.LearnerError, len(utterances))
	err = s.store.Query(ctx, func(rows *sql.Rows) error {
		var e gen.LearnerError
		err := rows.Scan(&e.ID, &e.CreatedAt, &e.UserID, &e.UtteranceID, &e.ClientKey, &e.Ordinal, &e.Category, &e.Subcategory,
			&e.StartOffset, &e.EndOffset, (*string)(&e.Source))
		if err != nil {
			return err
		}
		e.CreatedAt = e.CreatedAt.UTC()
		byUtterance[e.UtteranceID] = append(byUtterance[e.UtteranceID], &e)
		return nil
	}, "SELECT "+columns+" FROM (SELECT "+columns+", ROW_NUMBER() OVER (PARTITION BY utterance_id ORDER BY created_at, id) AS place"+
		" FROM learner_errors WHERE "+in+") numbered WHERE place <= ? ORDER BY utterance_id, place", append(args, maxErrorsShown)...)
	if err != nil {
		return nil, fmt.Errorf("read errors of utterances: %w", err)
	}
	return byUtterance, nil
}
