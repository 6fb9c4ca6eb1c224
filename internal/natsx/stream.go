package natsx

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"parley/internal/jobspec"
)

// cancelAge is how long a run's cancelled flag is kept: longer than any attempt.
// recordAge is the same for how far its attempts have come.
const (
	cancelAge = 24 * time.Hour
	recordAge = 24 * time.Hour
)

// EnsureStreams makes JOBS, RESULTS and the buckets what they must be. It creates what is missing, brings limits up to date and leaves
// everything else, the number of replicas for example, as it finds it.
func (b *Bus) EnsureStreams(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := b.ensureStream(ctx, jobspec.StreamJobs, b.jobsConfig); err != nil {
		return err
	}
	if err := b.ensureStream(ctx, jobspec.StreamResults, b.resultsConfig); err != nil {
		return err
	}
	return b.ensureBuckets(ctx)
}

func (b *Bus) jobsConfig(c *jetstream.StreamConfig) {
	c.Description = "work from the API to the workers: one message per run"
	c.Subjects = []string{jobspec.SubjectJobsAll}
	c.Retention = jetstream.WorkQueuePolicy
	c.Storage = jetstream.FileStorage
	c.Discard = jetstream.DiscardNew
	c.DiscardNewPerSubject = true
	c.MaxMsgsPerSubject = 1
	c.MaxMsgs = b.limits.MaxJobs
	c.MaxBytes = b.limits.MaxJobBytes
	c.Duplicates = b.limits.JobWindow
	c.AllowDirect = true
}

func (b *Bus) resultsConfig(c *jetstream.StreamConfig) {
	c.Description = "what became of an attempt, from the workers to the recorder"
	c.Subjects = []string{jobspec.SubjectResultsAll}
	c.Retention = jetstream.WorkQueuePolicy
	c.Storage = jetstream.FileStorage
	c.Discard = jetstream.DiscardNew
	c.MaxBytes = b.limits.MaxResultBytes
	c.Duplicates = b.limits.ResultWindow
}

func (b *Bus) ensureStream(ctx context.Context, name string, set func(*jetstream.StreamConfig)) error {
	s, err := b.js.Stream(ctx, name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		c := jetstream.StreamConfig{Name: name, Replicas: b.limits.Replicas}
		set(&c)
		// Another process may be creating it at this moment: the same settings
		// are no conflict.
		if _, err = b.js.CreateOrUpdateStream(ctx, c); err != nil {
			return b.explain("create the stream "+name, err)
		}
		return nil
	case err != nil:
		return b.explain("look up the stream "+name, err)
	}
	is := s.CachedInfo().Config
	want := is
	set(&want)
	if reflect.DeepEqual(is, want) {
		return nil
	}
	if _, err := b.js.UpdateStream(ctx, want); err != nil {
		return b.explain("update the stream "+name, err)
	}
	return nil
}

// ensureBuckets makes the buckets that are missing.
func (b *Bus) ensureBuckets(ctx context.Context) error {
	for _, c := range []jetstream.KeyValueConfig{
		{Bucket: jobspec.BucketCancel, Description: "runs whose result nobody wants any more", TTL: cancelAge},
		{Bucket: jobspec.BucketRecords, Description: "how far attempts have come", TTL: recordAge, MaxBytes: b.limits.MaxRecordBytes},
	} {
		_, err := b.js.KeyValue(ctx, c.Bucket)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			c.History, c.Storage, c.Replicas = 1, jetstream.FileStorage, b.limits.Replicas
			_, err = b.js.CreateOrUpdateKeyValue(ctx, c)
		}
		if err != nil {
			return b.explain("open the bucket "+c.Bucket, err)
		}
	}
	return nil
}

// explain adds what was tried, and says in words what an operator can act on.
func (b *Bus) explain(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("NATS at %s has JetStream switched off (start the server with -js): %w", b.address, err)
	}
	return fmt.Errorf("NATS at %s: %s: %w", b.address, what, err)
}
