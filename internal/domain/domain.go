// Package domain holds what a domain announces: one value in which it says
// everything about itself to the rooms that carry jobs, events and objects.
// These read the values and name no domain.
package domain

import (
	"context"

	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/object"
)

// Domain is what one domain says of itself. Everything but Name may be left out.
type Domain struct {
	// Name is for errors at the start and for logs.
	Name string
	// Kinds are its kinds of job.
	Kinds []job.Kind
	// Topics and Types are those of its events, Objects what its ids lead to.
	Topics  []event.Topic
	Types   []event.Type
	Objects []object.Kind
	// Operations are those of the schema's root fields that are its own, such as
	// "Query.notes", and who may use each.
	Operations map[string]auth.Access
	// Counters are shown at /metrics.
	Counters []Counter
	// Waiting is how many items wait for its group commits and shared reads.
	Waiting func() int
	// Expire deletes what is kept for a time only. It is called every hour in the
	// process that leads.
	Expire func(ctx context.Context) error
	// Account is what the deletion and the export of an account mean here.
	Account Account
	// Seed gives an account, in whose name it is called, something to look at. What
	// is there already it makes no second time.
	Seed func(ctx context.Context, account string) error
}

// Counter is a number that only grows while the process lives.
type Counter struct {
	// Name begins with parley_ and ends with _total.
	Name, Help string
	Value      func() int64
}
