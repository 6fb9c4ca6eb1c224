package natsx_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"parley/internal/jobspec"
	"parley/internal/natsx"
)

func job(run string, attempt int) jobspec.Job {
	return jobspec.Job{
		Run: run, Attempt: attempt, Kind: jobspec.KindTranslate, Pool: "mini", Lane: jobspec.LaneInteractive,
		Payload: json.RawMessage(`{"text":"hello"}`),
	}
}

func subject(run string) string {
	return jobspec.JobSubject(jobspec.KindTranslate, "mini", jobspec.LaneInteractive, run)
}

func TestEnsureStreams_IsRepeatableAndBringsLimitsUpToDate(t *testing.T) {
	t.Parallel()
	eachServer(t, natsx.Limits{MaxJobs: 7}, func(t *testing.T, b *natsx.Bus) {
		prepare(t, b)
		s, err := b.JetStream().Stream(t.Context(), jobspec.StreamJobs)
		if err != nil {
			t.Fatal(err)
		}
		c := s.CachedInfo().Config
		if c.Retention != jetstream.WorkQueuePolicy || c.Storage != jetstream.FileStorage || c.Discard != jetstream.DiscardNew ||
			c.MaxMsgsPerSubject != 1 || !c.DiscardNewPerSubject || c.Duplicates != 10*time.Minute || c.MaxMsgs != 7 {
			t.Errorf("JOBS is set up wrongly: %+v", c)
		}
		c.MaxMsgs = 3
		if _, err := b.JetStream().UpdateStream(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		prepare(t, b)
		if s, err = b.JetStream().Stream(t.Context(), jobspec.StreamJobs); err != nil || s.CachedInfo().Config.MaxMsgs != 7 {
			t.Errorf("the limit was not brought up to date: %v", err)
		}
		kv, err := b.JetStream().KeyValue(t.Context(), jobspec.BucketCancel)
		if err != nil {
			t.Fatal(err)
		}
		if status, err := kv.Status(t.Context()); err != nil || status.TTL() != 24*time.Hour {
			t.Errorf("the bucket of cancelled runs keeps keys for %v, %v", status.TTL(), err)
		}
	})
}

func TestPublishJob_TellsWhyAMessageWasNotStored(t *testing.T) {
	t.Parallel()
	eachServer(t, natsx.Limits{MaxJobs: 2}, func(t *testing.T, b *natsx.Bus) {
		for _, step := range []struct {
			name string
			job  jobspec.Job
			want error
		}{
			{"stored", job("a", 1), nil},
			{"the same attempt again", job("a", 1), natsx.ErrDuplicate},
			{"another attempt at a queued run", job("a", 2), natsx.ErrOccupied},
			{"a second run", job("b", 1), nil},
			{"a third run", job("c", 1), natsx.ErrFull},
		} {
			if err := b.PublishJob(t.Context(), step.job); !errors.Is(err, step.want) {
				t.Errorf("%s: %v, want %v", step.name, err, step.want)
			}
		}
	})
}

func TestPublishJobs_AnswersForEachJobInOrder(t *testing.T) {
	t.Parallel()
	eachServer(t, natsx.Limits{}, func(t *testing.T, b *natsx.Bus) {
		const n = 3000
		jobs := make([]jobspec.Job, n)
		for i := range jobs {
			jobs[i] = job(fmt.Sprintf("run%d", i), 1)
		}
		jobs[n-1] = jobs[0]
		jobs[n-2] = job("run1", 2)
		errs := b.PublishJobs(t.Context(), jobs)
		for i, err := range errs[:n-2] {
			if err != nil {
				t.Fatalf("job %d: %v", i, err)
			}
		}
		if !errors.Is(errs[n-1], natsx.ErrDuplicate) || !errors.Is(errs[n-2], natsx.ErrOccupied) {
			t.Errorf("the last two: %v, %v", errs[n-2], errs[n-1])
		}
		queued, err := b.QueuedSubjects(t.Context(), jobspec.SubjectJobsAll)
		if err != nil || len(queued) != n-2 {
			t.Errorf("%d subjects are queued, want %d: %v", len(queued), n-2, err)
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.PublishJob(cancelled, job("late", 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("publishing with an ended context: %v", err)
		}
	})
}

func TestPurgeRun_TakesAQueuedRunBack(t *testing.T) {
	t.Parallel()
	eachServer(t, natsx.Limits{}, func(t *testing.T, b *natsx.Bus) {
		for _, filter := range []string{subject("a"), jobspec.JobRunFilter("a")} {
			attempt := 1
			if filter != subject("a") {
				attempt = 2
			}
			if err := b.PublishJob(t.Context(), job("a", attempt)); err != nil {
				t.Fatal(err)
			}
			if queued, err := b.QueuedRun(t.Context(), filter); !queued || err != nil {
				t.Errorf("%s is queued: %v, %v", filter, queued, err)
			}
			if n, err := b.PurgeRun(t.Context(), filter); n != 1 || err != nil {
				t.Errorf("%s: purged %d, %v", filter, n, err)
			}
			if n, err := b.PurgeRun(t.Context(), filter); n != 0 || err != nil {
				t.Errorf("%s: purged %d the second time, %v", filter, n, err)
			}
			if queued, err := b.QueuedRun(t.Context(), filter); queued || err != nil {
				t.Errorf("%s is still queued: %v, %v", filter, queued, err)
			}
		}
	})
}

func TestCancelRun_ReachesWatchersReadersAndListeners(t *testing.T) {
	t.Parallel()
	eachServer(t, natsx.Limits{}, func(t *testing.T, b *natsx.Bus) {
		if err := b.CancelRun(t.Context(), "early"); err != nil {
			t.Fatal(err)
		}
		type flag struct {
			run       string
			cancelled bool
		}
		flags := make(chan flag, 10)
		background(t, func(ctx context.Context) error {
			return b.WatchCancelled(ctx, func(run string, cancelled bool) { flags <- flag{run, cancelled} })
		})
		if f := receive(t, flags, "the flag that was set before"); f != (flag{"early", true}) {
			t.Errorf("the first flag is %v", f)
		}
		sub, err := b.Conn().SubscribeSync(jobspec.SubjectCancelAll)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.CancelRun(t.Context(), "late"); err != nil {
			t.Fatal(err)
		}
		if m, err := sub.NextMsg(patience); err != nil || m.Subject != jobspec.CancelSubject("late") {
			t.Errorf("the control message: %v, %v", m, err)
		}
		if f := receive(t, flags, "the flag that was set later"); f != (flag{"late", true}) {
			t.Errorf("the second flag is %v", f)
		}
		if is, err := b.RunCancelled(t.Context(), "late"); !is || err != nil {
			t.Errorf("the run reads as cancelled: %v, %v", is, err)
		}
		if err := b.RestoreRun(t.Context(), "late"); err != nil {
			t.Fatal(err)
		}
		if f := receive(t, flags, "the flag's end"); f != (flag{"late", false}) {
			t.Errorf("the third flag is %v", f)
		}
		if is, err := b.RunCancelled(t.Context(), "late"); is || err != nil {
			t.Errorf("the restored run reads as cancelled: %v, %v", is, err)
		}
	})
}
