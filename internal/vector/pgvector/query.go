package pgvector

import (
	"fmt"
	"strings"
)

// What is formatted into these is the quoted name of the table.
const (
	// lockCreating is for indexes of all names, since the extension is one for all.
	// The number stands for nothing.
	lockCreating = `SELECT pg_advisory_xact_lock(7202611290320)`

	extensionVersions = `SELECT
		(SELECT extversion FROM pg_extension WHERE extname = 'vector'),
		(SELECT default_version FROM pg_available_extensions WHERE name = 'vector')`

	areThere = `SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest($1::text[]) AS name`

	dimensionOf = `SELECT atttypmod FROM pg_attribute WHERE attrelid = $1::regclass AND attname = 'unit'`

	countAll = `SELECT count(*) FROM %s`

	vectorOf = `SELECT vector_send(unit) FROM %s WHERE id = $1`

	noteOf = `SELECT coalesce(obj_description(to_regclass($1), 'pg_class'), '')`

	// notes are those of the tables in the schema where Open makes them.
	notes = `SELECT substr(relname, 9), coalesce(obj_description(oid, 'pg_class'), '') FROM pg_class
		WHERE relkind = 'r' AND relname LIKE 'vectors\_%' AND relnamespace = current_schema()::regnamespace`

	// putRows takes ids, label arrays as text, and the numbers of all vectors one
	// after the other. Rows that are as they were stay untouched, which costs
	// neither a dead row nor a new place in the graph.
	putRows = `INSERT INTO %[1]s AS t (id, labels, unit)
		SELECT r.id, r.labels::text[], (($3::real[])[(r.n::int - 1) * %[2]d + 1 : r.n::int * %[2]d])::vector
		FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS r (id, labels, n)
		ON CONFLICT (id) DO UPDATE SET labels = excluded.labels, unit = excluded.unit
		WHERE (t.labels, t.unit) IS DISTINCT FROM (excluded.labels, excluded.unit)`

	// deleteRows locks rows in the order in which putRows does, so that no two
	// calls wait for each other in a circle.
	deleteRows = `DELETE FROM %[1]s WHERE id IN (SELECT id FROM %[1]s WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE)`

	// deleteAll is no TRUNCATE, which would show an empty table to a search that waits
	// for the end of its transaction.
	deleteAll = `DELETE FROM %s`

	// graphSettings hold for a transaction. A plan made for other values may use
	// another index than the values ask for. With default settings a scan of the
	// graph ends after ef_search rows, whatever is wanted, and strict_order leaves
	// out rows that it comes upon late, where relaxed_order gives them in another
	// order. The planner prefers to read all rows from some limit on.
	graphSettings = `SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true),
		set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', $1, true),
		set_config('hnsw.max_scan_tuples', $2, true), set_config('hnsw.scan_mem_multiplier', '4', true),
		set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)`

	exactSettings = `SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true),
		set_config('enable_seqscan', 'on', true), set_config('enable_bitmapscan', 'on', true), set_config('enable_sort', 'on', true)`
)

// condition gives the words for a filter and a least distance, from $1 on behind
// so many other arguments, and their values.
type condition struct {
	words  string
	values []any
}

func (c *condition) and(words string, value any, before int) {
	joint := " AND "
	if c.words == "" {
		joint = " WHERE "
	}
	c.values = append(c.values, value)
	c.words += joint + strings.ReplaceAll(words, "$?", fmt.Sprintf("$%d", before+len(c.values)))
}

// conditionOf is a filter as it is, whose clauses all have labels. Its arguments
// follow so many others.
func conditionOf(filter [][]string, before int) condition {
	var c condition
	for _, clause := range filter {
		c.and("labels && $?::text[]", clause, before)
	}
	return c
}

func explainKept(table string, c condition) string {
	return "EXPLAIN (FORMAT JSON) SELECT FROM " + table + c.words
}

func countKept(table string, c condition) string {
	return fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s%s LIMIT $%d) AS kept", table, c.words, len(c.values)+1)
}

// nearest takes the query's numbers as $1, how many rows are wanted as $2, and a
// condition behind them. With the graph rows come nearly in order. Without it they
// come by distance and id: the + 0 keeps the planner from the graph.
func nearest(table string, c condition, graph bool) string {
	distance, order := "unit <#> $1::real[]::vector", "distance"
	if !graph {
		distance, order = "("+distance+") + 0", "distance, id"
	}
	return fmt.Sprintf(`SELECT id, vector_send(unit), distance FROM
		(SELECT id, unit, %s AS distance FROM %s%s ORDER BY %s LIMIT $2) AS nearest`, distance, table, c.words, order)
}
