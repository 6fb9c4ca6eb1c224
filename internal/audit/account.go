package audit

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/auditentry"
	"parley/internal/domain"
	"parley/internal/page"
)

// deleteAccount deletes nothing: who read which dialogs is kept for the customers,
// and for as long as the log keeps it, whatever became of the reader. Entries hold
// ids and numbers only.
func (l *Log) deleteAccount(context.Context, string) error { return nil }

// exportStep is how many entries, of at most 8 kB, are read at a time.
const exportStep = 500

type exportedEntry struct {
	ID        string    `json:"id"`
	At        time.Time `json:"at"`
	KeyID     *string   `json:"keyId,omitempty"`
	Action    Action    `json:"action"`
	DialogIDs []string  `json:"dialogIds"`
}

// exportAccount writes what the account itself read.
func (l *Log) exportAccount(ctx context.Context, account string, write domain.Write) error {
	err := page.All(exportStep,
		func(after string, limit int) ([]*Entry, error) {
			rows, err := l.store.Client(ctx).AuditEntry.Query().Where(auditentry.ReaderID(account), auditentry.IDGT(after)).
				Order(gen.Asc(auditentry.FieldID)).Limit(limit).All(ctx)
			if err != nil {
				return nil, err
			}
			return entries(rows)
		},
		func(e *Entry) string { return e.ID },
		func(e *Entry) error {
			row := exportedEntry{e.ID, e.At, e.KeyID, e.Action, make([]string, len(e.DialogIDs))}
			for i, n := range e.DialogIDs {
				row.DialogIDs[i] = strconv.FormatInt(n, 10)
			}
			return write("AuditEntry", row)
		})
	if err != nil {
		return fmt.Errorf("export the audit log: %w", err)
	}
	return nil
}
