package account_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"entgo.io/ent"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/account"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/store"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

const patience = 30 * time.Second

func TestAKeysViewerIsAServiceWithItsScopes(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		for _, role := range []auth.Role{auth.RoleService, auth.RoleAdmin} {
			owner := w.signedIn(role)
			end := store.Now().Add(time.Hour)
			key, secret, err := w.CreateKey(owner, account.CreateKeyInput{
				Name: "k", Scopes: []auth.Scope{auth.ScopeDialogsPush, auth.ScopePracticeRead}, ExpiresAt: &end,
			})
			require.NoError(t, err)
			for range 2 { // read, then remembered
				v, err := w.Verify(t.Context(), secret)
				require.NoError(t, err)
				require.True(t, v.Expires.Equal(end), "%+v", v)
				v.Expires = time.Time{}
				want := (auth.Viewer{ID: idOf(owner), Role: auth.RoleService, Key: key.ID, Scopes: auth.ScopesOf(key.Scopes...)})
				assert.True(t, v == want, "got %+v, want %+v", v, want)
			}
			_, endless := w.key(owner, auth.ScopeDialogsErase)
			v, err := w.Verify(t.Context(), endless)
			assert.NoError(t, err)
			assert.True(t, v.Expires.IsZero(), "%+v", v)
			assert.Equal(t, auth.ScopesOf(auth.ScopeDialogsErase), v.Scopes, "%+v", v)
		}
	})
}

func TestVerifyTakesAccessTokensToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, dbtest.SQLite(t)), nil, account.Config{})
	want := auth.Viewer{ID: "user_1", Role: auth.RoleAnalyst, Session: "sess_1"}
	token, expires, err := w.tokens.Issue(want)
	require.NoError(t, err)
	v, err := w.Verify(t.Context(), token)
	assert.NoError(t, err)
	assert.True(t, v.Expires.Equal(expires) && v.ID == want.ID && v.Session == want.Session && v.Key == "", "%+v", v)
	_, err = w.Verify(t.Context(), "nonsense")
	w.want(err, apperr.Unauthenticated, "access token is not valid here")
}

// unknown is a secret that nobody has.
func unknown() string {
	raw := make([]byte, auth.SecretBytes)
	_, _ = rand.Read(raw)
	return auth.KeyPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

func TestWhatIsNoKeyIsUnauthenticatedWithOneSentence(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{KeyMemory: time.Nanosecond}, func(t *testing.T, w world) {
		_, good := w.key(w.signedIn(auth.RoleService))
		revoked, revokedSecret := w.key(w.signedIn(auth.RoleService))
		w.system(func(ctx context.Context, c *gen.Client) error {
			return c.ApiKey.UpdateOneID(revoked.ID).SetRevokedAt(store.Now()).Exec(ctx)
		})
		gone, demoted := w.signedIn(auth.RoleService), w.signedIn(auth.RoleAdmin)
		_, goneSecret := w.key(gone)
		_, demotedSecret := w.key(demoted)
		w.with(goneSecret)
		w.with(demotedSecret)
		w.system(func(ctx context.Context, c *gen.Client) error {
			return errors.Join(c.User.DeleteOneID(idOf(gone)).Exec(ctx), c.User.UpdateOneID(idOf(demoted)).SetRole("ANALYST").Exec(ctx))
		})
		for name, secret := range map[string]string{
			"prefix alone": "pak_", "cut": good[:len(good)-1], "longer": good + "A", "unknown": unknown(), "long": "pak_" + strings.Repeat("x", 1<<20),
			"other case": "pak_" + strings.ToLower(good[4:]), "its hash": "pak_" + string(auth.HashSecret(good)), "NUL": good[:46] + "\x00", "no UTF-8": good[:46] + "\xff",
			"revoked": revokedSecret, "of nobody": goneSecret, "of one who may have none": demotedSecret, "SQL": "pak_' OR 1=1 --                                ",
		} {
			v, err := w.Verify(t.Context(), secret)
			if e := apperr.List(err); v != (auth.Viewer{}) || len(e) != 1 || e[0].Code != apperr.Unauthenticated ||
				e[0].Message != "This API key is not valid here, or not any more: make a new one." {
				t.Errorf("%s: %+v, %v", name, v, err)
			}
		}
		w.with(good)
	})
}

func TestAnExpiredKeySaysSoAlsoWhenItIsRemembered(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{KeyMemory: time.Hour}, func(t *testing.T, w world) {
		owner := w.signedIn(auth.RoleService)
		past, secret := store.Now().Add(-time.Second), unknown()
		w.system(func(ctx context.Context, c *gen.Client) error {
			return c.ApiKey.Create().SetID(store.NewID("key")).SetOwnerID(idOf(owner)).SetName("k").SetKeyHash(auth.HashSecret(secret)).
				SetScopes(auth.AllScopes()).SetExpiresAt(past).Exec(ctx)
		})
		for range 2 {
			_, err := w.Verify(t.Context(), secret)
			w.want(err, apperr.Unauthenticated, "API key has expired")
		}
		// One that comes to its end while it is remembered.
		soon := time.Now().Add(time.Second)
		_, secret, err := w.CreateKey(owner, account.CreateKeyInput{Name: "k", Scopes: auth.AllScopes(), ExpiresAt: &soon})
		require.NoError(t, err)
		// The clock brings it, and nothing else happens.
		require.Eventually(t, func() bool { _, err = w.Verify(t.Context(), secret); return err != nil }, patience, 5*time.Millisecond)
		w.want(err, apperr.Unauthenticated, "API key has expired")
	})
}

// another gives a second service on the same database, as another process has.
func (w world) another(cfg account.Config) world {
	w.t.Helper()
	return newWorld(w.t, w.store, nil, cfg)
}

func TestARevokedKeyStopsInOtherProcessesOnceTheyForgetIt(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		owner := w.signedIn(auth.RoleService)
		key, secret := w.key(owner)
		quick, slow := w.another(account.Config{KeyMemory: 10 * time.Millisecond}), w.another(account.Config{KeyMemory: time.Hour})
		quick.with(secret)
		slow.with(secret)
		_, err := w.RevokeKey(owner, key.ID)
		require.NoError(t, err)
		_, err = w.Verify(t.Context(), secret)
		w.want(err, apperr.Unauthenticated, "not valid here")
		// Another process hears nothing: its memory ends by the clock.
		require.Eventually(t, func() bool { _, err = quick.Verify(t.Context(), secret); return err != nil }, patience, time.Millisecond)
		w.want(err, apperr.Unauthenticated, "not valid here")
		slow.with(secret) // it is the memory that bounds it
	})
}

// gate stops the first look-up of a key: before it reads, or with what it read.
type gate struct {
	reads          atomic.Int32
	reached, leave chan struct{}
}

func newGate(s *store.Store, after bool) *gate {
	g := &gate{reached: make(chan struct{}), leave: make(chan struct{})}
	s.Client(context.Background()).ApiKey.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
		return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
			if g.reads.Add(1) > 1 {
				return next.Query(ctx, q)
			}
			if !after {
				close(g.reached)
				<-g.leave
				return next.Query(ctx, q)
			}
			v, err := next.Query(ctx, q)
			close(g.reached)
			<-g.leave
			return v, err
		})
	}))
	return g
}

func TestConcurrentCallsShareOneLookUp(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{KeyMemory: time.Hour}, func(t *testing.T, w world) {
		_, secret := w.key(w.signedIn(auth.RoleService))
		g := newGate(w.store, false)
		const callers = 100
		var begun, ended sync.WaitGroup
		for range callers {
			begun.Add(1)
			ended.Add(1)
			go func() {
				defer ended.Done()
				begun.Done()
				_, err := w.Verify(t.Context(), secret)
				assert.NoError(t, err)
			}()
		}
		<-g.reached
		begun.Wait()
		close(g.leave)
		ended.Wait()
		n := g.reads.Load()
		assert.Equal(t, int32(1), n, "%d calls made %d look-ups", callers, n)
	})
}

func TestACallerThatLeavesEndsNobodysLookUp(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{KeyMemory: time.Hour}, func(t *testing.T, w world) {
		_, secret := w.key(w.signedIn(auth.RoleService))
		g := newGate(w.store, false)
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { _, err := w.Verify(ctx, secret); left <- err }()
		<-g.reached
		cancel()
		assert.ErrorIs(t, <-left, context.Canceled, "the one who left")
		close(g.leave)
		w.with(secret)
	})
}

func TestALookUpThatARevocationOvertookIsNotRemembered(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{KeyMemory: time.Hour}, func(t *testing.T, w world) {
		owner := w.signedIn(auth.RoleService)
		key, secret := w.key(owner)
		g := newGate(w.store, true)
		before := make(chan error, 1)
		go func() { _, err := w.Verify(t.Context(), secret); before <- err }()
		<-g.reached // it has read the key, which works
		_, err := w.RevokeKey(owner, key.ID)
		require.NoError(t, err)
		_, err = w.Verify(t.Context(), secret) // does not wait for that one
		w.want(err, apperr.Unauthenticated, "not valid here")
		close(g.leave)
		assert.NoError(t, <-before, "the call before")
		_, err = w.Verify(t.Context(), secret)
		w.want(err, apperr.Unauthenticated, "not valid here")
	})
}

func TestASlowLookUpDoesNotAnswerCallsThatCameLongAfterItsReading(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{}, func(t *testing.T, w world) {
		owner := w.signedIn(auth.RoleService)
		key, secret := w.key(owner)
		other := w.another(account.Config{KeyMemory: time.Nanosecond})
		g := newGate(w.store, true)
		before, after := make(chan error, 1), make(chan error, 1)
		go func() { _, err := other.Verify(t.Context(), secret); before <- err }()
		<-g.reached
		_, err := w.RevokeKey(owner, key.ID)
		require.NoError(t, err)
		go func() { _, err := other.Verify(t.Context(), secret); after <- err }()
		close(g.leave)
		assert.NoError(t, <-before, "the call before")
		w.want(<-after, apperr.Unauthenticated, "not valid here")
	})
}

func TestTriedSecretsDontPushOutKeysInUse(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{KeyMemory: time.Hour}, func(t *testing.T, w world) {
		_, secret := w.key(w.signedIn(auth.RoleService))
		w.with(secret)
		for range 30 {
			_, err := w.Verify(t.Context(), unknown())
			w.want(err, apperr.Unauthenticated, "not valid here")
			_, err = w.Verify(t.Context(), unknown()+"x")
			w.want(err, apperr.Unauthenticated, "not valid here")
		}
		known, refused := w.Remembered()
		assert.Equal(t, 1, known, "%d keys and %d refused secrets are remembered", known, refused)
		assert.Equal(t, 30, refused, "%d keys and %d refused secrets are remembered", known, refused)
	})
}

// lastUsed gives when the key was last used, once all uses are written down.
func (w world) lastUsed(id string) *time.Time {
	w.t.Helper()
	w.Stamped()
	ctx := auth.System(w.t.Context(), "test")
	key, err := w.store.Client(ctx).ApiKey.Get(ctx, id)
	require.NoError(w.t, err)
	return key.LastUsedAt
}

func (w world) setLastUsed(id string, at time.Time) {
	w.t.Helper()
	w.system(func(ctx context.Context, c *gen.Client) error {
		return c.ApiKey.UpdateOneID(id).SetLastUsedAt(at).Exec(ctx)
	})
}

func TestTheLastUseIsKeptToTheMinute(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{KeyMemory: time.Nanosecond}, func(t *testing.T, w world) {
		key, secret := w.key(w.signedIn(auth.RoleService))
		at := w.lastUsed(key.ID)
		assert.Nil(t, at, "a new key was used at %v", at)
		begun := store.Now().Truncate(time.Minute)
		for range 5 {
			w.with(secret)
		}
		at = w.lastUsed(key.ID)
		require.True(t, at != nil && !at.Before(begun) && !at.After(store.Now()) && at.Equal(at.Truncate(time.Minute)), "last used at %v", at)
		// Later than another process wrote it: as it is. Earlier: as it is now.
		later := store.Now().Truncate(time.Minute).Add(time.Hour)
		w.setLastUsed(key.ID, later)
		other := w.another(account.Config{})
		other.with(secret)
		at = other.lastUsed(key.ID)
		assert.True(t, at.Equal(later), "set back to %v", at)
		w.setLastUsed(key.ID, begun.Add(-time.Minute))
		other = w.another(account.Config{})
		other.with(secret)
		at = other.lastUsed(key.ID)
		assert.False(t, at.Before(begun), "left at %v", at)
	})
}

func TestWritingDownTheUseHoldsUpNoCall(t *testing.T) {
	t.Parallel()
	worlds(t, account.Config{KeyMemory: time.Nanosecond}, func(t *testing.T, w world) {
		key, secret := w.key(w.signedIn(auth.RoleService))
		system := auth.System(t.Context(), "test")
		err := w.store.Tx(system, func(ctx context.Context) error { // nobody else can write the row
			if err := w.store.Client(ctx).ApiKey.UpdateOneID(key.ID).SetName("locked").Exec(ctx); err != nil {
				return err
			}
			for range 20 {
				w.with(secret)
			}
			return nil
		})
		require.NoError(t, err)
		assert.NotNil(t, w.lastUsed(key.ID), "the use was forgotten")
	})
}

func TestWithoutItsDatabaseAKeyIsUnavailableUnlessItIsRemembered(t *testing.T) {
	t.Parallel()
	server := testkit.PostgresServer(t)
	s := dbtest.Open(t, server.URL)
	_, err := s.Migrate(t.Context())
	require.NoError(t, err)
	w := newWorld(t, s, nil, account.Config{KeyMemory: time.Hour})
	_, known := w.key(w.signedIn(auth.RoleService))
	_, fresh := w.key(w.signedIn(auth.RoleService))
	w.with(known)
	w.Stamped()
	require.NoError(t, server.Kill())
	w.with(known)
	_, err = w.Verify(t.Context(), fresh)
	w.want(err, apperr.Unavailable, "does not answer")
	require.NoError(t, server.Restart(t.Context()))
	w.with(fresh) // no failure was remembered
}

func BenchmarkVerifyAKnownKey(b *testing.B) {
	s := dbtest.Open(b, dbtest.SQLite(b))
	w := newWorld(b, s, nil, account.Config{})
	_, secret := w.key(w.signedIn(auth.RoleService))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := w.Verify(b.Context(), secret)
			require.NoError(b, err)
		}
	})
}
