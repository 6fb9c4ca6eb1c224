package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"parley/ent/gen"
	"parley/ent/gen/apikey"
	"parley/ent/gen/user"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/store"
)

var (
	errKeyInvalid = apperr.New(apperr.Unauthenticated, "This API key is not valid here, or not any more: make a new one.")
	errKeyExpired = apperr.New(apperr.Unauthenticated, "This API key has expired: make a new one.")
)

// Verify gives the viewer of a token: of an access token, or of the secret of
// an API key. Otherwise it is UNAUTHENTICATED and says what to do, or
// UNAVAILABLE when the database that knows the keys does not answer.
func (s *Service) Verify(ctx context.Context, token string) (auth.Viewer, error) {
	if auth.IsKey(token) {
		return s.keys.verify(ctx, token)
	}
	v, _, err := s.tokens.Verify(token)
	return v, err
}

// keyring remembers for a moment which secrets are keys, so that a call with
// one that is in use costs no query.
type keyring struct {
	store *store.Store
	// memory is how long what was read is believed.
	memory time.Duration
	// Those who try secrets must not push out what is in use, so what was refused
	// is remembered apart.
	known, refused *lru.Cache[digest, finding]
	// flight lets concurrent look-ups of one secret share their queries.
	flight singleflight.Group
	// stamping has a place for each write of last_used_at that is on its way.
	stamping chan struct{}

	// forgetting is held while a finding is remembered or forgotten; forgotten
	// counts the latter, so that what was read before is not remembered after.
	forgetting sync.Mutex
	forgotten  int
}

type digest [sha256.Size]byte

// finding is what a look-up found out about a secret.
type finding struct {
	viewer auth.Viewer
	err    error
	until  time.Time // it is believed
	// stamped is the last minute for which this process wrote last_used_at.
	stamped time.Time
}

const (
	// rememberedKeys bounds each of the two memories.
	rememberedKeys = 10_000
	// stampsAtOnce bounds the writes of last_used_at; what finds no place is
	// written after the next look-up.
	stampsAtOnce = 2
	// lookTimeout ends a look-up that nobody may be waiting for any more, and a
	// stamp.
	lookTimeout = 5 * time.Second
)

func newKeyring(s *store.Store, memory time.Duration) (*keyring, error) {
	known, err := lru.New[digest, finding](rememberedKeys)
	if err != nil {
		return nil, err
	}
	refused, err := lru.New[digest, finding](rememberedKeys)
	if err != nil {
		return nil, err
	}
	return &keyring{store: s, memory: memory, known: known, refused: refused, stamping: make(chan struct{}, stampsAtOnce)}, nil
}

// secretLength is that of a key's secret, in bytes.
var secretLength = len(auth.KeyPrefix) + base64.RawURLEncoding.EncodedLen(auth.SecretBytes)

// verify gives the viewer of a key's secret.
func (k *keyring) verify(ctx context.Context, secret string) (auth.Viewer, error) {
	if len(secret) != secretLength {
		return auth.Viewer{}, errKeyInvalid
	}
	d := digest(sha256.Sum256([]byte(secret))) // as auth.HashSecret does
	if f, ok := k.remembered(d); ok {
		return f.answer()
	}
	for asked := time.Now(); ; {
		// The look-up is everybody's: it goes on when the caller that began it leaves.
		found := k.flight.DoChan(string(d[:]), func() (any, error) { return k.look(context.WithoutCancel(ctx), d) })
		select {
		case <-ctx.Done():
			return auth.Viewer{}, ctx.Err()
		case r := <-found:
			if r.Err != nil {
				return auth.Viewer{}, r.Err
			}
			// A slow one that began too long before this call may not have seen what
			// was revoked since; the next one can't be older than the call.
			if f, _ := r.Val.(finding); !f.until.Before(asked) {
				return f.answer()
			}
		}
	}
}

func (k *keyring) remembered(d digest) (finding, bool) {
	now := time.Now()
	for _, memory := range []*lru.Cache[digest, finding]{k.known, k.refused} {
		if f, ok := memory.Get(d); ok && now.Before(f.until) {
			return f, true
		}
	}
	return finding{}, false
}

// answer is the finding at the time of the call: the key may have come to its
// end since it was read.
func (f finding) answer() (auth.Viewer, error) {
	if f.err == nil && !f.viewer.Expires.IsZero() && !time.Now().Before(f.viewer.Expires) {
		return auth.Viewer{}, errKeyExpired
	}
	return f.viewer, f.err
}

// look reads the key of a digest and remembers what it found.
func (k *keyring) look(ctx context.Context, d digest) (finding, error) {
	if f, ok := k.remembered(d); ok { // another look-up ended just before
		return f, nil
	}
	ctx, cancel := context.WithTimeout(auth.System(ctx, "account.verify"), lookTimeout)
	defer cancel()
	k.forgetting.Lock()
	before := k.forgotten
	k.forgetting.Unlock()
	// Counted from before the reading, so that memory bounds how long a key works
	// after it was revoked.
	f := finding{until: time.Now().Add(k.memory)}
	key, err := k.read(ctx, d)
	switch {
	case err == nil:
		f.viewer = viewerOf(key)
		f.stamped = k.stamp(ctx, d, key)
	case apperr.Is(err, apperr.Unauthenticated):
		f.err = err
	default:
		return finding{}, err
	}
	k.forgetting.Lock()
	defer k.forgetting.Unlock()
	switch {
	case k.forgotten != before: // perhaps this one
	case f.err == nil:
		k.known.Add(d, f)
	default:
		k.known.Remove(d)
		k.refused.Add(d, f)
	}
	return f, nil
}

// read gives the working key of a digest. It works as long as its owner is of a
// role that may have keys.
func (k *keyring) read(ctx context.Context, d digest) (*gen.ApiKey, error) {
	c := k.store.Client(ctx)
	key, err := c.ApiKey.Query().Where(apikey.KeyHash(d[:])).Only(ctx)
	switch {
	case gen.IsNotFound(err):
		return nil, errKeyInvalid
	case err != nil:
		return nil, fmt.Errorf("look up an API key: %w", err)
	case key.RevokedAt != nil:
		return nil, errKeyInvalid
	case key.ExpiresAt != nil && !key.ExpiresAt.After(store.Now()):
		return nil, errKeyExpired
	}
	owner, err := c.User.Query().Where(user.ID(key.OwnerID)).Only(ctx)
	switch {
	case gen.IsNotFound(err):
		return nil, errKeyInvalid
	case err != nil:
		return nil, fmt.Errorf("look up the owner of an API key: %w", err)
	case !slices.Contains(keyOwners(), auth.Role(owner.Role)):
		return nil, errKeyInvalid
	}
	return key, nil
}

// viewerOf is who asks with the key: no more than a SERVICE, whoever owns it.
func viewerOf(key *gen.ApiKey) auth.Viewer {
	v := auth.Viewer{ID: key.OwnerID, Role: auth.RoleService, Key: key.ID, Scopes: auth.ScopesOf(key.Scopes...)}
	if key.ExpiresAt != nil {
		v.Expires = *key.ExpiresAt
	}
	return v
}

// forget makes the next call with the key of that hash look it up again.
func (k *keyring) forget(hash []byte) {
	d := digest(hash)
	k.forgetting.Lock()
	k.forgotten++
	k.known.Remove(d)
	k.forgetting.Unlock()
	k.flight.Forget(string(d[:]))
}

// stamp writes down, beside the call, that the key is in use in this minute,
// and gives the last minute for which this process did so. A use that finds no
// place, or a database that does not take it, is made up for by a later one.
func (k *keyring) stamp(ctx context.Context, d digest, key *gen.ApiKey) time.Time {
	minute := store.Now().Truncate(time.Minute)
	last, _ := k.known.Peek(d)
	if !last.stamped.Before(minute) || key.LastUsedAt != nil && !key.LastUsedAt.Before(minute) {
		return last.stamped
	}
	select {
	case k.stamping <- struct{}{}:
	default:
		return last.stamped
	}
	go func() {
		defer func() { <-k.stamping }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
		defer cancel()
		if err := k.used(ctx, key.ID, minute); err != nil {
			slog.WarnContext(ctx, "the use of an API key was not written down", "key", key.ID, "error", err)
		}
	}()
	return minute
}
