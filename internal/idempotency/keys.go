// Package idempotency makes calls that are repeated with the same key do their
// work once: the first one's answer is given again for a day.
package idempotency

import (
	"context"
	"errors"
	"time"

	"parley/internal/apperr"
	"parley/internal/event"
	"parley/internal/store"
)

const (
	// Lifetime is how long a key is remembered.
	Lifetime = 24 * time.Hour
	// MaxKey is how long a key may be, in bytes.
	MaxKey = 200
)

// Keys remembers the keys of calls and what these were answered. What it writes
// is in the transaction of the work itself: work that fails leaves no key.
type Keys struct {
	store *store.Store
	log   *event.Log
}

// New makes Keys over a database and its event log.
func New(s *store.Store, log *event.Log) *Keys { return &Keys{store: s, log: log} }

// CheckKey refuses what can't be a key, at path; nil is no key.
func CheckKey(key *string, path ...string) error {
	if key == nil || *key != "" && len(*key) <= MaxKey && store.Storable(*key) {
		return nil
	}
	e := apperr.New(apperr.BadInput, "An idempotency key has 1 to %d bytes of UTF-8 without NUL characters.", MaxKey)
	e.Path = path
	return e
}

// Call is a call that may be repeated.
type Call struct {
	// Owner is whose key it is, Operation what it is for: keys of others and of
	// other operations don't meet.
	Owner, Operation string
	// Key is the client's; without one the call is never taken for a repeated one.
	Key *string
	// Input is what a repeated call must have in common with the first, and is
	// compared as JSON.
	Input any
}

// Answer is what a call is answered.
type Answer struct {
	// Values are what the work gave: ids, as a rule.
	Values []string
	// Cursor is the place in the event log before everything that the work wrote.
	Cursor event.Cursor
	// Repeated is true when an earlier call with the same key did the work.
	Repeated bool
}

// Once runs work in a transaction. With a key, a second call with the same input
// gives the first one's answer, and one with another input is
// IDEMPOTENCY_MISMATCH. Calls with one key at the same time wait for each other.
// work gives the values of the answer.
func (k *Keys) Once(ctx context.Context, call Call, work func(ctx context.Context) ([]string, error)) (Answer, error) {
	claim, err := call.claim()
	if err != nil {
		return Answer{}, err
	}
	var answer Answer
	err = k.store.Tx(ctx, func(ctx context.Context) error {
		if claim != nil {
			earlier, err := k.Claim(ctx, []*Claim{claim})
			if err != nil {
				return err
			}
			if e, ok := earlier[claim]; ok {
				answer = e.Answer
				return e.Err
			}
		}
		head, err := k.log.Head(ctx)
		if err != nil {
			return err
		}
		values, err := work(ctx)
		if err != nil {
			return err
		}
		answer = Answer{Values: values, Cursor: k.log.Cursor(head)}
		if claim == nil {
			return nil
		}
		return k.setAnswer(ctx, claim, values, head)
	})
	if err != nil {
		return Answer{}, err
	}
	return answer, nil
}

// Earlier gives the answer of an earlier call with the same key, and whether there was one,
// for calls that check outside of their transaction what may have changed since: the first
// answer holds whatever has. It fails as Once does.
func (k *Keys) Earlier(ctx context.Context, call Call) (answer Answer, ok bool, err error) {
	if call.Key == nil {
		return Answer{}, false, nil
	}
	answer, err = k.Once(ctx, call, func(context.Context) ([]string, error) { return nil, errFirst })
	if errors.Is(err, errFirst) {
		return Answer{}, false, nil
	}
	return answer, err == nil, err
}

// errFirst takes back what Once noted of a call that is the first one.
var errFirst = errors.New("no call before this had the key")

func (c Call) claim() (*Claim, error) {
	if c.Key == nil {
		return nil, nil //nolint:nilnil // no key, no claim
	}
	if err := CheckKey(c.Key, "input", "idempotencyKey"); err != nil {
		return nil, err
	}
	return NewClaim(c.Owner, c.Operation, *c.Key, c.Input)
}
