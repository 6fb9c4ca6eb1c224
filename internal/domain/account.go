package domain

import (
	"context"
	"errors"

	"parley/internal/auth"
)

// Account is what a domain does with what it keeps of an account. One that keeps
// nothing says neither Delete nor Export.
type Account struct {
	// Delete deletes what the domain keeps of the account, in transactions of
	// bounded size. It is called more than once: after it failed, and again for what
	// a call that was under way wrote meanwhile. An account of which nothing is there
	// any more is no error. The context is the system's.
	Delete func(ctx context.Context, account string) error
	// Export writes what the domain keeps of the account, row by row and without
	// ever holding all of it: never a secret, nor the hash of one. The context is the
	// system's.
	Export func(ctx context.Context, account string, write Write) error
	// Close is said by the domain that holds accounts themselves: it ends whatever
	// acts for the account, before anything is deleted. It is NOT_FOUND without such
	// an account. The Delete of that domain comes last, so that as long as something
	// may be there the account is, and its deletion can be asked for again.
	Close func(ctx context.Context, account string) error
}

// Write takes a row of an export. kind is the name of its type in the schema, where
// it has one; row becomes a JSON object.
type Write func(kind string, row any) error

func (a Account) check() error {
	switch {
	case (a.Delete == nil) != (a.Export == nil):
		return errors.New("it deletes what it keeps of an account or exports it, but not both")
	case a.Close != nil && a.Delete == nil:
		return errors.New("it closes accounts and does not delete them")
	}
	return nil
}

// DeleteAccount deletes what is kept of an account, in many transactions. It is
// NOT_FOUND when there is no such account. After another error a part is deleted,
// and calling again goes on.
func (s *Set) DeleteAccount(ctx context.Context, account string) error {
	ctx = auth.System(ctx, "domain.deleteAccount")
	var holders []Domain
	for _, d := range s.domains {
		if d.Account.Close == nil {
			continue
		}
		if err := d.Account.Close(ctx, account); err != nil {
			return of(d, err)
		}
		holders = append(holders, d)
	}
	// The first sweep waits for nobody: a call that was let in before the account
	// was closed may still commit what it wrote.
	for range 2 {
		for _, d := range s.domains {
			if d.Account.Delete == nil || d.Account.Close != nil {
				continue
			}
			if err := d.Account.Delete(ctx, account); err != nil {
				return of(d, err)
			}
		}
	}
	for _, d := range holders {
		if err := d.Account.Delete(ctx, account); err != nil {
			return of(d, err)
		}
	}
	return nil
}

// ExportAccount writes what is kept of an account, that which the account itself
// is first. It is NOT_FOUND when there is no such account.
func (s *Set) ExportAccount(ctx context.Context, account string, write Write) error {
	ctx = auth.System(ctx, "domain.exportAccount")
	for _, holds := range []bool{true, false} {
		for _, d := range s.domains {
			if d.Account.Export == nil || (d.Account.Close != nil) != holds {
				continue
			}
			if err := d.Account.Export(ctx, account, write); err != nil {
				return of(d, err)
			}
		}
	}
	return nil
}

// Seed gives an account something to look at, of every domain that has it.
func (s *Set) Seed(ctx context.Context, account string) error {
	// As a person, whatever the account's role: a machine has no data of its own.
	ctx = auth.With(ctx, auth.Viewer{ID: account, Role: auth.RoleUser})
	for _, d := range s.domains {
		if d.Seed == nil {
			continue
		}
		if err := d.Seed(ctx, account); err != nil {
			return of(d, err)
		}
	}
	return nil
}
