package natsx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"parley/internal/jobspec"
)

// PurgeRun takes the messages of subject off JOBS and returns how many there
// were. The subject is a run's jobspec.JobSubject, or jobspec.JobRunFilter(run)
// when its kind, pool and lane are not at hand; that form searches the stream.
// A message that a worker holds is taken too; the worker is told by CancelRun.
func (b *Bus) PurgeRun(ctx context.Context, subject string) (int, error) {
	return b.purge(ctx, map[string]any{"filter": subject})
}

// PurgeRunUpTo is PurgeRun for those messages alone that JOBS was given up to the
// one with the number last.
func (b *Bus) PurgeRunUpTo(ctx context.Context, subject string, last uint64) (int, error) {
	return b.purge(ctx, map[string]any{"filter": subject, "seq": last + 1})
}

func (b *Bus) purge(ctx context.Context, what map[string]any) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	subject := what["filter"]
	request, err := json.Marshal(what)
	if err != nil {
		return 0, fmt.Errorf("purge %s: %w", subject, err)
	}
	// The client's own Purge does not say how many messages went.
	m, err := b.conn.RequestWithContext(ctx, "$JS.API.STREAM.PURGE."+jobspec.StreamJobs, request)
	if err != nil {
		return 0, fmt.Errorf("purge %s: %w", subject, err)
	}
	var answer struct {
		Purged int                 `json:"purged"`
		Error  *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return 0, fmt.Errorf("purge %s: %w", subject, err)
	}
	if answer.Error != nil {
		return 0, fmt.Errorf("purge %s: %w", subject, answer.Error)
	}
	return answer.Purged, nil
}

// QueuedRun tells whether JOBS holds a message for subject (see PurgeRun for its
// two forms), waiting or in the hands of a worker.
func (b *Bus) QueuedRun(ctx context.Context, subject string) (bool, error) {
	queued, err := b.queued(ctx, subject)
	return len(queued) > 0, err
}

// QueuedSubjects gives all subjects with a message on JOBS that match filter,
// for example jobspec.SubjectJobsAll. One call serves a rescuer that has many
// runs to look up.
func (b *Bus) QueuedSubjects(ctx context.Context, filter string) (map[string]struct{}, error) {
	queued, err := b.queued(ctx, filter)
	if err != nil {
		return nil, err
	}
	set := make(map[string]struct{}, len(queued))
	for subject := range queued {
		set[subject] = struct{}{}
	}
	return set, nil
}

func (b *Bus) queued(ctx context.Context, filter string) (map[string]uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	s, err := b.js.Stream(ctx, jobspec.StreamJobs)
	if err != nil {
		return nil, b.explain("look up the stream "+jobspec.StreamJobs, err)
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, b.explain("list "+filter, err)
	}
	return info.State.Subjects, nil
}

// CancelRun tells whoever works on the run, now or later, to leave it: a flag
// in the bucket that workers read at the start and with every heartbeat, and a
// message that makes it quick. The flag covers every attempt at the run for 24
// hours; RestoreRun takes it back.
func (b *Bus) CancelRun(ctx context.Context, run string) error {
	return b.flagRun(ctx, run, jobspec.FlagCancelled)
}

// StopRun tells whoever works on the run, now or later, to give what there is so far as
// the result, in the way of CancelRun.
func (b *Bus) StopRun(ctx context.Context, run string) error {
	return b.flagRun(ctx, run, jobspec.FlagStopped)
}

func (b *Bus) flagRun(ctx context.Context, run string, flag jobspec.Flag) error {
	bucket, err := b.cancelBucket(ctx)
	if err != nil {
		return err
	}
	if _, err := bucket.PutString(ctx, run, string(flag)); err != nil {
		return fmt.Errorf("flag run %s: %w", run, err)
	}
	if err := b.conn.Publish(jobspec.CancelSubject(run), []byte(flag)); err != nil {
		return fmt.Errorf("flag run %s: %w", run, err)
	}
	return nil
}

// RestoreRun takes a run's flag back, before a new attempt at the same
// run is published.
func (b *Bus) RestoreRun(ctx context.Context, run string) error {
	bucket, err := b.cancelBucket(ctx)
	if err != nil {
		return err
	}
	if err := bucket.Purge(ctx, run); err != nil {
		return fmt.Errorf("restore run %s: %w", run, err)
	}
	return nil
}

// RunFlag reads the run's flag.
func (b *Bus) RunFlag(ctx context.Context, run string) (jobspec.Flag, error) {
	bucket, err := b.cancelBucket(ctx)
	if err != nil {
		return jobspec.FlagNone, err
	}
	entry, err := bucket.Get(ctx, run)
	switch {
	case err == nil:
		return jobspec.Flag(entry.Value()), nil
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return jobspec.FlagNone, nil
	}
	return jobspec.FlagNone, fmt.Errorf("read the flag of run %s: %w", run, err)
}

// WatchFlags calls flagged with every run in the bucket and then with each
// change, until ctx ends. It starts over by itself when the watch breaks, and
// then repeats what is there.
func (b *Bus) WatchFlags(ctx context.Context, flagged func(run string, flag jobspec.Flag)) error {
	retry := Backoff{First: 200 * time.Millisecond, Most: 10 * time.Second}
	for ctx.Err() == nil {
		if err := b.watchFlags(ctx, flagged, retry.Reset); err != nil && ctx.Err() == nil {
			b.log.Warn("the watch on flags of runs broke, starting over", "error", err)
		}
		retry.Wait(ctx)
	}
	return nil
}

func (b *Bus) watchFlags(ctx context.Context, flagged func(string, jobspec.Flag), alive func()) error {
	bucket, err := b.cancelBucket(ctx)
	if err != nil {
		return err
	}
	w, err := bucket.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("watch flags of runs: %w", err)
	}
	defer func() { _ = w.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case entry, open := <-w.Updates():
			if !open {
				return errors.New("the watch ended")
			}
			alive()
			// A nil entry says that everything present has been sent.
			if entry == nil {
				continue
			}
			flag := jobspec.FlagNone
			if entry.Operation() == jetstream.KeyValuePut {
				flag = jobspec.Flag(entry.Value())
			}
			flagged(entry.Key(), flag)
		}
	}
}

func (b *Bus) cancelBucket(ctx context.Context) (jetstream.KeyValue, error) {
	return b.bucket(ctx, jobspec.BucketCancel)
}

// bucket opens a bucket, once.
func (b *Bus) bucket(ctx context.Context, name string) (jetstream.KeyValue, error) {
	b.bucketMu.Lock()
	defer b.bucketMu.Unlock()
	if bucket, open := b.buckets[name]; open {
		return bucket, nil
	}
	bucket, err := b.js.KeyValue(ctx, name)
	if err != nil {
		return nil, b.explain("open the bucket "+name, err)
	}
	b.buckets[name] = bucket
	return bucket, nil
}
