package account_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/ent/gen/user"
	"parley/internal/account"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/page"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

// signedIn makes an account past the password's slow hash and gives a context
// in which it asks.
func (w world) signedIn(role auth.Role) context.Context {
	w.t.Helper()
	id := store.NewID("user")
	w.system(func(ctx context.Context, c *gen.Client) error {
		return c.User.Create().SetID(id).SetEmail(id).SetEmailKey(id).SetPasswordHash("none").SetRole(user.Role(role)).Exec(ctx)
	})
	return auth.With(w.t.Context(), auth.Viewer{ID: id, Role: role, Session: store.NewID("sess")})
}

// system changes the database past all rules.
func (w world) system(change func(ctx context.Context, c *gen.Client) error) {
	w.t.Helper()
	err := w.store.Tx(auth.System(w.t.Context(), "test"), func(ctx context.Context) error { return change(ctx, w.store.Client(ctx)) })
	require.NoError(w.t, err)
}

// key makes a key of the account.
func (w world) key(owner context.Context, scopes ...auth.Scope) (*gen.ApiKey, string) {
	w.t.Helper()
	if len(scopes) == 0 {
		scopes = auth.AllScopes()
	}
	key, secret, err := w.CreateKey(owner, account.CreateKeyInput{Name: "chatbot", Scopes: scopes})
	require.NoError(w.t, err)
	return key, secret
}

// with gives a context in which a key asks.
func (w world) with(secret string) context.Context {
	w.t.Helper()
	v, err := w.Verify(w.t.Context(), secret)
	require.NoError(w.t, err)
	return auth.With(w.t.Context(), v)
}

func idOf(ctx context.Context) string {
	v, _ := auth.From(ctx)
	return v.ID
}

func TestASecretIsShownOnceAndOnlyItsHashIsKept(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		owner := w.signedIn(auth.RoleService)
		end := time.Now().Add(time.Hour)
		key, secret, err := w.CreateKey(owner, account.CreateKeyInput{
			Name: "chatbot", ExpiresAt: &end,
			Scopes: []auth.Scope{auth.ScopePracticeRead, auth.ScopeDialogsPush, auth.ScopePracticeRead},
		})
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(secret, "pak_") && len(secret) == len("pak_")+43 && key.Hint == secret[len(secret)-4:],
			"the secret is %q, the hint %q", secret, key.Hint)
		if store.CheckID("key", key.ID) != nil || key.Name != "chatbot" || key.OwnerID != idOf(owner) || key.LastUsedAt != nil || key.RevokedAt != nil ||
			!slices.Equal(key.Scopes, []auth.Scope{auth.ScopeDialogsPush, auth.ScopePracticeRead}) || !key.ExpiresAt.Equal(end.Truncate(time.Microsecond)) {
			t.Errorf("the key is %v", key)
		}
		row := w.row("SELECT * FROM api_keys")
		assert.NotContains(t, row, secret, "the row")
		assert.NotContains(t, row, secret[4:44], "the row")
		assert.Contains(t, row, string(auth.HashSecret(secret)), "the row")
		again, err := w.Key(owner, key.ID)
		require.NoError(t, err)
		assert.Equal(t, auth.HashSecret(secret), again.KeyHash, "%v", again)
		assert.Contains(t, again.String(), "key_hash=<sensitive>", "%v", again)
	})
}

// row gives the columns of the one row of a query, one after the other.
func (w world) row(query string) string {
	w.t.Helper()
	var out strings.Builder
	rows := 0
	err := w.store.Query(w.t.Context(), func(r *sql.Rows) error {
		rows++
		columns, err := r.Columns()
		if err != nil {
			return err
		}
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := r.Scan(into...); err != nil {
			return err
		}
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			fmt.Fprintf(&out, "%s=%v\n", columns[i], v)
		}
		return nil
	}, query)
	require.NoError(w.t, err, "rows")
	require.Equal(w.t, 1, rows, "rows")
	return out.String()
}

func TestServicesAndAdminsMakeKeysAndNobodyElseDoes(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		in := account.CreateKeyInput{Name: "k", Scopes: []auth.Scope{auth.ScopeDialogsPush}}
		create := func(ctx context.Context) error { _, _, err := w.CreateKey(ctx, in); return err }
		for _, role := range []auth.Role{auth.RoleService, auth.RoleAdmin} {
			assert.NoError(t, create(w.signedIn(role)), "%s", role)
		}
		for _, role := range []auth.Role{auth.RoleUser, auth.RoleAnalyst} {
			w.want(create(w.signedIn(role)), apperr.Forbidden, "Your role "+string(role))
		}
		w.want(create(t.Context()), apperr.Unauthenticated, "Sign in first")
		owner := w.signedIn(auth.RoleService)
		_, secret := w.key(owner)
		w.want(create(w.with(secret)), apperr.Forbidden, "sign in as a user")
		w.system(func(ctx context.Context, c *gen.Client) error {
			return c.User.UpdateOneID(idOf(owner)).SetRole("USER").Exec(ctx)
		})
		w.want(create(owner), apperr.Forbidden, "Your role USER")
		w.system(func(ctx context.Context, c *gen.Client) error { return c.User.DeleteOneID(idOf(owner)).Exec(ctx) })
		w.want(create(owner), apperr.Unauthenticated, "no longer exists")
	})
}

func TestBadKeysAreRefusedWithEveryWrongField(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, dbtest.SQLite(t)), nil, account.Config{})
	past, far := time.Now().Add(-time.Second), time.Now().AddDate(101, 0, 0)
	for _, name := range []string{"", " \t", strings.Repeat("x", 101), strings.Repeat("💥", 101), "a\x00b", "a\xffb"} {
		for _, scopes := range [][]auth.Scope{nil, {"ROOT"}, {auth.ScopeDialogsPush, ""}} {
			for _, end := range []*time.Time{&past, &far, {}} {
				err := account.CreateKeyInput{Name: name, Scopes: scopes, ExpiresAt: end}.Validate()
				var fields []string
				for _, e := range apperr.List(err) {
					fields = append(fields, strings.Join(e.Path, "."))
				}
				assert.Equal(t, []string{"input.name", "input.scopes", "input.expiresAt"}, fields, "%.20q, %v, %v: %v", name, scopes, end, err)
			}
		}
	}
	_, _, err := w.CreateKey(w.signedIn(auth.RoleService), account.CreateKeyInput{})
	w.want(err, apperr.BadInput, "1 to 100 characters")
}

func TestANameHasUpToAHundredCharactersOfAnyKind(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		for _, name := range []string{"x", strings.Repeat("é", 100), strings.Repeat("💥", 100), "a'; DROP TABLE api_keys; --"} {
			key, _, err := w.CreateKey(w.signedIn(auth.RoleService), account.CreateKeyInput{Name: name, Scopes: auth.AllScopes()})
			assert.True(t, err == nil && key.Name == name, "%s: %v, %v", name, key, err)
		}
	})
}

func TestAnAccountHasABoundedNumberOfWorkingKeys(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{MaxKeys: 3}, func(t *testing.T, w world) {
		owner := w.signedIn(auth.RoleService)
		past := store.Now().Add(-time.Second)
		w.system(func(ctx context.Context, c *gen.Client) error { // does not count
			return c.ApiKey.Create().SetID(store.NewID("key")).SetOwnerID(idOf(owner)).SetName("old").SetKeyHash([]byte("old")).
				SetScopes(auth.AllScopes()).SetExpiresAt(past).Exec(ctx)
		})
		const many = 10
		type made struct {
			key *gen.ApiKey
			err error
		}
		results := make(chan made, many)
		for range many {
			go func() {
				key, _, err := w.CreateKey(owner, account.CreateKeyInput{Name: "k", Scopes: auth.AllScopes()})
				results <- made{key, err}
			}()
		}
		var keys []*gen.ApiKey
		for range many {
			if r := <-results; r.err == nil {
				keys = append(keys, r.key)
			} else {
				w.want(r.err, apperr.Conflict, "at most 3 working API keys")
			}
		}
		require.Len(t, keys, 3, "%d keys were made", len(keys))
		_, err := w.RevokeKey(owner, keys[0].ID)
		require.NoError(t, err)
		w.key(owner)
		w.key(w.signedIn(auth.RoleService)) // another account has room of its own
	})
}

func TestKeysAreListedTheNewestFirst(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		owner, other := w.signedIn(auth.RoleService), w.signedIn(auth.RoleAdmin)
		var want []string
		for range 5 {
			key, _ := w.key(owner)
			want = append(want, key.ID)
			w.key(other)
		}
		slices.Reverse(want)
		_, err := w.RevokeKey(owner, want[1])
		require.NoError(t, err)
		var got []string
		two := 2
		args := page.Args{First: &two}
		for {
			p, err := w.Keys(owner, args)
			require.NoError(t, err)
			for _, e := range p.Edges {
				got = append(got, e.Node.ID)
				args.After = &e.Cursor
			}
			n, err := p.Count()
			assert.NoError(t, err)
			assert.Equal(t, 5, n)
			if !p.HasNext {
				break
			}
		}
		assert.Equal(t, want, got)
		p, err := w.Keys(other, page.Args{})
		require.NoError(t, err, "an admin's own")
		require.Len(t, p.Edges, 5, "an admin's own: %v", p)
		assert.Equal(t, idOf(other), p.Edges[0].Node.OwnerID, "an admin's own: %v", p)
		p, err = w.Keys(w.signedIn(auth.RoleUser), page.Args{})
		require.NoError(t, err, "a user's")
		assert.Empty(t, p.Edges, "a user's: %v", p)
		nonsense := "nonsense"
		_, err = w.Keys(owner, page.Args{After: &nonsense})
		w.want(err, apperr.BadInput, "not a cursor")
		_, err = w.Keys(t.Context(), page.Args{})
		w.want(err, apperr.Unauthenticated, "Sign in first")
	})
}

func TestAKeyIsSeenAndRevokedByItsOwnerAndAdminsOnly(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{KeyMemory: time.Hour}, func(t *testing.T, w world) {
		owner, admin := w.signedIn(auth.RoleService), w.signedIn(auth.RoleAdmin)
		key, secret := w.key(owner)
		w.with(secret)
		for name, ctx := range map[string]context.Context{"service": w.signedIn(auth.RoleService), "user": w.signedIn(auth.RoleUser)} {
			_, err := w.RevokeKey(ctx, key.ID)
			w.want(err, apperr.NotFound, "no such API key")
			_, err = w.Key(ctx, key.ID)
			w.want(err, apperr.NotFound, "no such API key")
			if t.Failed() {
				t.Fatal(name)
			}
		}
		for id, code := range map[string]apperr.Code{"nonsense": apperr.BadInput, "": apperr.BadInput, store.NewID("user"): apperr.NotFound, store.NewID("key"): apperr.NotFound} {
			_, err := w.RevokeKey(owner, id)
			w.want(err, code, "")
			_, err = w.Key(owner, id)
			w.want(err, code, "")
		}
		_, err := w.RevokeKey(t.Context(), key.ID)
		w.want(err, apperr.Unauthenticated, "Sign in first")
		seen, err := w.Key(admin, key.ID)
		require.NoError(t, err, "an admin")
		assert.Equal(t, key.ID, seen.ID, "an admin sees %v", seen)
		w.with(secret) // still
		first, err := w.RevokeKey(owner, key.ID)
		require.NoError(t, err)
		require.NotNil(t, first.RevokedAt, "%v %v", first, err)
		again, err := w.RevokeKey(admin, key.ID)
		require.NoError(t, err, "revoked again")
		assert.True(t, again.RevokedAt.Equal(*first.RevokedAt), "revoked again: %v", again)
		_, err = w.Verify(t.Context(), secret) // though it is remembered for an hour
		w.want(err, apperr.Unauthenticated, "not valid here")
		key, secret = w.key(owner)
		w.with(secret)
		by, err := w.RevokeKey(admin, key.ID)
		require.NoError(t, err, "revoked by an admin")
		assert.NotNil(t, by.RevokedAt, "revoked by an admin: %v", by)
		_, err = w.Verify(t.Context(), secret)
		w.want(err, apperr.Unauthenticated, "not valid here")
	})
}

func TestAKeyDoesNothingThatItsOwnersAccountMay(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		for _, role := range []auth.Role{auth.RoleService, auth.RoleAdmin} {
			owner := w.signedIn(role)
			key, secret := w.key(owner)
			ctx := w.with(secret)
			for name, try := range map[string]func() error{
				"viewer":       func() error { _, err := w.Viewer(ctx); return err },
				"signOut":      func() error { return w.SignOut(ctx) },
				"createApiKey": func() error { _, _, err := w.CreateKey(ctx, account.CreateKeyInput{}); return err },
				"apiKeys":      func() error { _, err := w.Keys(ctx, page.Args{}); return err },
				"key":          func() error { _, err := w.Key(ctx, key.ID); return err },
				"revokeApiKey": func() error { _, err := w.RevokeKey(ctx, key.ID); return err },
			} {
				err := try()
				assert.True(t, apperr.Is(err, apperr.Forbidden), "%s by a key of a %s: %v", name, role, err)
			}
			u, err := w.Get(ctx, idOf(owner))
			assert.Error(t, err, "a key of a %s reads its owner: %v", role, u)
			w.with(secret) // it works on
		}
	})
}
