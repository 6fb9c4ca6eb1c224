package account_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/account"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/cache"
	"parley/internal/event"
	"parley/internal/store"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

const password = "correct horse"

// world is a service on a database of the test's own.
type world struct {
	*account.Service
	t      testing.TB
	store  *store.Store
	tokens *auth.Tokens
	log    *event.Log
}

func newWorld(t testing.TB, s *store.Store, counters cache.Cache, cfg account.Config) world {
	t.Helper()
	log, err := event.Open(t.Context(), s)
	require.NoError(t, err)
	tokens, err := auth.NewTokens([]byte(strings.Repeat("k", auth.MinKeyBytes)), time.Hour)
	require.NoError(t, err)
	if counters == nil {
		counters = cache.NewMemory(1 << 20)
	}
	service, err := account.New(t.Context(), s, log, tokens, counters, cfg)
	require.NoError(t, err)
	return world{service, t, s, tokens, log}
}

// worlds runs test on both databases.
func worlds(t *testing.T, cfg account.Config, test func(t *testing.T, w world)) {
	t.Helper()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) { test(t, newWorld(t, s, nil, cfg)) })
}

func (w world) signUp(email string) *account.Session {
	w.t.Helper()
	s, err := w.SignUp(w.t.Context(), account.SignUpInput{Email: email, Password: password})
	require.NoError(w.t, err)
	return s
}

func (w world) try(email, password, address string) error {
	_, err := w.SignIn(w.t.Context(), account.SignInInput{Email: email, Password: password}, address)
	return err
}

func (w world) refresh(token string) (*account.Session, error) {
	return w.Refresh(w.t.Context(), account.RefreshInput{RefreshToken: token})
}

// as gives a context in which the owner of a session asks.
func (w world) as(s *account.Session) context.Context {
	w.t.Helper()
	v, _, err := w.tokens.Verify(s.AccessToken)
	require.NoError(w.t, err)
	return auth.With(w.t.Context(), v)
}

func (w world) want(err error, code apperr.Code, words string) {
	w.t.Helper()
	assert.True(w.t, apperr.Is(err, code), "got %v; want %s with %q", err, code, words)
	assert.ErrorContains(w.t, err, words, "got %v; want %s with %q", err, code, words)
}

func TestSignUpMakesAUserAndASession(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		s := w.signUp("Ada@Example.org")
		assert.Equal(t, "Ada@Example.org", s.User.Email, "the user is %v", s.User)
		assert.EqualValues(t, "USER", s.User.Role, "the user is %v", s.User)
		assert.NoError(t, store.CheckID("user", s.User.ID), "the user is %v", s.User)
		v, until, err := w.tokens.Verify(s.AccessToken)
		require.NoError(t, err, "the token gives %+v until %v", v, until)
		assert.True(t, v.ID == s.User.ID && v.Role == auth.RoleUser && store.CheckID("sess", v.Session) == nil && until.Equal(s.ExpiresAt),
			"the token gives %+v until %v", v, until)
		_, err = event.ParseCursor(s.Cursor.String())
		assert.NoError(t, err)
		u, err := w.Viewer(w.as(s))
		require.NoError(t, err, "viewer")
		assert.Equal(t, s.User.ID, u.ID, "viewer is %v", u)
		got, err := w.Get(w.as(s), s.User.ID)
		require.NoError(t, err)
		assert.Equal(t, u.ID, got.ID, "got %v", got)
		other := w.signUp("other@example.org")
		_, err = w.Get(w.as(other), s.User.ID)
		w.want(err, apperr.NotFound, "no such user")
		_, err = w.Get(w.as(other), "user_nonsense")
		w.want(err, apperr.BadInput, "is not an id")
		assert.NotContains(t, u.String(), u.PasswordHash, "the password's hash shows where a user is printed")
	})
}

func TestASecondAccountWithTheAddressIsAConflict(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		w.signUp("Ada@Example.org")
		for _, email := range []string{"Ada@Example.org", "ada@example.org", "ADA@EXAMPLE.ORG", "ａda@example.org"} {
			_, err := w.SignUp(t.Context(), account.SignUpInput{Email: email, Password: password})
			w.want(err, apperr.Conflict, "already")
			e := apperr.List(err)
			assert.True(t, len(e) == 1 && strings.Join(e[0].Path, ".") == "input.email", "%s: the path is %v", email, e)
		}
		for _, email := range []string{"ada@example.org", " ADA@example.org "} {
			assert.NoError(t, w.try(email, password, "1.2.3.4"), "signing in as %q", email)
		}
	})
}

func TestOfManyConcurrentSignUpsOneWins(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		const many = 6
		errs := make(chan error, many)
		for range many {
			go func() {
				_, err := w.SignUp(t.Context(), account.SignUpInput{Email: "ada@example.org", Password: password})
				errs <- err
			}()
		}
		won := 0
		for range many {
			if err := <-errs; err == nil {
				won++
			} else {
				w.want(err, apperr.Conflict, "already")
			}
		}
		assert.Equal(t, 1, won, "%d won", won)
	})
}

func TestBadSignUpsNameEveryWrongField(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, dbtest.SQLite(t)), nil, account.Config{})
	for _, email := range []string{
		"", "ada", "@example.org", "ada@", "ada@nodot", "Ada <ada@example.org>", "ada@example.org, bob@example.org", "ada@@example.org",
		"a b@example.org", "ada@example.org\n", "ada\x00@example.org", "ada@exa\xffmple.org", "ada@.", "ada@..",
		strings.Repeat("a", 250) + "@example.org", strings.Repeat("ﷺ", 20) + "@example.org",
	} {
		_, err := w.SignUp(t.Context(), account.SignUpInput{Email: email, Password: "short"})
		all := apperr.List(err)
		assert.True(t, len(all) == 2 && all[0].Path[1] == "email" && all[1].Path[1] == "password", "%.40q: got %v", email, err)
	}
	for _, password := range []string{"", "seven77", strings.Repeat("x", 257), "éééé"} {
		_, err := w.SignUp(t.Context(), account.SignUpInput{Email: "ada@localhost", Password: password})
		w.want(err, apperr.BadInput, "at least 8 characters")
	}
}

func TestCreateMakesAnAccountWithARole(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		u, err := w.Create(t.Context(), account.SignUpInput{Email: "root@example.org", Password: password}, auth.RoleAdmin)
		require.NoError(t, err)
		require.EqualValues(t, "ADMIN", u.Role, "%v", u)
		s, err := w.SignIn(t.Context(), account.SignInInput{Email: "root@example.org", Password: password}, "")
		require.NoError(t, err)
		v, _ := auth.From(w.as(s))
		assert.True(t, v.Admin(), "the token gives %+v", v)
		_, err = w.Get(w.as(s), w.signUp("user@example.org").User.ID)
		assert.NoError(t, err, "an admin sees a user")
		_, err = w.Create(t.Context(), account.SignUpInput{Email: "x@example.org", Password: password}, "ROOT")
		w.want(err, apperr.BadInput, "USER")
	})
}

func TestEverySignInIsASessionOfItsOwn(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		first := w.signUp("ada@example.org")
		second, err := w.SignIn(t.Context(), account.SignInInput{Email: "ada@example.org", Password: password}, "")
		require.NoError(t, err)
		require.NoError(t, w.SignOut(w.as(first)))
		assert.NoError(t, w.SignOut(w.as(first)), "signing out again")
		_, err = w.refresh(first.RefreshToken)
		w.want(err, apperr.Unauthenticated, "sign in again")
		_, err = w.refresh(second.RefreshToken)
		assert.NoError(t, err, "the other session ended too")
		w.want(w.SignOut(t.Context()), apperr.Unauthenticated, "Sign in first")
	})
}

func TestADeletedAccountsViewerIsUnauthenticated(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		s := w.signUp("ada@example.org")
		ctx := auth.System(t.Context(), "test")
		require.NoError(t, w.store.Tx(ctx, func(ctx context.Context) error {
			return w.store.Client(ctx).User.DeleteOneID(s.User.ID).Exec(ctx)
		}))
		_, err := w.Viewer(w.as(s))
		w.want(err, apperr.Unauthenticated, "no longer exists")
		_, err = w.refresh(s.RefreshToken)
		w.want(err, apperr.Unauthenticated, "sign in again")
		w.want(w.try("ada@example.org", password, ""), apperr.Unauthenticated, "wrong")
		_, err = w.Viewer(t.Context())
		w.want(err, apperr.Unauthenticated, "Sign in first")
	})
}

func TestARefreshTokenIsTradedOnce(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		first := w.signUp("ada@example.org")
		second, err := w.refresh(first.RefreshToken)
		require.NoError(t, err)
		before, _ := auth.From(w.as(first))
		after, _ := auth.From(w.as(second))
		assert.True(t, after.Session == before.Session && after.ID == before.ID && second.RefreshToken != first.RefreshToken, "%+v became %+v", before, after)
		third, err := w.refresh(second.RefreshToken)
		require.NoError(t, err)
		_, err = w.refresh(first.RefreshToken) // the thief's, or the victim's
		w.want(err, apperr.Unauthenticated, "used before")
		for _, token := range []string{first.RefreshToken, second.RefreshToken, third.RefreshToken} {
			_, err := w.refresh(token)
			w.want(err, apperr.Unauthenticated, "sign in again")
		}
		for _, token := range []string{"", "prt_nonsense", first.AccessToken, "\x00", strings.Repeat("x", 1<<20)} {
			_, err := w.refresh(token)
			w.want(err, apperr.Unauthenticated, "not valid")
		}
	})
}

func TestOfConcurrentRefreshesWithOneTokenOneWinsAndTheFamilyEnds(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		const many = 8
		token := w.signUp("ada@example.org").RefreshToken
		got := make([]*account.Session, many)
		errs := make([]error, many)
		var group sync.WaitGroup
		for i := range many {
			group.Add(1)
			go func() {
				defer group.Done()
				got[i], errs[i] = w.refresh(token)
			}()
		}
		group.Wait()
		var won *account.Session
		for i, err := range errs {
			if err != nil {
				w.want(err, apperr.Unauthenticated, "sign in again")
				continue
			}
			assert.Nil(t, won, "two won")
			won = got[i]
		}
		require.NotNil(t, won, "none won")
		_, err := w.refresh(won.RefreshToken)
		w.want(err, apperr.Unauthenticated, "sign in again")
	})
}

func TestARefreshGivesTheRoleOfNow(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		s := w.signUp("ada@example.org")
		ctx := auth.System(t.Context(), "test")
		require.NoError(t, w.store.Tx(ctx, func(ctx context.Context) error {
			return w.store.Client(ctx).User.UpdateOneID(s.User.ID).SetRole("ANALYST").Exec(ctx)
		}))
		s, err := w.refresh(s.RefreshToken)
		require.NoError(t, err)
		v, _ := auth.From(w.as(s))
		assert.Equal(t, auth.RoleAnalyst, v.Role, "the role")
	})
}

func TestExpiredRefreshTokensAreRefusedAndForgotten(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{RefreshLifetime: time.Microsecond}, func(t *testing.T, w world) {
		expired := w.signUp("ada@example.org").RefreshToken
		_, err := w.refresh(expired)
		w.want(err, apperr.Unauthenticated, "not valid")
		longer := newWorld(t, w.store, nil, account.Config{})
		s, err := longer.SignIn(t.Context(), account.SignInInput{Email: "ada@example.org", Password: password}, "")
		require.NoError(t, err)
		for _, want := range []int{1, 0} {
			n, err := w.ForgetExpired(t.Context())
			assert.NoError(t, err)
			assert.Equal(t, want, n)
		}
		_, err = longer.refresh(s.RefreshToken)
		assert.NoError(t, err, "a valid one was forgotten")
	})
}

func TestNothingSecretIsStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, dbtest.SQLite(t)), nil, account.Config{})
	s := w.signUp("ada@example.org")
	ctx := auth.System(t.Context(), "test")
	rt, err := w.store.Client(ctx).RefreshToken.Query().Only(ctx)
	require.NoError(t, err)
	assert.NotContains(t, string(rt.TokenHash), s.RefreshToken[4:], "a secret is stored in plain")
	assert.NotContains(t, s.User.PasswordHash, password, "a secret is stored in plain")
	u := s.User
	require.NotEmpty(t, u.PasswordHash, "the hash")
	assert.True(t, strings.HasPrefix(u.PasswordHash, "$argon2id$"), "the hash is %q", u.PasswordHash)
}

func TestALostDatabaseIsUnavailableAndEndsNoSession(t *testing.T) {
	t.Parallel()
	server := testkit.PostgresServer(t)
	s := dbtest.Open(t, server.URL)
	_, err := s.Migrate(t.Context())
	require.NoError(t, err)
	w := newWorld(t, s, nil, account.Config{})
	session := w.signUp("ada@example.org")
	require.NoError(t, server.Kill())
	_, err = w.refresh(session.RefreshToken)
	w.want(err, apperr.Unavailable, "does not answer")
	w.want(w.try("ada@example.org", password, ""), apperr.Unavailable, "does not answer")
	_, err = w.Viewer(w.as(session))
	w.want(err, apperr.Unavailable, "does not answer")
	require.NoError(t, server.Restart(t.Context()))
	_, err = w.refresh(session.RefreshToken)
	assert.NoError(t, err, "after the restart")
}
