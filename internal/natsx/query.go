package natsx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"parley/internal/jobspec"
)

// Ask asks a query on a subject and gives the payload of the answer, which is wanted
// until the deadline of ctx, 10 seconds without one. It fails at once with
// jobspec.ErrNoWorker where nobody listens, with the error of ctx, or with a
// *jobspec.Failure.
func (b *Bus) Ask(ctx context.Context, subject string, payload any) (json.RawMessage, error) {
	ctx, end := context.WithTimeout(ctx, callTimeout)
	defer end()
	deadline, _ := ctx.Deadline()
	data, err := query(payload, time.Until(deadline))
	if err != nil {
		return nil, err
	}
	reply, err := b.conn.RequestWithContext(ctx, subject, data)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, jobspec.ErrNoWorker
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, b.explain("ask on "+subject, err)
	}
	var a jobspec.Answer
	if err := json.Unmarshal(reply.Data, &a); err != nil {
		return nil, fmt.Errorf("read the answer on %s: %w", subject, err)
	}
	if a.Failure != nil {
		return nil, a.Failure
	}
	return a.Payload, nil
}

func query(payload any, within time.Duration) ([]byte, error) {
	own, err := json.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("encode a query: %w", err)
	}
	data, err := json.Marshal(jobspec.Query{Within: max(1, within.Milliseconds()), Payload: own})
	if err != nil {
		return nil, fmt.Errorf("encode a query: %w", err)
	}
	return data, nil
}
