package job

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/attempt"
	"parley/ent/gen/job"
	"parley/ent/gen/outbox"
	"parley/ent/gen/run"
	"parley/internal/jobspec"
)

// close asks the domains about ended jobs, writes all that changed and appends
// the events.
func (l *ledger) close(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		l.endJobs, l.writeRuns, l.shed, l.writeJobs, l.writeAttempts, l.writeOutbox,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return l.log.Append(ctx, l.changes...)
}

// endJobs has each domain write what became of its jobs, then ends them.
func (l *ledger) endJobs(ctx context.Context) error {
	byKind := map[string][]*Ended{}
	for _, e := range l.ended {
		byKind[e.Job.Kind] = append(byKind[e.Job.Kind], e)
	}
	// In one order everywhere, as domains lock rows of several kinds.
	for _, name := range slices.Sorted(maps.Keys(byKind)) {
		ended := byKind[name]
		kind, err := l.kind(name)
		if err != nil {
			return err
		}
		changes, err := kind.Apply(ctx, ended)
		if err != nil {
			return fmt.Errorf("apply results of kind %s: %w", name, err)
		}
		l.changes = append(l.changes, changes...)
	}
	for _, e := range l.ended {
		j, out := e.Job, e.Outcome
		if e.Gone {
			out = Outcome{State: Cancelled}
		}
		j.State, j.FinishedAt = out.State, &l.now
		j.ErrorCode, j.ErrorMessage = words(out)
		l.change(j)
	}
	return nil
}

// shed deletes what runs were given to do that have ended, where their kind wants that.
func (l *ledger) shed(ctx context.Context) error {
	var ids []string
	for id, r := range l.changedRuns {
		if k, err := l.kind(r.Kind); err == nil && k.Sheds && Final(State(r.State)) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return l.dropPayloads(ctx, ids)
}

// group sorts rows by what is written to them: rows of equal values share one
// statement.
func group[T any, V comparable](rows map[string]*T, value func(*T) V) map[V][]string {
	groups := map[V][]string{}
	for id, row := range rows {
		v := value(row)
		groups[v] = append(groups[v], id)
	}
	for _, ids := range groups {
		slices.Sort(ids)
	}
	return groups
}

// runValues is what is written of a run. Heartbeats are always now.
type runValues struct {
	state   run.State
	attempt int
	most    int
	worker  string
	alive   bool
	moved   bool
	runAt   time.Time
	pool    string // empty when it stays
}

func (l *ledger) writeRuns(ctx context.Context) error {
	groups := group(l.changedRuns, func(r *gen.Run) runValues {
		v := runValues{state: r.State, attempt: r.Attempt, most: r.MaxAttempts, alive: r.HeartbeatAt != nil, moved: l.moved[r.ID]}
		if r.Worker != nil {
			v.worker = *r.Worker
		}
		if v.moved {
			v.runAt = r.RunAt
		}
		if l.rerouted[r.ID] {
			v.pool = r.Pool
		}
		return v
	})
	for v, ids := range groups {
		for part := range slices.Chunk(ids, rowsAtOnce) {
			u := l.store.Client(ctx).Run.Update().Where(run.IDIn(part...)).
				SetState(v.state).SetAttempt(v.attempt).SetMaxAttempts(v.most)
			if v.alive {
				u.SetHeartbeatAt(l.now)
			} else {
				u.ClearHeartbeatAt()
			}
			if v.worker != "" {
				u.SetWorker(v.worker)
			} else {
				u.ClearWorker()
			}
			if v.moved {
				u.SetRunAt(v.runAt).ClearPublishedAt()
			}
			if v.pool != "" {
				u.SetPool(v.pool)
			}
			if Final(State(v.state)) {
				u.ClearActiveKey()
			}
			if err := u.Exec(ctx); err != nil {
				return fmt.Errorf("write runs: %w", err)
			}
		}
	}
	return nil
}

// jobValues is what is written of a job. Jobs finish now.
type jobValues struct {
	state         State
	attempt, most int
	version       int64
	failed        bool
	code, message string
	moved         bool
	runAt         time.Time
}

func (l *ledger) writeJobs(ctx context.Context) error {
	groups := group(l.changedJobs, func(j *gen.Job) jobValues {
		v := jobValues{state: j.State, attempt: j.Attempt, most: j.MaxAttempts, version: j.Version, failed: j.ErrorCode != nil, moved: l.moved[j.ID]}
		if v.failed {
			v.code, v.message = *j.ErrorCode, *j.ErrorMessage
		}
		if v.moved {
			v.runAt = j.RunAt
		}
		return v
	})
	for v, ids := range groups {
		for part := range slices.Chunk(ids, rowsAtOnce) {
			u := l.store.Client(ctx).Job.Update().Where(job.IDIn(part...)).
				SetState(v.state).SetAttempt(v.attempt).SetMaxAttempts(v.most).SetVersion(v.version)
			if v.failed {
				u.SetErrorCode(v.code).SetErrorMessage(v.message)
			} else {
				u.ClearErrorCode().ClearErrorMessage()
			}
			if v.moved {
				u.SetRunAt(v.runAt)
			}
			if Final(v.state) {
				u.SetFinishedAt(l.now)
			}
			if err := u.Exec(ctx); err != nil {
				return fmt.Errorf("write jobs: %w", err)
			}
		}
	}
	return nil
}

func (l *ledger) writeAttempts(ctx context.Context) error {
	client := l.store.Client(ctx)
	for part := range slices.Chunk(l.begun, rowsAtOnce) {
		creates := make([]*gen.AttemptCreate, len(part))
		for i, a := range part {
			creates[i] = client.Attempt.Create().SetID(a.ID).SetRunID(a.RunID).SetNumber(a.Number).SetWorker(a.Worker).
				SetStartedAt(a.StartedAt).SetOutcome(a.Outcome).SetNillableEndedAt(a.EndedAt).
				SetNillableErrorCode(a.ErrorCode).SetNillableReason(a.Reason)
		}
		if err := client.Attempt.CreateBulk(creates...).Exec(ctx); err != nil {
			return fmt.Errorf("write attempts: %w", err)
		}
	}
	for _, h := range l.handed {
		err := client.Attempt.Update().Where(attempt.RunID(h.run), attempt.Number(h.number)).
			SetWorker(h.after).AppendEarlierWorkers([]string{h.before}).Exec(ctx)
		if err != nil {
			return fmt.Errorf("write who has attempts now: %w", err)
		}
	}
	return l.closeAttempts(ctx)
}

// closeAttempts ends the attempts that earlier transactions began.
func (l *ledger) closeAttempts(ctx context.Context) error {
	client := l.store.Client(ctx)
	type values struct {
		number  int
		outcome attempt.Outcome
		code    jobspec.Code
		reason  string
	}
	groups := map[values][]string{}
	for _, c := range l.closed {
		v := values{c.number, c.outcome, c.code, c.reason}
		groups[v] = append(groups[v], c.run)
	}
	for v, runs := range groups {
		for part := range slices.Chunk(runs, rowsAtOnce) {
			u := client.Attempt.Update().Where(attempt.RunIDIn(part...), attempt.Number(v.number)).
				SetEndedAt(l.now).SetOutcome(v.outcome)
			if v.code != "" {
				u.SetErrorCode(string(v.code)).SetReason(v.reason)
			}
			if err := u.Exec(ctx); err != nil {
				return fmt.Errorf("close attempts: %w", err)
			}
		}
	}
	return nil
}

// writeOutbox leaves the next attempts, takes back the runs that nobody wants any
// more, and tells those that are to give what there is.
func (l *ledger) writeOutbox(ctx context.Context) error {
	if err := l.post(ctx, l.messages); err != nil {
		return err
	}
	for part := range slices.Chunk(l.freed, rowsAtOnce) {
		ids := make([]string, len(part))
		for i, r := range part {
			ids[i] = r.ID
		}
		if _, err := l.store.Client(ctx).Outbox.Delete().Where(outbox.RunIDIn(ids...)).Exec(ctx); err != nil {
			return fmt.Errorf("take runs back: %w", err)
		}
	}
	if err := l.flag(ctx, outbox.ActionCANCEL, l.freed); err != nil {
		return err
	}
	return l.flag(ctx, outbox.ActionSTOP, l.stopped)
}

// flag leaves what the workers of runs are to be told.
func (l *ledger) flag(ctx context.Context, action outbox.Action, runs []*gen.Run) error {
	client := l.store.Client(ctx)
	if len(runs) > 0 {
		l.log.Wake(ctx)
	}
	for part := range slices.Chunk(runs, rowsAtOnce) {
		creates := make([]*gen.OutboxCreate, len(part))
		for i, r := range part {
			creates[i] = client.Outbox.Create().SetAction(action).SetRunID(r.ID).SetAttempt(r.Attempt).SetRunAt(l.now)
		}
		if err := client.Outbox.CreateBulk(creates...).Exec(ctx); err != nil {
			return fmt.Errorf("flag runs: %w", err)
		}
	}
	return nil
}
