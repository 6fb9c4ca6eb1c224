package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"parley/internal/apperr"
)

// Cost of one hash, as OWASP's password storage sheet recommends for argon2id.
const (
	argonMemoryKiB = 19 << 10
	argonTime      = 2
	argonThreads   = 1
	argonKeyLen    = 32
	argonSaltLen   = 16
)

// Passwords hashes passwords with argon2id (RFC 9106), two at a time: each
// takes 19 MiB, and a storm of sign-ins must not take all memory. Those who
// would wait behind too many others are refused.
type Passwords struct {
	admitted, slots chan struct{}
	derive          func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte
}

const (
	atOnce  = 2
	waiting = 500 // some 10 seconds of work on a slow core
)

// NewPasswords makes Passwords.
func NewPasswords() *Passwords {
	return &Passwords{admitted: make(chan struct{}, atOnce+waiting), slots: make(chan struct{}, atOnce), derive: argon2.IDKey}
}

var encoding = base64.RawStdEncoding

// Hash gives the PHC string of a password.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSaltLen)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	sum, err := p.run(ctx, password, salt, argonMemoryKiB, argonTime, argonThreads)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		argonMemoryKiB, argonTime, argonThreads, encoding.EncodeToString(salt), encoding.EncodeToString(sum)), nil
}

// Matches tells whether a password is the one of a PHC string.
func (p *Passwords) Matches(ctx context.Context, password, phc string) (bool, error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errors.New("the stored password hash is not argon2id")
	}
	var version, memory, passes int
	var threads uint8
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false, errors.New("the stored password hash has another version of argon2")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil {
		return false, fmt.Errorf("read the cost of a password hash: %w", err)
	}
	if memory < 1 || memory > 1<<21 || passes < 1 || passes > 100 || threads < 1 {
		return false, errors.New("the stored password hash has an impossible cost")
	}
	salt, err := encoding.DecodeString(parts[4])
	if err != nil {
		return false, fmt.Errorf("read the salt of a password hash: %w", err)
	}
	want, err := encoding.DecodeString(parts[5])
	if err != nil {
		return false, fmt.Errorf("read a password hash: %w", err)
	}
	got, err := p.run(ctx, password, salt, uint32(memory), uint32(passes), threads) //nolint:gosec // our own small numbers
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1, err
}

// run derives a key when it is this call's turn.
func (p *Passwords) run(ctx context.Context, password string, salt []byte, memory, passes uint32, threads uint8) ([]byte, error) {
	select {
	case p.admitted <- struct{}{}:
		defer func() { <-p.admitted }()
	default:
		busy := apperr.New(apperr.Unavailable, "Too many are signing in at the moment. Try again soon.")
		busy.RetryAfter = 5 * time.Second
		return nil, busy
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return p.derive([]byte(password), salt, passes, memory, threads, argonKeyLen), nil
}
