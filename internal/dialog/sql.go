package dialog

// forUpdate locks the rows that a query finds, where there is more than one
// writer.
func (s *Service) forUpdate() string {
	if s.store.Postgres() {
		return " FOR UPDATE"
	}
	return ""
}
