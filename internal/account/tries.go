package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"time"

	"parley/internal/apperr"
)

// tries counts the failed sign-ins to one account from one address, and from
// that address to any account. Others who use the account from elsewhere are
// not locked out.
type tries struct {
	s                *Service
	account, address string
}

// pairKey is short and no one's address in plain, whatever was typed.
func (t tries) pairKey() string {
	sum := sha256.Sum256([]byte(t.account + "\x00" + t.address))
	return "signin:pair:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

func (t tries) addressKey() string { return "signin:address:" + t.address }

// check refuses a try after too many failures.
func (t tries) check(ctx context.Context) error { return t.add(ctx, 0) }

// failed counts a failure and gives the answer to it. Of tries that run at the
// same time, those beyond the limit don't learn whether they were right.
func (t tries) failed(ctx context.Context) error {
	if err := t.add(ctx, 1); err != nil {
		return err
	}
	return apperr.New(apperr.Unauthenticated, "E-mail address or password is wrong.")
}

// succeeded forgets the failures of the pair. Those of the address stay: one
// account of one's own must not help to try others.
func (t tries) succeeded(ctx context.Context) {
	if err := t.s.counters.Forget(ctx, t.pairKey()); err != nil {
		slog.WarnContext(ctx, "failed sign-ins were not forgotten", "error", err) // they expire
	}
}

func (t tries) add(ctx context.Context, failures int64) error {
	for _, counter := range []struct {
		key  string
		most int64
	}{{t.pairKey(), t.s.cfg.MaxFailures}, {t.addressKey(), 10 * t.s.cfg.MaxFailures}} {
		n, left, err := t.s.counters.Count(ctx, counter.key, failures, t.s.cfg.FailureWindow)
		if err != nil {
			return apperr.Wrap(err, apperr.Unavailable, "Signing in does not work at the moment. Try again soon.")
		}
		if n-failures >= counter.most {
			return apperr.Limited(max(left, time.Second), "Too many failed sign-ins: wait before the next one.")
		}
	}
	return nil
}
