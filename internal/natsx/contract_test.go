package natsx_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
		require.NoError(t, err)
		c := s.CachedInfo().Config
		if c.Retention != jetstream.WorkQueuePolicy || c.Storage != jetstream.FileStorage || c.Discard != jetstream.DiscardNew ||
			c.MaxMsgsPerSubject != 1 || !c.DiscardNewPerSubject || c.Duplicates != 10*time.Minute || c.MaxMsgs != 7 {
			t.Errorf("JOBS is set up wrongly: %+v", c)
		}
		c.MaxMsgs = 3
		_, err = b.JetStream().UpdateStream(t.Context(), c)
		require.NoError(t, err)
		prepare(t, b)
		s, err = b.JetStream().Stream(t.Context(), jobspec.StreamJobs)
		require.NoError(t, err, "the limit was not brought up to date")
		assert.Equal(t, int64(7), s.CachedInfo().Config.MaxMsgs, "the limit was not brought up to date")
		kv, err := b.JetStream().KeyValue(t.Context(), jobspec.BucketCancel)
		require.NoError(t, err)
		status, err := kv.Status(t.Context())
		require.NoError(t, err, "the bucket of cancelled runs keeps keys for %v", status.TTL())
		assert.Equal(t, 24*time.Hour, status.TTL(), "the bucket of cancelled runs keeps keys for %v", status.TTL())
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
			assert.ErrorIs(t, b.PublishJob(t.Context(), step.job), step.want, step.name)
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
			require.NoError(t, err, "job %d", i)
		}
		assert.ErrorIs(t, errs[n-1], natsx.ErrDuplicate, "the last two")
		assert.ErrorIs(t, errs[n-2], natsx.ErrOccupied, "the last two")
		queued, err := b.QueuedSubjects(t.Context(), jobspec.SubjectJobsAll)
		assert.NoError(t, err, "%d subjects are queued, want %d", len(queued), n-2)
		assert.Len(t, queued, n-2, "%d subjects are queued, want %d", len(queued), n-2)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		assert.ErrorIs(t, b.PublishJob(cancelled, job("late", 1)), context.Canceled, "publishing with an ended context")
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
			require.NoError(t, b.PublishJob(t.Context(), job("a", attempt)))
			queued, err := b.QueuedRun(t.Context(), filter)
			assert.NoError(t, err, "%s is queued", filter)
			assert.True(t, queued, "%s is queued: %v", filter, queued)
			n, err := b.PurgeRun(t.Context(), filter)
			assert.NoError(t, err, "%s: purged %d", filter, n)
			assert.Equal(t, 1, n, "%s: purged %d", filter, n)
			n, err = b.PurgeRun(t.Context(), filter)
			assert.NoError(t, err, "%s: purged %d the second time", filter, n)
			assert.Zero(t, n, "%s: purged %d the second time", filter, n)
			queued, err = b.QueuedRun(t.Context(), filter)
			assert.NoError(t, err, "%s is still queued", filter)
			assert.False(t, queued, "%s is still queued: %v", filter, queued)
		}
	})
}

func TestCancelRun_ReachesWatchersReadersAndListeners(t *testing.T) {
	t.Parallel()
	eachServer(t, natsx.Limits{}, func(t *testing.T, b *natsx.Bus) {
		require.NoError(t, b.CancelRun(t.Context(), "early"))
		type flag struct {
			run string
			jobspec.Flag
		}
		flags := make(chan flag, 10)
		background(t, func(ctx context.Context) error {
			return b.WatchFlags(ctx, func(run string, f jobspec.Flag) { flags <- flag{run, f} })
		})
		assert.Equal(t, flag{"early", jobspec.FlagCancelled}, receive(t, flags, "the flag that was set before"), "the first flag")
		sub, err := b.Conn().SubscribeSync(jobspec.SubjectCancelAll)
		require.NoError(t, err)
		require.NoError(t, b.CancelRun(t.Context(), "late"))
		m, err := sub.NextMsg(patience)
		require.NoError(t, err, "the control message")
		assert.Equal(t, jobspec.CancelSubject("late"), m.Subject, "the control message: %v", m)
		assert.Equal(t, flag{"late", jobspec.FlagCancelled}, receive(t, flags, "the flag that was set later"), "the second flag")
		is, err := b.RunFlag(t.Context(), "late")
		assert.NoError(t, err)
		assert.Equal(t, jobspec.FlagCancelled, is)
		require.NoError(t, b.RestoreRun(t.Context(), "late"))
		assert.Equal(t, flag{"late", jobspec.FlagNone}, receive(t, flags, "the flag's end"), "the third flag")
		is, err = b.RunFlag(t.Context(), "late")
		assert.NoError(t, err)
		assert.Equal(t, jobspec.FlagNone, is, "the restored run has no flag")
		require.NoError(t, b.StopRun(t.Context(), "late"))
		m, err = sub.NextMsg(patience)
		require.NoError(t, err, "the control message")
		assert.Equal(t, string(jobspec.FlagStopped), string(m.Data))
		assert.Equal(t, flag{"late", jobspec.FlagStopped}, receive(t, flags, "the stop"), "the fourth flag")
	})
}

func TestRecord_IsReplacedAndDroppedWithoutAMark(t *testing.T) {
	t.Parallel()
	eachServer(t, natsx.Limits{MaxRecordBytes: 4096}, func(t *testing.T, b *natsx.Bus) {
		prepare(t, b)
		_, ok, err := b.Record(t.Context(), "a")
		require.NoError(t, err)
		assert.False(t, ok, "there is a record of a run that has none")
		for _, data := range []string{"1", "2"} {
			want := jobspec.Record{Kind: "k", Pool: "p", Data: json.RawMessage(data)}
			require.NoError(t, b.PutRecord(t.Context(), "a", want))
			got, ok, err := b.Record(t.Context(), "a")
			require.NoError(t, err)
			assert.True(t, ok)
			assert.Equal(t, want, got)
		}
		large := jobspec.Record{Data: json.RawMessage(`"` + strings.Repeat("x", 5000) + `"`)}
		assert.Error(t, b.PutRecord(t.Context(), "b", large), "the bucket has no bound")
		for range 2 {
			require.NoError(t, b.DropRecord(t.Context(), "a"))
		}
		s, err := b.JetStream().Stream(t.Context(), "KV_"+jobspec.BucketRecords)
		require.NoError(t, err)
		assert.Zero(t, s.CachedInfo().State.Msgs)
	})
}
