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
	p.domains, err = domain.NewSet(p.announced()...)
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

func (p *parts) announced() []domain.Domain {
	return []domain.Domain{
		domain.Jobs(p.jobs), p.accounts.Domain(), p.notes.Domain(), p.practice.Domain(), p.dialogs.Domain(), p.audits.Domain(), p.catalog.Domain(), p.media.Domain(), p.stickers.Domain(), p.content.Domain(), p.feedback.Domain(), p.search.Domain(), p.readers.Domain(), p.indexing.Domain(), p.feed.Domain(),
		p.idempotency(),
		{Name: "object", Operations: map[string]auth.Access{"Query.node": auth.SignedIn, "Query.nodes": auth.SignedIn}},
	}
}

// idempotency announces the keys of calls: a foundation, which can't name what it
// is announced with.
func (p *parts) idempotency() domain.Domain {
	keys := idempotency.New(p.store, p.log)
	return domain.Domain{
		Name: "idempotency",
		Expire: func(ctx context.Context) error {
			_, err := keys.Forget(ctx)
			return err
		},
		Account: domain.Account{
			Delete: keys.EraseOwner,
			// Hashes, and ids of what is exported by itself.
			Export: func(context.Context, string, domain.Write) error { return nil },
		},
	}
}
