package account_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
				keys[i], secrets[i], err = w.CreateKey(owner, in)
				assert.NoError(t, err)
			})
		}
		all.Wait()
		for i, key := range keys {
			require.True(t, key != nil && key.ID == keys[0].ID && secrets[i] == secrets[0], "%v with %q, and %v with %q", keys[0], secrets[0], key, secrets[i])
		}
		w.with(secrets[0]) // it works

		other := in
		other.Scopes = []auth.Scope{auth.ScopeDialogsPush, auth.ScopePracticeRead, auth.ScopeDialogsPush}
		key, secret, err := w.CreateKey(owner, other)
		require.NoError(t, err, "the same scopes in another order give %v", key)
		assert.Equal(t, keys[0].ID, key.ID, "the same scopes in another order give %v", key)
		assert.Equal(t, secrets[0], secret, "the same scopes in another order give %v", key)
		other.Name = "another"
		_, _, err = w.CreateKey(owner, other)
		w.want(err, apperr.IdempotencyMismatch, "another input")
		key, secret, err = w.CreateKey(w.signedIn(auth.RoleService), in)
		require.NoError(t, err, "another account gets %v", key)
		assert.NotEqual(t, keys[0].ID, key.ID, "another account gets %v", key)
		assert.NotEqual(t, secrets[0], secret, "another account gets %v", key)
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
		require.NoError(t, err)
		row := w.row("SELECT * FROM idempotency_keys")
		for _, hidden := range []string{secret, strings.TrimPrefix(secret, auth.KeyPrefix), idempotencyKey} {
			assert.NotContains(t, row, hidden, "the row")
		}
		assert.Contains(t, row, key.ID, "the row does not say which key it")

		log, err := event.Open(t.Context(), w.store)
		require.NoError(t, err)
		rotated, err := auth.NewTokens([]byte(strings.Repeat("x", auth.MinKeyBytes)), time.Hour)
		require.NoError(t, err)
		next, err := account.New(t.Context(), w.store, log, rotated, cache.NewMemory(1<<20), account.Config{})
		require.NoError(t, err)
		_, _, err = next.CreateKey(owner, in)
		w.want(err, apperr.Conflict, key.ID)

		w.system(func(ctx context.Context, c *gen.Client) error { return c.ApiKey.DeleteOneID(key.ID).Exec(ctx) })
		_, _, err = w.CreateKey(owner, in)
		w.want(err, apperr.NotFound, "no such API key")

		in.IdempotencyKey = nil
		_, _, err = w.CreateKey(owner, in)
		require.NoError(t, err)
		w.row("SELECT * FROM idempotency_keys") // still one
	})
}
