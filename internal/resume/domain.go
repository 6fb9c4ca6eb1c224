package resume

import "parley/internal/domain"

// Domain announces the positions of readers.
func (b *Book) Domain() domain.Domain {
	return domain.Domain{Name: "resume", Waiting: b.Waiting, Expire: b.Expire}
}
