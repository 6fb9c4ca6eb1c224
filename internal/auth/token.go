package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"

	"parley/internal/apperr"
)

const issuer = "parley"

// MinKeyBytes is the shortest signing key that Tokens takes.
const MinKeyBytes = 32

// Tokens issues and verifies access tokens: JWT signed with HS256
// (RFC 7518), which carry the user, the role and the session.
type Tokens struct {
	key      []byte
	lifetime time.Duration
	parser   *jwt.Parser
	// verified saves the signature check for tokens that come again and again.
	verified *lru.Cache[[sha256.Size]byte, verified]
}

type verified struct {
	viewer  Viewer
	expires time.Time
}

type claims struct {
	jwt.RegisteredClaims
	Role    Role   `json:"role"`
	Session string `json:"sid"`
}

// NewTokens makes Tokens with a key of at least MinKeyBytes.
func NewTokens(key []byte, lifetime time.Duration) (*Tokens, error) {
	if len(key) < MinKeyBytes {
		return nil, fmt.Errorf("the signing key has %d bytes, it needs %d", len(key), MinKeyBytes)
	}
	cache, err := lru.New[[sha256.Size]byte, verified](10_000)
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithIssuer(issuer), jwt.WithExpirationRequired())
	return &Tokens{key: key, lifetime: lifetime, parser: parser, verified: cache}, nil
}

// Issue gives an access token for v and when it expires.
func (t *Tokens) Issue(v Viewer) (string, time.Time, error) {
	at := time.Now()
	expires := at.Add(t.lifetime).Truncate(time.Second)
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Subject: v.ID,
			IssuedAt: jwt.NewNumericDate(at), ExpiresAt: jwt.NewNumericDate(expires),
		},
		Role: v.Role, Session: v.Session,
	}).SignedString(t.key)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign an access token: %w", err)
	}
	return signed, expires, nil
}

// Verify gives the viewer of an access token and when it expires, or
// UNAUTHENTICATED with what is wrong.
func (t *Tokens) Verify(token string) (Viewer, time.Time, error) {
	digest := sha256.Sum256([]byte(token))
	if v, ok := t.verified.Get(digest); ok {
		if time.Now().Before(v.expires) {
			return v.viewer, v.expires, nil
		}
		t.verified.Remove(digest)
	}
	var c claims
	_, err := t.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return t.key, nil })
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return Viewer{}, time.Time{}, apperr.Wrap(err, apperr.Unauthenticated, "The access token has expired: refresh it or sign in again.")
	case err != nil, c.Subject == "", !c.Role.Valid():
		return Viewer{}, time.Time{}, apperr.Wrap(err, apperr.Unauthenticated, "The access token is not valid here: sign in again.")
	}
	v := verified{Viewer{ID: c.Subject, Role: c.Role, Session: c.Session, Expires: c.ExpiresAt.Time}, c.ExpiresAt.Time}
	t.verified.Add(digest, v)
	return v.viewer, v.expires, nil
}

// KeyPrefix begins the secret of every API key.
const KeyPrefix = "pak_"

// IsKey tells whether a token claims to be the secret of an API key.
func IsKey(token string) bool { return strings.HasPrefix(token, KeyPrefix) }

// SecretBytes is how many random bytes a secret from NewSecret holds.
const SecretBytes = 32

// NewSecret makes a random secret of 256 bits, URL-safe, behind a prefix that
// tells secret scanners what it is.
func NewSecret(prefix string) (string, error) {
	var raw [SecretBytes]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	return prefix + base64.RawURLEncoding.EncodeToString(raw[:]), nil
}

// HashSecret gives what is kept of a secret from NewSecret. A plain digest is
// enough: nobody can guess 256 random bits.
func HashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
