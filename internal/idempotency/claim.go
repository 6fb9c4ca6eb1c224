package idempotency

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"parley/internal/apperr"
)

// Claim is the wish to be the first call with a key. Writers of many calls claim
// the keys of all of them at once.
type Claim struct {
	// ID is equal for claims of the same key.
	ID string
	// Answer is what those who come later are told, About the object with which
	// the claim is erased, if any. Both are set before the key is claimed.
	Answer []string
	About  string

	owner, operation, fingerprint string
}

// NewClaim makes the claim of an owner's key for an operation. The input is
// compared as JSON with that of other calls. The key was checked by CheckKey.
func NewClaim(owner, operation, key string, input any) (*Claim, error) {
	data, err := json.Marshal(input)
	if err != nil {
		return nil, fmt.Errorf("fingerprint the input of %s: %w", operation, err)
	}
	sum := sha256.Sum256(data)
	// The key comes last, so that no two different claims are joined to one text.
	id := sha256.Sum256([]byte(owner + "\x00" + operation + "\x00" + key))
	return &Claim{
		ID: base64.RawURLEncoding.EncodeToString(id[:]), owner: owner, operation: operation,
		fingerprint: hex.EncodeToString(sum[:]),
	}, nil
}

var errMismatch = apperr.New(apperr.IdempotencyMismatch, "This idempotency key was used with another input.")

// Earlier is what an earlier call with a claim's key was answered.
type Earlier struct {
	Answer
	// Err is IDEMPOTENCY_MISMATCH when that call had another input.
	Err error
}

// Claim takes keys inside the transaction of the context. It gives what was
// answered to earlier calls with the same keys; the claims that it leaves out are
// held from now on, until they are released or expire. Of several claims with the
// same key the first is held: After tells what the others get.
//
// A transaction that claims a key which another one holds waits for its end.
func (k *Keys) Claim(ctx context.Context, claims []*Claim) (map[*Claim]Earlier, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	known := make(map[string]bool, len(claims))
	distinct := make([]*Claim, 0, len(claims))
	for _, c := range claims {
		if !known[c.ID] {
			known[c.ID], distinct = true, append(distinct, c)
		}
	}
	// All transactions claim in one order, so that two don't wait for each other.
	slices.SortFunc(distinct, func(a, b *Claim) int { return strings.Compare(a.ID, b.ID) })
	held, err := k.insert(ctx, distinct)
	if err != nil {
		return nil, err
	}
	if len(held) == len(distinct) {
		return nil, nil
	}
	found, err := k.find(ctx, distinct, held)
	if err != nil {
		return nil, err
	}
	earlier := map[*Claim]Earlier{}
	for _, c := range claims {
		if r := found[c.ID]; r != nil {
			earlier[c] = c.after(r.fingerprint, Answer{Values: r.answer, Cursor: k.log.Cursor(r.position), Repeated: true})
		}
	}
	return earlier, nil
}

// After gives what the claim gets when another one with the same key, which is
// held, comes first.
func (c *Claim) After(first *Claim) Earlier {
	return c.after(first.fingerprint, Answer{Values: first.Answer, Repeated: true})
}

func (c *Claim) after(fingerprint string, answer Answer) Earlier {
	if c.fingerprint != fingerprint {
		return Earlier{Err: errMismatch}
	}
	return Earlier{Answer: answer}
}
