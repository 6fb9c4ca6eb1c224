package domain

import (
	"context"

	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/job"
)

// Jobs announces jobs themselves: the engine lies below this room and can't name
// what it is announced with.
func Jobs(s *job.Service) Domain {
	return Domain{
		Name: "job", Topics: []event.Topic{s.Topic()}, Types: []event.Type{s.Changed()}, Objects: s.Objects(),
		Operations: map[string]auth.Access{
			"Query.job": auth.SignedIn, "Query.jobs": auth.SignedIn, "Mutation.cancelJob": auth.SignedIn, "Mutation.retryJob": auth.SignedIn,
			"Subscription.job": auth.People,
		},
		Counters: []Counter{
			{Name: "parley_results_stale_total", Help: "Reports of attempts that were no longer current.", Value: func() int64 { n, _, _ := s.Counts(); return n }},
			{Name: "parley_runs_rescued_total", Help: "Runs whose worker or message was lost.", Value: func() int64 { _, n, _ := s.Counts(); return n }},
			{Name: "parley_attempts_repeated_total", Help: "Attempts after a failure.", Value: func() int64 { _, _, n := s.Counts(); return n }},
		},
		Account: Account{
			Delete: s.DeleteAccount,
			Export: func(ctx context.Context, account string, write Write) error {
				return s.ExportAccount(ctx, account, write)
			},
		},
	}
}
