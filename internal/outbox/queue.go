package outbox

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/natsx"
)

// queue is what the rescuer asks of JOBS and RESULTS.
type queue struct{ bus *natsx.Bus }

// Held implements job.Queue. Work is looked at first: a worker reports before
// it lets go of its work, so that what is in neither was recorded or is lost.
func (q queue) Held(ctx context.Context) (h job.Held, err error) {
	if h.Work, h.Last, err = q.runs(ctx, jobspec.StreamJobs, jobspec.SubjectJobsAll, 4); err != nil {
		return h, err
	}
	h.Reports, _, err = q.runs(ctx, jobspec.StreamResults, jobspec.SubjectResultsAll, 1)
	return h, err
}

// runs lists the runs that a stream holds messages of, by their token in the
// subject, and gives the number of its newest message.
func (q queue) runs(ctx context.Context, stream, filter string, token int) (runs map[string]bool, last uint64, err error) {
	s, err := q.bus.JetStream().Stream(ctx, stream)
	if err != nil {
		return nil, 0, fmt.Errorf("look up the stream %s: %w", stream, err)
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, 0, fmt.Errorf("list %s: %w", filter, err)
	}
	runs = make(map[string]bool, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		if parts := strings.Split(subject, "."); len(parts) > token {
			runs[parts[token]] = true
		}
	}
	return runs, info.State.LastSeq, nil
}

// Purge implements job.Queue.
func (q queue) Purge(ctx context.Context, run string, last uint64) error {
	_, err := q.bus.PurgeRunUpTo(ctx, jobspec.JobRunFilter(run), last)
	return err
}
