package resume

import (
	"parley/internal/auth"
	"parley/internal/domain"
)

// Domain announces the positions of readers, and the reading of events.
func (b *Book) Domain() domain.Domain {
	return domain.Domain{
		Name: "resume", Waiting: b.Waiting, Expire: b.Expire,
		Account: domain.Account{Delete: b.deleteAccount, Export: b.exportAccount},
		Operations: map[string]auth.Access{
			"Query.eventsSince": auth.SignedIn, "Mutation.ackEvents": auth.SignedIn, "Subscription.events": auth.SignedIn,
		},
	}
}
