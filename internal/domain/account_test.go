package domain_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/domain"
)

// diary is domains that write down what they are asked.
type diary struct {
	t     *testing.T
	asked []string
	// fails are the calls that fail, each once.
	fails map[string]error
}

func (d *diary) ask(ctx context.Context, call, account string) error {
	d.t.Helper()
	require.Equal(d.t, "user_a", account)
	v, _ := auth.From(ctx)
	require.Equal(d.t, call != "seed notes", v.System())
	d.asked = append(d.asked, call)
	err := d.fails[call]
	delete(d.fails, call)
	return err
}

func (d *diary) keeps(name string) domain.Domain {
	return domain.Domain{Name: name, Account: domain.Account{
		Delete: func(ctx context.Context, account string) error { return d.ask(ctx, "delete "+name, account) },
		Export: func(ctx context.Context, account string, write domain.Write) error {
			return errors.Join(d.ask(ctx, "export "+name, account), write(name, account))
		},
	}}
}

func (d *diary) set() *domain.Set {
	d.t.Helper()
	users := d.keeps("users")
	users.Account.Close = func(ctx context.Context, account string) error { return d.ask(ctx, "close users", account) }
	notes := d.keeps("notes")
	notes.Seed = func(ctx context.Context, account string) error { return d.ask(ctx, "seed notes", account) }
	s, err := domain.NewSet(domain.Domain{Name: "nothing"}, users, notes, d.keeps("talks"))
	require.NoError(d.t, err)
	return s
}

func TestAnAccountIsClosedSweptTwiceAndGoesLast(t *testing.T) {
	t.Parallel()
	d := &diary{t: t}
	require.NoError(t, d.set().DeleteAccount(t.Context(), "user_a"))
	require.Equal(t, []string{"close users", "delete notes", "delete talks", "delete notes", "delete talks", "delete users"}, d.asked)
}

func TestAnAccountStaysUntilEverythingOfItIsDeleted(t *testing.T) {
	t.Parallel()
	d := &diary{t: t, fails: map[string]error{"delete talks": errors.New("full")}}
	s := d.set()
	require.ErrorContains(t, s.DeleteAccount(t.Context(), "user_a"), "domain talks: full")
	require.NotContains(t, d.asked, "delete users")
	require.NoError(t, s.DeleteAccount(t.Context(), "user_a"))
	require.Contains(t, d.asked, "delete users")
}

func TestNothingOfAnUnknownAccountIsDeleted(t *testing.T) {
	t.Parallel()
	d := &diary{t: t, fails: map[string]error{"close users": apperr.NotFoundf("There is no such user.")}}
	require.True(t, apperr.Is(d.set().DeleteAccount(t.Context(), "user_a"), apperr.NotFound))
	require.Equal(t, []string{"close users"}, d.asked)
}

func TestAnExportBeginsWithTheAccount(t *testing.T) {
	t.Parallel()
	d := &diary{t: t}
	var kinds []string
	require.NoError(t, d.set().ExportAccount(t.Context(), "user_a", func(kind string, _ any) error {
		kinds = append(kinds, kind)
		return nil
	}))
	require.Equal(t, []string{"users", "notes", "talks"}, kinds)
	closed := errors.New("closed")
	require.ErrorIs(t, d.set().ExportAccount(t.Context(), "user_a", func(string, any) error { return closed }), closed)
}

func TestSeedingIsInTheNameOfTheAccount(t *testing.T) {
	t.Parallel()
	d := &diary{t: t}
	s := d.set()
	require.NoError(t, s.Seed(t.Context(), "user_a"))
	require.Equal(t, []string{"seed notes"}, d.asked)
	d.fails = map[string]error{"seed notes": errors.New("full")}
	require.ErrorContains(t, s.Seed(t.Context(), "user_a"), "domain notes: full")
}

func TestADomainThatSaysHalfOfWhatItDoesWithAnAccountIsRefused(t *testing.T) {
	t.Parallel()
	whole := (&diary{t: t}).keeps("notes")
	for _, cut := range []func(*domain.Account){
		func(a *domain.Account) { a.Delete = nil },
		func(a *domain.Account) { a.Export = nil },
		func(a *domain.Account) {
			*a = domain.Account{Close: func(context.Context, string) error { return nil }}
		},
	} {
		d := whole
		cut(&d.Account)
		_, err := domain.NewSet(d)
		require.ErrorContains(t, err, "domain notes: it ")
	}
}
