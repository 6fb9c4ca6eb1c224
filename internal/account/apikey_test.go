package account_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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
	if err != nil {
		w.t.Fatal(err)
	}
}

// key makes a key of the account.
func (w world) key(owner context.Context, scopes ...auth.Scope) (*gen.ApiKey, string) {
	w.t.Helper()
	if len(scopes) == 0 {
		scopes = auth.AllScopes()
	}
	key, secret, err := w.CreateKey(owner, account.CreateKeyInput{Name: "chatbot", Scopes: scopes})
	if err != nil {
		w.t.Fatal(err)
	}
	return key, secret
}

// with gives a context in which a key asks.
func (w world) with(secret string) context.Context {
	w.t.Helper()
	v, err := w.Verify(w.t.Context(), secret)
	if err != nil {
		w.t.Fatal(err)
	}
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
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(secret, "pak_") || len(secret) != len("pak_")+43 || key.Hint != secret[len(secret)-4:] {
			t.Errorf("the secret is %q, the hint %q", secret, key.Hint)
		}
		if store.CheckID("key", key.ID) != nil || key.Name != "chatbot" || key.OwnerID != idOf(owner) || key.LastUsedAt != nil || key.RevokedAt != nil ||
			!slices.Equal(key.Scopes, []auth.Scope{auth.ScopeDialogsPush, auth.ScopePracticeRead}) || !key.ExpiresAt.Equal(end.Truncate(time.Microsecond)) {
			t.Errorf("the key is %v", key)
		}
		row := w.row("SELECT * FROM api_keys")
		if strings.Contains(row, secret) || strings.Contains(row, secret[4:44]) || !strings.Contains(row, string(auth.HashSecret(secret))) {
			t.Errorf("the row is %q", row)
		}
		if again, err := w.Key(owner, key.ID); err != nil || !bytes.Equal(again.KeyHash, auth.HashSecret(secret)) || !strings.Contains(again.String(), "key_hash=<sensitive>") {
			t.Errorf("%v, %v", again, err)
		}
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
	if err != nil || rows != 1 {
		w.t.Fatalf("%d rows, %v", rows, err)
	}
	return out.String()
}

func TestServicesAndAdminsMakeKeysAndNobodyElseDoes(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		in := account.CreateKeyInput{Name: "k", Scopes: []auth.Scope{auth.ScopeDialogsPush}}
		create := func(ctx context.Context) error { _, _, err := w.CreateKey(ctx, in); return err }
		for _, role := range []auth.Role{auth.RoleService, auth.RoleAdmin} {
			if err := create(w.signedIn(role)); err != nil {
				t.Errorf("%s: %v", role, err)
			}
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
				if !slices.Equal(fields, []string{"input.name", "input.scopes", "input.expiresAt"}) {
					t.Errorf("%.20q, %v, %v: %v", name, scopes, end, err)
				}
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
			if err != nil || key.Name != name {
				t.Errorf("%s: %v, %v", name, key, err)
			}
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
		if len(keys) != 3 {
			t.Fatalf("%d keys were made", len(keys))
		}
		if _, err := w.RevokeKey(owner, keys[0].ID); err != nil {
			t.Fatal(err)
		}
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
		if _, err := w.RevokeKey(owner, want[1]); err != nil {
			t.Fatal(err)
		}
		var got []string
		two := 2
		args := page.Args{First: &two}
		for {
			p, err := w.Keys(owner, args)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range p.Edges {
				got = append(got, e.Node.ID)
				args.After = &e.Cursor
			}
			if n, err := p.Count(); n != 5 || err != nil {
				t.Errorf("counted %d, %v", n, err)
			}
			if !p.HasNext {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if p, err := w.Keys(other, page.Args{}); err != nil || len(p.Edges) != 5 || p.Edges[0].Node.OwnerID != idOf(other) {
			t.Errorf("an admin's own: %v, %v", p, err)
		}
		if p, err := w.Keys(w.signedIn(auth.RoleUser), page.Args{}); err != nil || len(p.Edges) != 0 {
			t.Errorf("a user's: %v, %v", p, err)
		}
		nonsense := "nonsense"
		_, err := w.Keys(owner, page.Args{After: &nonsense})
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
		if seen, err := w.Key(admin, key.ID); err != nil || seen.ID != key.ID {
			t.Errorf("an admin sees %v, %v", seen, err)
		}
		w.with(secret) // still
		first, err := w.RevokeKey(owner, key.ID)
		if err != nil || first.RevokedAt == nil {
			t.Fatal(first, err)
		}
		again, err := w.RevokeKey(admin, key.ID)
		if err != nil || !again.RevokedAt.Equal(*first.RevokedAt) {
			t.Errorf("revoked again: %v, %v", again, err)
		}
		_, err = w.Verify(t.Context(), secret) // though it is remembered for an hour
		w.want(err, apperr.Unauthenticated, "not valid here")
		key, secret = w.key(owner)
		w.with(secret)
		if by, err := w.RevokeKey(admin, key.ID); err != nil || by.RevokedAt == nil {
			t.Errorf("revoked by an admin: %v, %v", by, err)
		}
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
				if err := try(); !apperr.Is(err, apperr.Forbidden) {
					t.Errorf("%s by a key of a %s: %v", name, role, err)
				}
			}
			if u, err := w.Get(ctx, idOf(owner)); err == nil {
				t.Errorf("a key of a %s reads its owner: %v", role, u)
			}
			w.with(secret) // it works on
		}
	})
}
