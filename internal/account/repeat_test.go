package account_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/ent/gen"
	"parley/internal/account"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/cache"
	"parley/internal/event"
)

func TestARepeatedCreateApiKeyMakesOneKeyWithOneSecret(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{MaxKeys: 1}, func(t *testing.T, w world) {
		owner := w.signedIn(auth.RoleService)
		idempotencyKey := "4f9cbb8e-1d39-4b8a-a9f1-0d9f5b0b3c52"
		end := time.Now().Add(time.Hour)
		in := account.CreateKeyInput{
			Name: "chatbot", Scopes: []auth.Scope{auth.ScopePracticeRead, auth.ScopeDialogsPush}, ExpiresAt: &end, IdempotencyKey: &idempotencyKey,
		}
		keys := make([]*gen.ApiKey, 8)
		secrets := make([]string, len(keys))
		var all sync.WaitGroup
		for i := range keys {
			all.Go(func() {
				var err error
				if keys[i], secrets[i], err = w.CreateKey(owner, in); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for i, key := range keys {
			if key == nil || key.ID != keys[0].ID || secrets[i] != secrets[0] {
				t.Fatalf("%v with %q, and %v with %q", keys[0], secrets[0], key, secrets[i])
			}
		}
		w.with(secrets[0]) // it works

		other := in
		other.Scopes = []auth.Scope{auth.ScopeDialogsPush, auth.ScopePracticeRead, auth.ScopeDialogsPush}
		if key, secret, err := w.CreateKey(owner, other); err != nil || key.ID != keys[0].ID || secret != secrets[0] {
			t.Errorf("the same scopes in another order give %v, %v", key, err)
		}
		other.Name = "another"
		_, _, err := w.CreateKey(owner, other)
		w.want(err, apperr.IdempotencyMismatch, "another input")
		if key, secret, err := w.CreateKey(w.signedIn(auth.RoleService), in); err != nil || key.ID == keys[0].ID || secret == secrets[0] {
			t.Errorf("another account gets %v, %v", key, err)
		}
		bad := ""
		in.IdempotencyKey = &bad
		_, _, err = w.CreateKey(owner, in)
		w.want(err, apperr.BadInput, "idempotency key")
	})
}

// The row that remembers the call gives the secret to nobody who lacks the
// client's key, nor to anybody once the signing key is another one.
func TestTheRowOfACreateApiKeyDoesNotGiveItsSecretAway(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		owner := w.signedIn(auth.RoleAdmin)
		idempotencyKey := "a key of the client's"
		in := account.CreateKeyInput{Name: "k", Scopes: []auth.Scope{auth.ScopeDialogsPush}, IdempotencyKey: &idempotencyKey}
		key, secret, err := w.CreateKey(owner, in)
		if err != nil {
			t.Fatal(err)
		}
		row := w.row("SELECT * FROM idempotency_keys")
		for _, hidden := range []string{secret, strings.TrimPrefix(secret, auth.KeyPrefix), idempotencyKey} {
			if strings.Contains(row, hidden) {
				t.Errorf("the row holds %q: %s", hidden, row)
			}
		}
		if !strings.Contains(row, key.ID) {
			t.Errorf("the row does not say which key it was: %s", row)
		}

		log, err := event.Open(t.Context(), w.store)
		if err != nil {
			t.Fatal(err)
		}
		rotated, err := auth.NewTokens([]byte(strings.Repeat("x", auth.MinKeyBytes)), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		next, err := account.New(t.Context(), w.store, log, rotated, cache.NewMemory(1<<20), account.Config{})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = next.CreateKey(owner, in)
		w.want(err, apperr.Conflict, key.ID)

		w.system(func(ctx context.Context, c *gen.Client) error { return c.ApiKey.DeleteOneID(key.ID).Exec(ctx) })
		_, _, err = w.CreateKey(owner, in)
		w.want(err, apperr.NotFound, "no such API key")

		in.IdempotencyKey = nil
		if _, _, err := w.CreateKey(owner, in); err != nil {
			t.Fatal(err)
		}
		w.row("SELECT * FROM idempotency_keys") // still one
	})
}
