package account_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/account"
	"parley/internal/auth"
)

// A refresh that commits while signOut waits for it makes a token that the
// statement of signOut has not seen.
func TestNoSessionOutlivesASignOutBesideARefresh(t *testing.T) {
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		w.signUp("a@example.com")
		for i := range 30 {
			s, err := w.SignIn(t.Context(), account.SignInInput{Email: "a@example.com", Password: password}, fmt.Sprint("10.0.0.", i))
			require.NoError(t, err)
			v, _, err := w.tokens.Verify(s.AccessToken)
			require.NoError(t, err)
			var both sync.WaitGroup
			var fresh *account.Session
			both.Go(func() { fresh, _ = w.Refresh(t.Context(), account.RefreshInput{RefreshToken: s.RefreshToken}) })
			both.Go(func() {
				assert.NoError(t, w.SignOut(auth.With(t.Context(), v)))
			})
			both.Wait()
			require.Error(t, w.Confirm(t.Context(), v))
			if fresh != nil {
				_, err := w.Refresh(t.Context(), account.RefreshInput{RefreshToken: fresh.RefreshToken})
				require.Error(t, err)
			}
		}
	})
}
