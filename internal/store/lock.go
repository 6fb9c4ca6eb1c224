package store

import entsql "entgo.io/ent/dialect/sql"

// ForUpdate makes an ent query lock the rows that it finds until the end of the
// transaction, where there is more than one writer.
func ForUpdate[Q interface {
	ForUpdate(opts ...entsql.LockOption) Q
}](s *Store, query Q) Q {
	if s.Postgres() {
		return query.ForUpdate()
	}
	return query
}

// ForUpdate gives the words that do so at the end of a SELECT.
func (s *Store) ForUpdate() string {
	if s.Postgres() {
		return " FOR UPDATE"
	}
	return ""
}
