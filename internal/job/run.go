package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/job"
	"parley/ent/gen/outbox"
	"parley/ent/gen/run"
	"parley/internal/auth"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// work is what a run does; equal keys mean equal work.
type work struct {
	kind    string
	payload json.RawMessage
	lane    jobspec.Lane
	key     string
}

// message is an attempt that is to be left in the outbox.
type message struct {
	run     string
	attempt int
	at      time.Time
}

// attach gives the active run of each work by its key: the one that is there,
// or a new one with its message in the outbox. The runs are locked, so that
// none ends before the jobs hang on it.
func (s *Service) attach(ctx context.Context, works []work) (map[string]*gen.Run, error) {
	wanted := map[string]work{}
	for _, w := range works {
		if have, ok := wanted[w.key]; !ok || have.lane != jobspec.LaneInteractive {
			wanted[w.key] = w
		}
	}
	found := make(map[string]*gen.Run, len(wanted))
	// Another process may have the same idea at the same time, and its run may
	// end between the two looks: then it is our turn.
	for range 10 {
		missing, err := s.lookUp(ctx, wanted, found)
		if err != nil {
			return nil, err
		}
		if len(missing) == 0 {
			return found, nil
		}
		if err := s.makeRuns(ctx, missing, found); err != nil {
			return nil, err
		}
		if len(found) == len(wanted) {
			return found, nil
		}
	}
	return nil, errors.New("job: equal runs begin and end too fast to join one")
}

// lookUp adds the active runs that it finds and gives the works without one.
func (s *Service) lookUp(ctx context.Context, wanted map[string]work, found map[string]*gen.Run) ([]work, error) {
	keys := make([]string, 0, len(wanted))
	for key := range wanted {
		if found[key] == nil {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for part := range slices.Chunk(keys, rowsAtOnce) {
		q := store.ForUpdate(s.store, s.store.Client(ctx).Run.Query().Where(run.ActiveKeyIn(part...)).Order(gen.Asc(run.FieldID)))
		rows, err := q.All(ctx)
		if err != nil {
			return nil, fmt.Errorf("look for equal work: %w", err)
		}
		for _, r := range rows {
			if err := s.hasten(ctx, r, wanted[*r.ActiveKey].lane); err != nil {
				return nil, err
			}
			found[*r.ActiveKey] = r
		}
	}
	var missing []work
	for _, key := range keys {
		if found[key] == nil {
			missing = append(missing, wanted[key])
		}
	}
	return missing, nil
}

// makeRuns records new runs with their messages. On Postgres another
// transaction may have made some of them meanwhile: those are left out.
func (s *Service) makeRuns(ctx context.Context, missing []work, found map[string]*gen.Run) error {
	client := s.store.Client(ctx)
	now := store.Now()
	var messages []message
	for part := range slices.Chunk(missing, rowsAtOnce) {
		creates := make([]*gen.RunCreate, len(part))
		keys := make([]string, len(part))
		own := make(map[string]bool, len(part))
		for i, w := range part {
			id := store.NewID("run")
			keys[i], own[id] = w.key, true
			creates[i] = client.Run.Create().SetID(id).SetKind(w.kind).SetPool(s.Route(w.kind, w.payload)).SetLane(string(w.lane)).
				SetPayload(w.payload).SetActiveKey(w.key).SetMaxAttempts(s.cfg.MaxAttempts).SetRunAt(now)
		}
		made, err := s.insertRuns(ctx, creates, keys)
		if err != nil {
			return err
		}
		for _, r := range made {
			if own[r.ID] {
				found[*r.ActiveKey] = r
				messages = append(messages, message{r.ID, r.Attempt, now})
			}
		}
	}
	return s.post(ctx, messages)
}

func (s *Service) insertRuns(ctx context.Context, creates []*gen.RunCreate, keys []string) ([]*gen.Run, error) {
	client := s.store.Client(ctx)
	if !s.store.Postgres() {
		made, err := client.Run.CreateBulk(creates...).Save(ctx)
		if err != nil {
			return nil, fmt.Errorf("record runs: %w", err)
		}
		return made, nil
	}
	if err := client.Run.CreateBulk(creates...).OnConflictColumns(run.FieldActiveKey).DoNothing().Exec(ctx); err != nil {
		return nil, fmt.Errorf("record runs: %w", err)
	}
	made, err := client.Run.Query().Where(run.ActiveKeyIn(keys...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the new runs: %w", err)
	}
	return made, nil
}

// post puts messages into the outbox.
func (s *Service) post(ctx context.Context, messages []message) error {
	client := s.store.Client(ctx)
	for part := range slices.Chunk(messages, rowsAtOnce) {
		creates := make([]*gen.OutboxCreate, len(part))
		for i, m := range part {
			creates[i] = client.Outbox.Create().SetAction(outbox.ActionPUBLISH).SetRunID(m.run).SetAttempt(m.attempt).SetRunAt(m.at)
		}
		if err := client.Outbox.CreateBulk(creates...).Exec(ctx); err != nil {
			return fmt.Errorf("leave attempts in the outbox: %w", err)
		}
	}
	return nil
}

// hasten moves a locked bulk run that still waits to the interactive lane when
// somebody now waits for it.
func (s *Service) hasten(ctx context.Context, r *gen.Run, lane jobspec.Lane) error {
	if lane != jobspec.LaneInteractive || r.Lane == string(lane) || r.State != run.StateQUEUED {
		return nil
	}
	if err := s.store.Client(ctx).Run.Update().Where(run.ID(r.ID)).SetLane(string(lane)).Exec(ctx); err != nil {
		return fmt.Errorf("hasten run %s: %w", r.ID, err)
	}
	r.Lane = string(lane)
	if r.PublishedAt == nil {
		return nil // its message still lies in the outbox
	}
	return s.post(ctx, []message{{r.ID, r.Attempt, store.Now()}})
}

// Hasten makes jobs urgent that were asked for in bulk, inside the transaction
// of the context: somebody waits for them now.
func (s *Service) Hasten(ctx context.Context, ids []string) error {
	ctx = auth.System(ctx, "job.hasten")
	client := s.store.Client(ctx)
	slow, err := client.Job.Query().
		Where(job.IDIn(ids...), job.StateIn(Queued, Running), job.LaneNEQ(string(jobspec.LaneInteractive))).All(ctx)
	if err != nil || len(slow) == 0 {
		return err
	}
	runs, jobs := make([]string, len(slow)), make([]string, len(slow))
	for i, j := range slow {
		runs[i], jobs[i] = j.RunID, j.ID
	}
	locked, err := s.lockRuns(ctx, runs)
	if err != nil {
		return err
	}
	for _, r := range locked {
		if err := s.hasten(ctx, r, jobspec.LaneInteractive); err != nil {
			return err
		}
	}
	s.log.Wake(ctx)
	return client.Job.Update().Where(job.IDIn(jobs...)).SetLane(string(jobspec.LaneInteractive)).Exec(ctx)
}

// lockRuns gives runs by id, locked in the order of their ids.
func (s *Service) lockRuns(ctx context.Context, ids []string) (map[string]*gen.Run, error) {
	byID := make(map[string]*gen.Run, len(ids))
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	for part := range slices.Chunk(ids, rowsAtOnce) {
		q := store.ForUpdate(s.store, s.store.Client(ctx).Run.Query().Where(run.IDIn(part...)).Order(gen.Asc(run.FieldID)))
		rows, err := q.All(ctx)
		if err != nil {
			return nil, fmt.Errorf("read runs: %w", err)
		}
		for _, r := range rows {
			byID[r.ID] = r
		}
	}
	return byID, nil
}
