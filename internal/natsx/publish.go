package natsx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"parley/internal/jobspec"
)

// Why a message was not stored on JOBS. Every other error of PublishJob means
// that it is not known whether it was; the same call again is safe.
var (
	// ErrDuplicate: this attempt has been stored before, within the stream's
	// window. To the relay that is success.
	ErrDuplicate = errors.New("this attempt was published before")
	// ErrOccupied: a message of the same run is still on the stream, waiting or
	// held by a worker.
	ErrOccupied = errors.New("the run still has a message in the queue")
	// ErrFull: the stream is at its limit.
	ErrFull = errors.New("the queue is full")
)

// Error codes of the JetStream API (nats-server, errors.json).
const (
	codeStoreFailed     jetstream.ErrorCode = 10077
	codeNoResources     jetstream.ErrorCode = 10023
	codeStorageExceeded jetstream.ErrorCode = 10047
)

// publishWindow is how many messages PublishJobs keeps unacknowledged.
const publishWindow = 1024

// PublishJob stores one attempt on JOBS and returns when it is stored. Errors:
// ErrDuplicate, ErrOccupied, ErrFull, or anything else for "not known".
func (b *Bus) PublishJob(ctx context.Context, j jobspec.Job) error {
	return b.PublishJobs(ctx, []jobspec.Job{j})[0]
}

// PublishJobs stores many attempts without waiting for one before the next, and
// returns one error for each, in order, as PublishJob does.
func (b *Bus) PublishJobs(ctx context.Context, jobs []jobspec.Job) []error {
	errs := make([]error, len(jobs))
	futures := make([]jetstream.PubAckFuture, len(jobs))
	settle := func(i int) {
		if futures[i] != nil {
			errs[i] = jobError(await(ctx, futures[i]))
		}
	}
	for i, j := range jobs {
		if i >= publishWindow {
			settle(i - publishWindow)
		}
		if err := ctx.Err(); err != nil {
			errs[i] = fmt.Errorf("publish job: %w", err)
			continue
		}
		m, err := jobMessage(j)
		if err == nil {
			futures[i], err = b.js.PublishMsgAsync(m)
		}
		if err != nil {
			errs[i] = fmt.Errorf("publish job: %w", err)
		}
	}
	for i := max(0, len(jobs)-publishWindow); i < len(jobs); i++ {
		settle(i)
	}
	return errs
}

func jobMessage(j jobspec.Job) (*nats.Msg, error) {
	data, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	m := nats.NewMsg(jobspec.JobSubject(j.Kind, j.Pool, j.Lane, j.Run))
	m.Header.Set(jetstream.MsgIDHeader, j.MessageID())
	m.Data = data
	return m, nil
}

func await(ctx context.Context, f jetstream.PubAckFuture) (*jetstream.PubAck, error) {
	select {
	case ack := <-f.Ok():
		return ack, nil
	case err := <-f.Err():
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func jobError(ack *jetstream.PubAck, err error) error {
	if err == nil {
		if ack.Duplicate {
			return ErrDuplicate
		}
		return nil
	}
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode {
		case codeStoreFailed:
			// One code for three limits; only the words tell them apart.
			if strings.Contains(api.Description, "per subject") {
				return ErrOccupied
			}
			return fmt.Errorf("%w: %s", ErrFull, api.Description)
		case codeNoResources, codeStorageExceeded:
			return fmt.Errorf("%w: %s", ErrFull, api.Description)
		}
	}
	return fmt.Errorf("publish job: %w", err)
}

// PublishResult stores a result on RESULTS and returns when it is stored. The
// same result again is stored once.
func (b *Bus) PublishResult(ctx context.Context, r jobspec.Result) error {
	m, err := resultMessage(r)
	if err != nil {
		return err
	}
	f, err := b.js.PublishMsgAsync(m)
	if err == nil {
		_, err = await(ctx, f)
	}
	if err != nil {
		return fmt.Errorf("publish result: %w", err)
	}
	return nil
}

// SendResult hands a result to RESULTS without waiting for it to be stored. It
// keeps its place before whatever this Bus publishes later; lost with the
// connection, it is lost for good. For the types Started and Heartbeat.
func (b *Bus) SendResult(r jobspec.Result) error {
	m, err := resultMessage(r)
	if err != nil {
		return err
	}
	if err := b.conn.PublishMsg(m); err != nil {
		return fmt.Errorf("send result: %w", err)
	}
	return nil
}

func resultMessage(r jobspec.Result) (*nats.Msg, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	m := nats.NewMsg(jobspec.ResultSubject(r.Run, r.Type))
	m.Header.Set(jetstream.MsgIDHeader, r.MessageID())
	m.Data = data
	return m, nil
}
