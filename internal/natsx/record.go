package natsx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"parley/internal/jobspec"
)

// PutRecord keeps how far an attempt at a run has come, in place of what was kept
// before. An error means that it is not known whether it is kept.
func (b *Bus) PutRecord(ctx context.Context, run string, r jobspec.Record) error {
	bucket, err := b.bucket(ctx, jobspec.BucketRecords)
	if err != nil {
		return err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the record of run %s: %w", run, err)
	}
	if _, err := bucket.Put(ctx, run, data); err != nil {
		return fmt.Errorf("keep the record of run %s: %w", run, err)
	}
	return nil
}

// Record gives what was kept of a run; ok is false when nothing is.
func (b *Bus) Record(ctx context.Context, run string) (r jobspec.Record, ok bool, err error) {
	bucket, err := b.bucket(ctx, jobspec.BucketRecords)
	if err != nil {
		return r, false, err
	}
	entry, err := bucket.Get(ctx, run)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(entry.Value(), &r)
	}
	if err != nil {
		return jobspec.Record{}, false, fmt.Errorf("read the record of run %s: %w", run, err)
	}
	return r, true, nil
}

// DropRecord forgets what was kept of a run, without leaving a marker.
func (b *Bus) DropRecord(ctx context.Context, run string) error {
	stream, err := b.js.Stream(ctx, "KV_"+jobspec.BucketRecords)
	if err == nil {
		err = stream.Purge(ctx, jetstream.WithPurgeSubject("$KV."+jobspec.BucketRecords+"."+run))
	}
	if err != nil {
		return fmt.Errorf("drop the record of run %s: %w", run, err)
	}
	return nil
}

// custodyKey is where a run's custody lies beside its record.
func custodyKey(run string) string { return run + ".custody" }

// PutCustody keeps who has a run's attempt, and returns when that is stored.
func (b *Bus) PutCustody(ctx context.Context, run string, c jobspec.Custody) error {
	bucket, err := b.bucket(ctx, jobspec.BucketRecords)
	if err != nil {
		return err
	}
	data, err := json.Marshal(c)
	if err == nil {
		_, err = bucket.Put(ctx, custodyKey(run), data)
	}
	if err != nil {
		return fmt.Errorf("keep who has run %s: %w", run, err)
	}
	return nil
}

// Custody gives what is known of who has a run's attempt, the zero value for nothing and
// for what can't be understood: to ask again would not help.
func (b *Bus) Custody(ctx context.Context, run string) (c jobspec.Custody, err error) {
	bucket, err := b.bucket(ctx, jobspec.BucketRecords)
	if err != nil {
		return c, err
	}
	entry, err := bucket.Get(ctx, custodyKey(run))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read who has run %s: %w", run, err)
	}
	if err := json.Unmarshal(entry.Value(), &c); err != nil {
		b.log.Warn("who has a run can't be understood, as if nobody had it", "run", run, "error", err)
		return jobspec.Custody{}, nil
	}
	return c, nil
}

// DropCustody forgets who had a run's attempts.
func (b *Bus) DropCustody(ctx context.Context, run string) error {
	return b.DropRecord(ctx, custodyKey(run))
}
