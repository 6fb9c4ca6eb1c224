package outbox

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"parley/internal/dispatch"
	"parley/internal/jobspec"
	"parley/internal/natsx"
)

// jobPump publishes what the outbox holds. What the broker refuses stays there.
type jobPump struct {
	*Relay
	poll time.Duration
}

func (p *jobPump) run(ctx context.Context) error {
	pause := natsx.Backoff{First: 50 * time.Millisecond, Most: 5 * time.Second}
	for ctx.Err() == nil {
		next, err := p.relay(ctx)
		if err != nil && ctx.Err() == nil {
			slog.Warn("the outbox waits", "error", err)
			pause.Wait(ctx)
			continue
		}
		pause.Reset()
		wait := p.poll
		if !next.IsZero() {
			wait = min(wait, time.Until(next))
		}
		if wait <= 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.Waker.jobs:
		case <-time.After(wait):
		}
	}
	return nil
}

// relay acts on the rows that are due and tells when to look again. A crash
// anywhere in it makes it happen again, which must be harmless: the same
// attempt published twice is stored once.
func (p *jobPump) relay(ctx context.Context) (time.Time, error) {
	due, next, err := p.Outbox.Prepare(ctx, batch)
	if err != nil || len(due) == 0 {
		return next, err
	}
	var done, publish []dispatch.Item
	for _, d := range due {
		switch {
		case d.Flag == jobspec.FlagCancelled:
			err = p.cancel(ctx, d.Job)
			done = append(done, d)
		case d.Flag == jobspec.FlagStopped:
			err = p.Bus.StopRun(ctx, d.Job.Run)
			done = append(done, d)
		case d.Job.Moved:
			err = p.takeFrom(ctx, d.Job, other(d.Job.Lane))
			publish = append(publish, d)
		default:
			publish = append(publish, d)
		}
		if err != nil {
			return next, err
		}
	}
	published, err := p.publish(ctx, publish)
	return next, errors.Join(err, p.Outbox.Done(ctx, append(done, published...)))
}

func other(lane jobspec.Lane) jobspec.Lane {
	if lane == jobspec.LaneBulk {
		return jobspec.LaneInteractive
	}
	return jobspec.LaneBulk
}

// takeFrom takes a run's message back from one lane.
func (p *jobPump) takeFrom(ctx context.Context, j jobspec.Job, lane jobspec.Lane) error {
	_, err := p.Bus.PurgeRun(ctx, jobspec.JobSubject(j.Kind, j.Pool, lane, j.Run))
	return err
}

func (p *jobPump) cancel(ctx context.Context, j jobspec.Job) error {
	if j.Pool == "" {
		return nil // it never left the outbox
	}
	for _, lane := range []jobspec.Lane{jobspec.LaneInteractive, jobspec.LaneBulk} {
		if err := p.takeFrom(ctx, j, lane); err != nil {
			return err
		}
	}
	return p.Bus.CancelRun(ctx, j.Run)
}

// publish gives the attempts that the broker has now. Where an older attempt of
// the run holds its place, that one is taken back first; doing so in any other
// case could take back the attempt itself when all of this happens again.
func (p *jobPump) publish(ctx context.Context, due []dispatch.Item) ([]dispatch.Item, error) {
	done, occupied, err := p.try(ctx, due)
	if len(occupied) == 0 {
		return done, err
	}
	for _, d := range occupied {
		if perr := p.takeFrom(ctx, d.Job, d.Job.Lane); perr != nil {
			return done, errors.Join(err, perr)
		}
	}
	more, occupied, again := p.try(ctx, occupied)
	if len(occupied) > 0 {
		again = errors.Join(again, natsx.ErrOccupied)
	}
	return append(done, more...), errors.Join(err, again)
}

func (p *jobPump) try(ctx context.Context, due []dispatch.Item) (done, occupied []dispatch.Item, err error) {
	if len(due) == 0 {
		return nil, nil, nil
	}
	jobs := make([]jobspec.Job, len(due))
	for i, d := range due {
		jobs[i] = d.Job
	}
	for i, refused := range p.Bus.PublishJobs(ctx, jobs) {
		switch {
		case refused == nil, errors.Is(refused, natsx.ErrDuplicate):
			done = append(done, due[i])
		case errors.Is(refused, natsx.ErrOccupied):
			occupied = append(occupied, due[i])
		default:
			err = refused
		}
	}
	return done, occupied, err
}
