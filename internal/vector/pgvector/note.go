package pgvector

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Note gives what SetNote kept; "" when that was nothing, or when there is no such index
// any more.
func (x *Index) Note(ctx context.Context) (note string, err error) {
	if err := x.cfg.DB.QueryRowContext(ctx, noteOf, x.table).Scan(&note); err != nil {
		return "", fmt.Errorf("read the note of the index %s: %w", x.cfg.Name, err)
	}
	return note, nil
}

// SetNote keeps a few words with the index, for example up to when it is right. They are
// the comment of its table.
func (x *Index) SetNote(ctx context.Context, note string) error {
	if !text(note) {
		return invalidf("the note %q is not text", note)
	}
	// No arguments are taken here.
	quoted := "E'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(note) + "'"
	if _, err := x.cfg.DB.ExecContext(ctx, "COMMENT ON TABLE "+x.table+" IS "+quoted); err != nil {
		return fmt.Errorf("keep a note with the index %s: %w", x.cfg.Name, err)
	}
	return nil
}

// Notes gives the notes of all indexes of a database by the indexes' names.
func Notes(ctx context.Context, db *sql.DB) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, notes)
	if err != nil {
		return nil, fmt.Errorf("list the indexes: %w", err)
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var name, note string
		if err := rows.Scan(&name, &note); err != nil {
			return nil, fmt.Errorf("list the indexes: %w", err)
		}
		all[name] = note
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the indexes: %w", err)
	}
	return all, nil
}
