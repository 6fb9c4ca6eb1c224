package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/run"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// rowsAtOnce is how many rows one statement writes at most: SQLite takes
// 32,766 arguments.
const rowsAtOnce = 500

// Request asks for one piece of work on behalf of its owner.
type Request struct {
	// ID of the job to make, from store.NewID("job"); the caller writes it
	// into its own row.
	ID      string
	Owner   string
	Kind    string
	Payload json.RawMessage
	// Subject is the row that the result is for, Parent what it belongs to.
	Subject, Parent string
	Lane            jobspec.Lane
}

// Enqueue records jobs inside the transaction of the context, and appends
// their events to the log behind the domain's own. Equal work that is already
// under way is joined, not done again.
func (s *Service) Enqueue(ctx context.Context, requests []Request, changes ...event.Change) ([]*gen.Job, error) {
	if !store.InTx(ctx) {
		return nil, errors.New("job: Enqueue outside of a transaction")
	}
	ctx = auth.System(ctx, "job.enqueue")
	if err := s.checkQuota(ctx, requests); err != nil {
		return nil, err
	}
	works := make([]work, len(requests))
	for i, r := range requests {
		if _, err := s.kind(r.Kind); err != nil {
			return nil, err
		}
		works[i] = work{kind: r.Kind, payload: r.Payload, lane: r.Lane, key: activeKey(r.Kind, r.Payload)}
	}
	runs, err := s.attach(ctx, works)
	if err != nil {
		return nil, err
	}
	client := s.store.Client(ctx)
	jobs := make([]*gen.Job, 0, len(requests))
	creates := make([]*gen.JobCreate, len(requests))
	for i, r := range requests {
		on := runs[works[i].key]
		state, attempt := standing(on)
		creates[i] = client.Job.Create().SetID(r.ID).SetOwnerID(r.Owner).SetKind(r.Kind).
			SetSubjectID(r.Subject).SetParentID(r.Parent).SetLane(string(r.Lane)).
			SetRunID(on.ID).SetMaxAttempts(on.MaxAttempts).SetRunAt(on.RunAt).SetState(state).SetAttempt(attempt)
	}
	for part := range slices.Chunk(creates, rowsAtOnce) {
		made, err := client.Job.CreateBulk(part...).Save(ctx)
		if err != nil {
			return nil, fmt.Errorf("record jobs: %w", err)
		}
		jobs = append(jobs, made...)
	}
	for _, j := range jobs {
		changes = append(changes, changed(j))
	}
	return jobs, s.log.Append(ctx, changes...)
}

// standing is how far a job is that begins to hang on the run: its state, and the
// attempts of the run that were begun.
func standing(on *gen.Run) (State, int) {
	if on.State == run.StateRUNNING {
		return Running, on.Attempt
	}
	return Queued, on.Attempt - 1
}

// checkQuota refuses what would give an owner more jobs in flight than allowed.
// Calls of one owner that overlap on Postgres don't see each other's jobs.
func (s *Service) checkQuota(ctx context.Context, requests []Request) error {
	wanted := map[string]int{}
	for _, r := range requests {
		wanted[r.Owner]++
	}
	for owner, n := range wanted {
		active, err := s.inFlight(ctx, owner)
		if err != nil {
			return fmt.Errorf("count the jobs in flight: %w", err)
		}
		if active+n > s.cfg.MaxPerUser {
			return apperr.Limited(10*time.Second, "You have %d jobs in flight and may have %d: come back when some are done.",
				active, s.cfg.MaxPerUser)
		}
	}
	return nil
}
