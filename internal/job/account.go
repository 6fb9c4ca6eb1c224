package job

import (
	"context"
	"fmt"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/job"
	"parley/internal/page"
)

// accountStep is how many jobs of an account one transaction ends or deletes, and
// how many are read at a time.
const accountStep = 500

// DeleteAccount ends the jobs of an account that are active, with their events, and
// deletes the rows of all. Runs stay, as the message that takes one back needs
// them; what they were given to do is deleted, unless another account's job hangs
// on them. The viewer is the system.
func (s *Service) DeleteAccount(ctx context.Context, account string) error {
	for _, step := range []func(ctx context.Context, jobs []*gen.Job) error{s.cancelAll, s.deleteJobs} {
		for after, last, more := "", "", true; more; {
			err := s.store.Tx(ctx, func(ctx context.Context) error {
				jobs, err := s.ofAccount(ctx, account, after, accountStep)
				if err != nil {
					return err
				}
				if more = len(jobs) == accountStep; more {
					last = jobs[len(jobs)-1].ID
				}
				return step(ctx, jobs)
			})
			if err != nil {
				return err
			}
			after = last
		}
	}
	return nil
}

func (s *Service) ofAccount(ctx context.Context, account, after string, limit int) ([]*gen.Job, error) {
	jobs, err := s.store.Client(ctx).Job.Query().Where(job.OwnerID(account), job.IDGT(after)).
		Order(gen.Asc(job.FieldID)).Limit(limit).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the jobs of an account: %w", err)
	}
	return jobs, nil
}

// cancelAll ends those of the jobs that are active.
func (s *Service) cancelAll(ctx context.Context, jobs []*gen.Job) error {
	var runs []string
	for _, j := range jobs {
		if !Final(j.State) {
			runs = append(runs, j.RunID)
		}
	}
	if len(runs) == 0 {
		return nil
	}
	l, err := s.lockLedger(ctx, runs...)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if active := l.find(j.ID, j.RunID); active != nil {
			l.cancel(active)
		}
	}
	return l.close(ctx)
}

// deleteJobs deletes those of the jobs that have ended. One that was retried
// meanwhile is there for the next sweep.
func (s *Service) deleteJobs(ctx context.Context, jobs []*gen.Job) error {
	var ids, runs []string
	for _, j := range jobs {
		if Final(j.State) {
			ids = append(ids, j.ID)
		}
		for _, tenure := range tenuresOf(j) {
			runs = append(runs, tenure.run)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if _, err := s.store.Client(ctx).Job.Delete().Where(job.IDIn(ids...), job.StateNotIn(Queued, Running)).Exec(ctx); err != nil {
		return fmt.Errorf("delete jobs: %w", err)
	}
	if err := s.emptyRuns(ctx, runs); err != nil {
		return err
	}
	return s.store.Erased(ctx)
}

// exportedJob is a job as its owner knows it.
type exportedJob struct {
	ID          string     `json:"id"`
	Kind        string     `json:"kind"`
	State       State      `json:"state"`
	Subject     string     `json:"subjectId"`
	Parent      string     `json:"parentId"`
	Lane        string     `json:"lane"`
	Attempt     int        `json:"attempt"`
	MaxAttempts int        `json:"maxAttempts"`
	ErrorCode   *string    `json:"errorCode,omitempty"`
	Error       *string    `json:"errorMessage,omitempty"`
	Version     int64      `json:"version"`
	CreatedAt   time.Time  `json:"createdAt"`
	UpdatedAt   time.Time  `json:"updatedAt"`
	RunAt       time.Time  `json:"runAt"`
	FinishedAt  *time.Time `json:"finishedAt,omitempty"`
}

// ExportAccount writes the jobs of an account. The viewer is the system.
func (s *Service) ExportAccount(ctx context.Context, account string, write func(kind string, row any) error) error {
	return page.All(accountStep,
		func(after string, limit int) ([]*gen.Job, error) { return s.ofAccount(ctx, account, after, limit) },
		func(j *gen.Job) string { return j.ID },
		func(j *gen.Job) error {
			return write("Job", exportedJob{
				ID: j.ID, Kind: j.Kind, State: j.State, Subject: j.SubjectID, Parent: j.ParentID, Lane: j.Lane,
				Attempt: j.Attempt, MaxAttempts: j.MaxAttempts, ErrorCode: j.ErrorCode, Error: j.ErrorMessage, Version: j.Version,
				CreatedAt: j.CreatedAt.UTC(), UpdatedAt: j.UpdatedAt.UTC(), RunAt: j.RunAt.UTC(), FinishedAt: j.FinishedAt,
			})
		})
}
