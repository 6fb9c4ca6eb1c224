package practice

import "strings"

// join gives a join with the one row of a table that meets the condition. To
// Postgres it says that this row must be looked for once for each row of the
// left: a plan made while the tables were small, and kept, reads the whole table
// instead.
func (s *Service) join(table, on string) string {
	if s.store.Postgres() {
		return "CROSS JOIN LATERAL " + one(table, on)
	}
	return "JOIN " + table + " ON " + on
}

// leftJoin is join that keeps the rows of the left that find none.
func (s *Service) leftJoin(table, on string) string {
	if s.store.Postgres() {
		return "LEFT JOIN LATERAL " + one(table, on) + " ON true"
	}
	return "LEFT JOIN " + table + " ON " + on
}

func one(table, on string) string {
	_, alias, _ := strings.Cut(table, " ")
	return "(SELECT * FROM " + table + " WHERE " + on + " LIMIT 1) " + alias
}
