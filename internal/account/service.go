package account

import (
	"context"
	"fmt"
	"strings"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/refreshtoken"
	"parley/ent/gen/user"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/cache"
	"parley/internal/event"
	"parley/internal/idempotency"
	"parley/internal/store"
)

// Config sets how long sessions live, how often a wrong password may be tried,
// and what bounds API keys; zero values mean the defaults.
type Config struct {
	// RefreshLifetime is how long a refresh token can be used: 30 days.
	RefreshLifetime time.Duration
	// MaxFailures is how many failed sign-ins an account from one address, or
	// an address over all accounts times ten, has in FailureWindow: 10 in 15
	// minutes.
	MaxFailures   int64
	FailureWindow time.Duration
	// MaxKeys is how many working API keys an account may have: 100.
	MaxKeys int
	// KeyMemory is how long a process believes what it read of an API key, and
	// so how long a key may still work in other processes after it was revoked: a
	// second.
	KeyMemory time.Duration
}

func (c Config) withDefaults() Config {
	if c.RefreshLifetime <= 0 {
		c.RefreshLifetime = 30 * 24 * time.Hour
	}
	if c.MaxFailures <= 0 {
		c.MaxFailures = 10
	}
	if c.FailureWindow <= 0 {
		c.FailureWindow = 15 * time.Minute
	}
	if c.MaxKeys <= 0 {
		c.MaxKeys = 100
	}
	if c.KeyMemory <= 0 {
		c.KeyMemory = time.Second
	}
	return c
}

// Service keeps accounts, sessions and API keys.
type Service struct {
	store     *store.Store
	log       *event.Log
	tokens    *auth.Tokens
	passwords *auth.Passwords
	counters  cache.Cache
	cfg       Config
	keys      *keyring
	calls     *idempotency.Keys
	// decoy is checked when there is no such account, so that the time of an
	// answer does not tell which addresses have one.
	decoy string
}

// New makes the service. counters keeps the failed sign-ins.
func New(ctx context.Context, s *store.Store, log *event.Log, tokens *auth.Tokens, counters cache.Cache, cfg Config) (*Service, error) {
	passwords := auth.NewPasswords()
	decoy, err := passwords.Hash(ctx, "no account has this password")
	if err != nil {
		return nil, fmt.Errorf("make the decoy hash: %w", err)
	}
	cfg = cfg.withDefaults()
	keys, err := newKeyring(s, cfg.KeyMemory)
	if err != nil {
		return nil, err
	}
	return &Service{store: s, log: log, tokens: tokens, passwords: passwords, counters: counters, cfg: cfg, keys: keys, calls: idempotency.New(s, log), decoy: decoy}, nil
}

// SignUp makes a USER and signs in.
func (s *Service) SignUp(ctx context.Context, in SignUpInput) (*Session, error) {
	return s.signUp(ctx, in, auth.RoleUser)
}

// Create makes an account with a role, for the command line.
func (s *Service) Create(ctx context.Context, in SignUpInput, role auth.Role) (*gen.User, error) {
	if !role.Valid() {
		return nil, errNoRole
	}
	session, err := s.signUp(ctx, in, role)
	if err != nil {
		return nil, err
	}
	return session.User, nil
}

func (s *Service) signUp(ctx context.Context, in SignUpInput, role auth.Role) (*Session, error) {
	if err := in.Validate(); err != nil {
		return nil, err
	}
	hash, err := s.passwords.Hash(ctx, in.Password)
	if err != nil {
		return nil, err
	}
	ctx = auth.System(ctx, "account.signUp")
	var session *Session
	cursor, err := s.log.Tx(ctx, func(ctx context.Context) error {
		u, err := s.store.Client(ctx).User.Create().SetID(store.NewID("user")).SetEmail(in.Email).
			SetEmailKey(emailKey(in.Email)).SetPasswordHash(hash).SetRole(user.Role(role)).Save(ctx)
		if err != nil {
			return err
		}
		session, err = s.openSession(ctx, u, store.NewID("sess"))
		return err
	})
	if store.Duplicate(err) {
		taken := apperr.Wrap(err, apperr.Conflict, "There is an account with this e-mail address already.")
		taken.Path = []string{"input", "email"}
		return nil, taken
	}
	if err != nil {
		return nil, err
	}
	session.Cursor = cursor
	return session, nil
}

// SignIn opens a session. address is the client's, for the limit on failures.
func (s *Service) SignIn(ctx context.Context, in SignInInput, address string) (*Session, error) {
	tries := tries{s, emailKey(in.Email), address}
	if err := tries.check(ctx); err != nil {
		return nil, err
	}
	ctx = auth.System(ctx, "account.signIn")
	u, err := s.find(ctx, in, tries.account)
	if err != nil {
		return nil, err
	}
	if u == nil {
		return nil, tries.failed(ctx)
	}
	// Tries that ran beside this one may have used up the limit since.
	if err := tries.check(ctx); err != nil {
		return nil, err
	}
	tries.succeeded(ctx)
	var session *Session
	cursor, err := s.log.Tx(ctx, func(ctx context.Context) (err error) {
		session, err = s.openSession(ctx, u, store.NewID("sess"))
		return err
	})
	if err != nil {
		return nil, err
	}
	session.Cursor = cursor
	return session, nil
}

// find gives the account with this address and password, or nil, after the
// same work whether there is such an address or not.
func (s *Service) find(ctx context.Context, in SignInInput, key string) (*gen.User, error) {
	var u *gen.User
	hash := s.decoy
	if checkEmail(strings.TrimSpace(in.Email)) == nil {
		var err error
		u, err = s.store.Client(ctx).User.Query().Where(user.EmailKey(key)).Only(ctx)
		if err != nil && !gen.IsNotFound(err) {
			return nil, fmt.Errorf("find an account: %w", err)
		}
	}
	if u != nil {
		hash = u.PasswordHash
	}
	ok, err := s.passwords.Matches(ctx, in.Password, hash)
	if err != nil {
		return nil, fmt.Errorf("check a password: %w", err)
	}
	if !ok {
		return nil, nil //nolint:nilnil // nil is the documented "no such account"
	}
	return u, nil
}

// openSession issues the tokens of a session.
func (s *Service) openSession(ctx context.Context, u *gen.User, sessionID string) (*Session, error) {
	access, expires, err := s.tokens.Issue(auth.Viewer{ID: u.ID, Role: auth.Role(u.Role), Session: sessionID})
	if err != nil {
		return nil, err
	}
	secret, err := auth.NewSecret("prt_")
	if err != nil {
		return nil, err
	}
	err = s.store.Client(ctx).RefreshToken.Create().SetID(store.NewID("rt")).SetUserID(u.ID).SetSessionID(sessionID).
		SetTokenHash(auth.HashSecret(secret)).SetExpiresAt(store.Now().Add(s.cfg.RefreshLifetime)).Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("keep a refresh token: %w", err)
	}
	return &Session{User: u, AccessToken: access, ExpiresAt: expires, RefreshToken: secret}, nil
}

var errRefused = apperr.New(apperr.Unauthenticated, "The refresh token is not valid: sign in again.")

// Refresh trades a refresh token for a new one and a new access token, as long
// as which the session's open connections now last. A token that was traded
// before is a sign of theft: its whole session ends.
func (s *Service) Refresh(ctx context.Context, in RefreshInput) (*Session, error) {
	ctx = auth.System(ctx, "account.refresh")
	var session *Session
	reused := false
	cursor, err := s.log.Tx(ctx, func(ctx context.Context) error {
		session, reused = nil, false
		q := store.ForUpdate(s.store, s.store.Client(ctx).RefreshToken.Query().Where(refreshtoken.TokenHash(auth.HashSecret(in.RefreshToken))))
		token, err := q.Only(ctx)
		if gen.IsNotFound(err) {
			return errRefused
		} else if err != nil {
			return err
		}
		if token.UsedAt != nil && token.RevokedAt == nil {
			reused = true
			return s.end(ctx, token.UserID, token.SessionID)
		}
		if token.RevokedAt != nil || !token.ExpiresAt.After(store.Now()) {
			return errRefused
		}
		if err := token.Update().SetUsedAt(store.Now()).Exec(ctx); err != nil {
			return err
		}
		u, err := s.store.Client(ctx).User.Get(ctx, token.UserID)
		if gen.IsNotFound(err) {
			return errRefused
		} else if err != nil {
			return err
		}
		if session, err = s.openSession(ctx, u, token.SessionID); err != nil {
			return err
		}
		return s.tell(ctx, u.ID, event.Change{
			Type: TypeSessionChanged, Object: token.SessionID, State: SessionExtended, Version: session.ExpiresAt.Unix(),
		})
	})
	if err != nil {
		return nil, err
	}
	if reused {
		return nil, apperr.New(apperr.Unauthenticated, "This refresh token was used before, so its session has ended: sign in again.")
	}
	session.Cursor = cursor
	return session, nil
}

// SignOut ends the viewer's session: none of its refresh tokens works again, and
// its open connections end.
func (s *Service) SignOut(ctx context.Context) error {
	v, err := auth.Require(ctx)
	if err != nil {
		return err
	}
	ctx = auth.System(ctx, "account.signOut")
	return s.store.Tx(ctx, func(ctx context.Context) error { return s.end(ctx, v.ID, v.Session) })
}

// end revokes what is left of a session and tells its connections.
func (s *Service) end(ctx context.Context, account, session string) error {
	total := 0
	// A refresh that this waited for may have made a token that the statement did
	// not see on Postgres; the next one does.
	for n := -1; n != 0; total += n {
		var err error
		if n, err = s.store.Client(ctx).RefreshToken.Update().
			Where(refreshtoken.SessionID(session), refreshtoken.RevokedAtIsNil()).SetRevokedAt(store.Now()).Save(ctx); err != nil {
			return err
		}
	}
	if total == 0 {
		return nil
	}
	return s.tell(ctx, account, event.Change{Type: TypeSessionChanged, Object: session, State: SessionEnded})
}

var errNoAccount = apperr.New(apperr.Unauthenticated, "This account no longer exists: sign up again.")

// Viewer gives the signed-in user.
func (s *Service) Viewer(ctx context.Context) (*gen.User, error) {
	v, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	u, err := s.store.Client(ctx).User.Get(ctx, v.ID)
	if gen.IsNotFound(err) {
		return nil, errNoAccount
	}
	return u, err
}

// Get gives a user whom the viewer may see.
func (s *Service) Get(ctx context.Context, id string) (*gen.User, error) {
	if err := store.CheckID("user", id, "id"); err != nil {
		return nil, err
	}
	u, err := s.store.Client(ctx).User.Get(ctx, id)
	return u, store.Found(err, "user")
}

// ForgetExpired deletes refresh tokens that can no longer be used.
func (s *Service) ForgetExpired(ctx context.Context) (int, error) {
	ctx = auth.System(ctx, "account.expire")
	var n int
	err := s.store.Tx(ctx, func(ctx context.Context) (err error) {
		n, err = s.store.Client(ctx).RefreshToken.Delete().Where(refreshtoken.ExpiresAtLT(store.Now())).Exec(ctx)
		return err
	})
	return n, err
}
