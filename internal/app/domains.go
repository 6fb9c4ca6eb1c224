package app

import (
	"context"
	"fmt"

	"parley/graph"
	"parley/graph/gen"
	"parley/internal/auth"
	"parley/internal/domain"
	"parley/internal/idempotency"
)

// announce joins what the domains of the process say of themselves, for the
// rooms that carry it.
func (p *parts) announce() (err error) {
	p.domains, err = domain.NewSet(
		domain.Jobs(p.jobs), p.accounts.Domain(), p.notes.Domain(), p.practice.Domain(), p.dialogs.Domain(), p.audits.Domain(), p.readers.Domain(),
		domain.Domain{Name: "idempotency", Expire: p.forgetKeys},
		domain.Domain{Name: "object", Operations: map[string]auth.Access{"Query.node": auth.SignedIn, "Query.nodes": auth.SignedIn}},
	)
	if err != nil {
		return fmt.Errorf("what the domains announce does not fit together: %w", err)
	}
	if err := graph.CheckOperations(gen.NewExecutableSchema(gen.Config{}).Schema(), p.domains); err != nil {
		return err
	}
	p.log.Announce(p.domains.Types())
	for _, k := range p.domains.Kinds() {
		p.jobs.Register(k)
	}
	return nil
}

func (p *parts) forgetKeys(ctx context.Context) error {
	_, err := idempotency.New(p.store, p.log).Forget(ctx)
	return err
}
