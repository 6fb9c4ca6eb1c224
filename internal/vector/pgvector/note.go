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

// Names gives the names of the indexes of a database, in their order.
func Names(ctx context.Context, db *sql.DB) (names []string, err error) {
	rows, err := db.QueryContext(ctx, tables)
	if err != nil {
		return nil, fmt.Errorf("list the indexes: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			return nil, fmt.Errorf("list the indexes: %w", err)
		}
		names = append(names, one)
	}
	return names, rows.Err()
}
