package job

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"parley/ent/gen/idempotencykey"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/store"
)

// keyLifetime is how long an idempotency key is remembered.
const keyLifetime = 24 * time.Hour

// Answer is what a mutation answers: ids, and the place in the event log after
// which its own events lie.
type Answer struct {
	IDs    []string
	Cursor event.Cursor
	// Repeated is true when an earlier call with the same key did the work.
	Repeated bool
}

// Once runs fn in a transaction. With a key, a second call of the same owner
// and operation with the same input gives the first one's answer, and one with
// another input is IDEMPOTENCY_MISMATCH. fn gives the ids to answer. The
// answer's cursor lies before everything that fn writes.
func (s *Service) Once(ctx context.Context, operation string, key *string, input any, fn func(ctx context.Context) ([]string, error)) (Answer, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return Answer{}, err
	}
	fingerprint, err := checkKey(key, input)
	if err != nil {
		return Answer{}, err
	}
	var answer Answer
	attempt := func(ctx context.Context) error {
		if key != nil {
			found, err := s.remembered(ctx, viewer.ID, operation, *key, fingerprint)
			if err != nil || found != nil {
				if found != nil {
					answer = *found
				}
				return err
			}
		}
		head, err := s.log.Head(ctx)
		if err != nil {
			return err
		}
		ids, err := fn(ctx)
		if err != nil {
			return err
		}
		answer = Answer{IDs: ids, Cursor: s.log.Cursor(head)}
		if key == nil {
			return nil
		}
		return s.store.Client(ctx).IdempotencyKey.Create().SetID(store.NewID("idem")).SetOwnerID(viewer.ID).
			SetOperation(operation).SetKey(*key).SetFingerprint(fingerprint).SetAnswer(ids).SetPosition(head).Exec(ctx)
	}
	err = s.store.Tx(ctx, attempt)
	if key != nil && store.Duplicate(err) {
		// Another call with this key committed in between: give its answer.
		err = s.store.Tx(ctx, attempt)
	}
	return answer, err
}

func checkKey(key *string, input any) (string, error) {
	if key == nil {
		return "", nil
	}
	if *key == "" || len(*key) > 200 || !store.Storable(*key) {
		return "", apperr.Input("idempotencyKey", "An idempotency key has 1 to 200 bytes of UTF-8 without NUL characters.")
	}
	data, err := json.Marshal(input)
	if err != nil {
		return "", fmt.Errorf("fingerprint an input: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

func (s *Service) remembered(ctx context.Context, owner, operation, key, fingerprint string) (*Answer, error) {
	ctx = auth.System(ctx, "job.idempotency")
	rows, err := s.store.Client(ctx).IdempotencyKey.Query().Where(
		idempotencykey.OwnerID(owner), idempotencykey.Operation(operation), idempotencykey.Key(key)).All(ctx)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	row := rows[0]
	if store.Now().Sub(row.CreatedAt) >= keyLifetime {
		// Another call may delete it at the same time: no row is no failure.
		_, err := s.store.Client(ctx).IdempotencyKey.Delete().Where(idempotencykey.ID(row.ID)).Exec(ctx)
		return nil, err
	}
	if row.Fingerprint != fingerprint {
		return nil, apperr.New(apperr.IdempotencyMismatch, "This idempotency key was used with another input.")
	}
	return &Answer{IDs: row.Answer, Cursor: s.log.Cursor(row.Position), Repeated: true}, nil
}

// ForgetKeys deletes the idempotency keys that have expired.
func (s *Service) ForgetKeys(ctx context.Context) (int, error) {
	ctx = auth.System(ctx, "job.idempotency")
	var n int
	err := s.store.Tx(ctx, func(ctx context.Context) (err error) {
		n, err = s.store.Client(ctx).IdempotencyKey.Delete().
			Where(idempotencykey.CreatedAtLT(store.Now().Add(-keyLifetime))).Exec(ctx)
		return err
	})
	return n, err
}
