package app

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// table holds the rows of a table, each as the text of its columns.
type table []map[string]string

// database reads every table that there is.
func database(t *testing.T, p *parts) map[string]table {
	t.Helper()
	list := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
	if p.store.Postgres() {
		list = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
	}
	var names []string
	require.NoError(t, p.store.Query(t.Context(), func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	}, list))
	tables := map[string]table{}
	for _, name := range names {
		tables[name] = nil
		require.NoError(t, p.store.Query(t.Context(), func(rows *sql.Rows) error {
			row, err := texts(rows)
			tables[name] = append(tables[name], row)
			return err
		}, "SELECT * FROM "+name+" ORDER BY 1"))
	}
	return tables
}

// texts gives the columns of a row, whatever their types.
func texts(rows *sql.Rows) (map[string]string, error) {
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, err
	}
	row := map[string]string{}
	for i, v := range values {
		if data, ok := v.([]byte); ok {
			v = string(data)
		}
		row[columns[i]] = fmt.Sprint(v)
	}
	return row, nil
}

// holding names the columns in which a word stands.
func holding(tables map[string]table, words ...string) map[string]bool {
	found := map[string]bool{}
	for name, rows := range tables {
		for _, row := range rows {
			for column, value := range row {
				for _, w := range words {
					if strings.Contains(strings.ToLower(value), strings.ToLower(w)) {
						found[name+"."+column] = true
					}
				}
			}
		}
	}
	return found
}

// remains are the columns in which an account that was deleted may still stand, by
// its ids alone, and why.
var remains = map[string]string{
	"dialog_tombstones.owner_id": "the numbers of its dialogs can't be used again",
	"consent_changes.owner_id":   "what customers said to dialogs is kept, by numbers",
	"consent_changes.actor_id":   "and who wrote it down",
	"consent_changes.key_id":     "with which key",
	"audit_entries.reader_id":    "who read which dialogs is kept for their customers",
	"audit_entries.key_id":       "with which key",
	"events.audience":            "events are trimmed after a while; they tell processes of the deletion",
	"events.object_id":           "as above",
}

// impersonal are the tables that hold nothing of anybody, and why.
var impersonal = map[string]string{
	"attempts":             "when a worker tried, and how that ended",
	"outbox":               "ids of runs",
	"search_queries":       "what is searched for, by nobody in particular",
	"query_scores":         "how many voted what",
	"search_hours":         "how many searched in an hour",
	"sticker_hours":        "how often stickers were chosen in an hour",
	"event_log":            "how far events are trimmed",
	"worker_announcements": "what workers can do",
	"sticker_sets":         "how much of the stickers that ship with parley was added",
	"search_indexes":       "which models the vectors are of",
	"embeddings":           "vectors by the ids of objects, with which they are deleted",
	"loose_objects":        "names of bytes that perhaps no picture has",
	"schema_migrations":    "which migrations were applied",
}
