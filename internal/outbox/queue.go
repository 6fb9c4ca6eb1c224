package outbox

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"parley/internal/jobspec"
	"parley/internal/natsx"
)

// queue is what the rescuer asks of JOBS and RESULTS.
type queue struct{ bus *natsx.Bus }

// Held implements job.Queue. Work is looked at first: a worker reports before
// it lets go of its work, so that what is in neither was recorded or is lost.
func (q queue) Held(ctx context.Context) (work, reports map[string]bool, err error) {
	if work, err = q.runs(ctx, jobspec.StreamJobs, jobspec.SubjectJobsAll, 4); err != nil {
		return nil, nil, err
	}
	reports, err = q.runs(ctx, jobspec.StreamResults, jobspec.SubjectResultsAll, 1)
	return work, reports, err
}

// runs lists the runs that a stream holds messages of, by their token in the
// subject.
func (q queue) runs(ctx context.Context, stream, filter string, token int) (map[string]bool, error) {
	s, err := q.bus.JetStream().Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("look up the stream %s: %w", stream, err)
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", filter, err)
	}
	runs := make(map[string]bool, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		if parts := strings.Split(subject, "."); len(parts) > token {
			runs[parts[token]] = true
		}
	}
	return runs, nil
}

// Purge implements job.Queue.
func (q queue) Purge(ctx context.Context, run string) error {
	_, err := q.bus.PurgeRun(ctx, jobspec.JobRunFilter(run))
	return err
}
