package app

import (
	"fmt"

	"parley/internal/domain"
	"parley/internal/idempotency"
)

// announce joins what the domains of the process say of themselves, for the
// rooms that carry it.
func (p *parts) announce() (err error) {
	p.domains, err = domain.NewSet(
		domain.Jobs(p.jobs), p.accounts.Domain(), p.notes.Domain(), p.practice.Domain(), p.dialogs.Domain(), p.audits.Domain(), p.readers.Domain(), idempotency.New(p.store, p.log).Domain(),
	)
	if err != nil {
		return fmt.Errorf("what the domains announce does not fit together: %w", err)
	}
	p.log.Announce(p.domains.Types())
	for _, k := range p.domains.Kinds() {
		p.jobs.Register(k)
	}
	return nil
}
