package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/attempt"
	"parley/ent/gen/job"
	"parley/ent/gen/run"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// report is all that one batch says of one attempt.
type report struct {
	run     string
	attempt int
	worker  string
	started time.Time
	// end is the final result of the attempt, if the batch has it.
	end *jobspec.Result
}

// Record applies what workers reported, all of it in one transaction. What is
// not about a run's present attempt is stale: it is counted and dropped, so
// that a result that arrives twice, late or from a worker that was given up is
// recorded once or not at all. A result that its domain can't take fails the
// run instead of holding up the others.
func (s *Service) Record(ctx context.Context, results []jobspec.Result) error {
	ctx = auth.System(ctx, "job.record")
	reports := fold(results)
	err := s.store.Tx(ctx, func(ctx context.Context) error { return s.record(ctx, reports) })
	if err == nil || ctx.Err() != nil || apperr.Is(err, apperr.Unavailable) {
		return err
	}
	slog.Warn("a batch of results could not be recorded, trying one by one", "results", len(results), "error", err)
	for _, r := range reports {
		err := s.store.Tx(ctx, func(ctx context.Context) error { return s.record(ctx, []report{r}) })
		if err == nil {
			continue
		}
		if ctx.Err() != nil || apperr.Is(err, apperr.Unavailable) || r.end == nil {
			return err
		}
		slog.Error("a result could not be recorded, its run fails", "run", r.run, "attempt", r.attempt, "error", err)
		failed := *r.end
		failed.Type, failed.Payload = jobspec.ResultFailed, nil
		failed.Failure = &jobspec.Failure{Code: jobspec.CodeInvalidInput, Message: "The result could not be stored."}
		r.end = &failed
		if err := s.store.Tx(ctx, func(ctx context.Context) error { return s.record(ctx, []report{r}) }); err != nil {
			return err
		}
	}
	return nil
}

// fold joins the results of one attempt and orders them by run, so that two
// recorders lock rows in the same order.
func fold(results []jobspec.Result) []report {
	type key struct {
		run     string
		attempt int
	}
	index := map[key]int{}
	var reports []report
	for i := range results {
		r := &results[i]
		k := key{r.Run, r.Attempt}
		at, ok := index[k]
		if !ok {
			at = len(reports)
			index[k] = at
			reports = append(reports, report{run: r.Run, attempt: r.Attempt, worker: r.Worker, started: r.StartedAt})
		}
		if r.Type == jobspec.ResultDone || r.Type == jobspec.ResultFailed {
			reports[at].end = r
		}
	}
	sort.SliceStable(reports, func(a, b int) bool { return reports[a].run < reports[b].run })
	return reports
}

// recording is the state of one transaction of the recorder.
type recording struct {
	*Service
	client  *gen.Client
	now     time.Time
	jobs    map[string][]*gen.Job
	changes []event.Change
}

func (s *Service) record(ctx context.Context, reports []report) error {
	runs, err := s.lockRuns(ctx, reports)
	if err != nil {
		return err
	}
	ids := make([]string, 0, len(runs))
	for id := range runs {
		ids = append(ids, id)
	}
	rec := &recording{Service: s, client: s.store.Client(ctx), now: store.Now(), jobs: map[string][]*gen.Job{}}
	if err := rec.loadJobs(ctx, ids...); err != nil {
		return err
	}
	for _, r := range reports {
		target := runs[r.run]
		if target == nil || target.Attempt != r.attempt || Final(State(target.State)) {
			s.stats.add(&s.stats.Stale, "stale report dropped", "run", r.run, "attempt", r.attempt)
			continue
		}
		updated, err := rec.apply(ctx, target, r)
		if err != nil {
			return fmt.Errorf("record run %s: %w", r.run, err)
		}
		runs[r.run] = updated
	}
	return rec.finish(ctx)
}

func (s *Service) lockRuns(ctx context.Context, reports []report) (map[string]*gen.Run, error) {
	ids := make([]string, len(reports))
	for i, r := range reports {
		ids[i] = r.run
	}
	q := s.store.Client(ctx).Run.Query().Where(run.IDIn(ids...)).Order(gen.Asc(run.FieldID))
	if s.store.Postgres() {
		q = q.ForUpdate()
	}
	rows, err := q.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read runs: %w", err)
	}
	byID := make(map[string]*gen.Run, len(rows))
	for _, r := range rows {
		byID[r.ID] = r
	}
	return byID, nil
}

func (rec *recording) loadJobs(ctx context.Context, runIDs ...string) error {
	if len(runIDs) == 0 {
		return nil
	}
	q := rec.client.Job.Query().Where(job.RunIDIn(runIDs...), job.StateIn(Queued, Running)).Order(gen.Asc(job.FieldID))
	if rec.store.Postgres() {
		q = q.ForUpdate()
	}
	rows, err := q.All(ctx)
	if err != nil {
		return fmt.Errorf("read jobs: %w", err)
	}
	for _, j := range rows {
		rec.jobs[j.RunID] = append(rec.jobs[j.RunID], j)
	}
	return nil
}

// finish appends the events and wakes the relay.
func (rec *recording) finish(ctx context.Context) error {
	if err := rec.log.Append(ctx, rec.changes...); err != nil {
		return err
	}
	store.AfterCommit(ctx, rec.wake)
	return nil
}

func (rec *recording) apply(ctx context.Context, r *gen.Run, rep report) (*gen.Run, error) {
	if rep.end == nil {
		return rec.start(ctx, r, rep)
	}
	if rep.end.Type == jobspec.ResultDone {
		out := Outcome{State: Succeeded, Payload: rep.end.Payload}
		if err := rec.endAttempt(ctx, r, rep, attempt.OutcomeSUCCEEDED, out); err != nil {
			return nil, err
		}
		return rec.endRun(ctx, r, out)
	}
	failure := jobspec.Failure{Code: jobspec.CodeInternal, Message: "The worker gave no reason."}
	if rep.end.Failure != nil {
		failure = *rep.end.Failure
	}
	out := Outcome{State: Failed, Code: failure.Code, Message: failure.Message}
	if err := rec.endAttempt(ctx, r, rep, attempt.OutcomeFAILED, out); err != nil {
		return nil, err
	}
	switch {
	case failure.Code.Final():
		return rec.endRun(ctx, r, out)
	case r.Attempt >= r.MaxAttempts:
		out.State = Dead
		return rec.endRun(ctx, r, out)
	}
	return rec.again(ctx, r, out, rec.backoff(r.Attempt))
}

// start records that a worker has the attempt, or still has it.
func (rec *recording) start(ctx context.Context, r *gen.Run, rep report) (*gen.Run, error) {
	first := r.State == run.StateQUEUED
	updated, err := r.Update().SetState(run.StateRUNNING).SetHeartbeatAt(rec.now).SetWorker(rep.worker).Save(ctx)
	if err != nil {
		return nil, err
	}
	if !first {
		return updated, nil
	}
	if err := rec.beginAttempt(ctx, r, rep); err != nil {
		return nil, err
	}
	for i, j := range rec.jobs[r.ID] {
		u, err := j.Update().SetState(Running).SetAttempt(j.AttemptBase + r.Attempt).SetVersion(j.Version + 1).
			ClearErrorCode().ClearErrorMessage().Save(ctx)
		if err != nil {
			return nil, err
		}
		rec.jobs[r.ID][i] = u
		rec.changes = append(rec.changes, changed(u, u.Version, u.State))
	}
	return updated, nil
}

func (rec *recording) beginAttempt(ctx context.Context, r *gen.Run, rep report) error {
	started := rep.started
	if started.IsZero() {
		started = rec.now
	}
	return rec.client.Attempt.Create().SetID(store.NewID("att")).SetRunID(r.ID).SetNumber(r.Attempt).
		SetWorker(rep.worker).SetStartedAt(started.UTC().Truncate(time.Microsecond)).Exec(ctx)
}

// endAttempt closes the attempt's row, which it makes first when start and end
// came in one batch.
func (rec *recording) endAttempt(ctx context.Context, r *gen.Run, rep report, outcome attempt.Outcome, out Outcome) error {
	if r.State == run.StateQUEUED {
		if err := rec.beginAttempt(ctx, r, rep); err != nil {
			return err
		}
	}
	return rec.closeAttempt(ctx, r, outcome, out)
}

func (rec *recording) closeAttempt(ctx context.Context, r *gen.Run, outcome attempt.Outcome, out Outcome) error {
	u := rec.client.Attempt.Update().Where(attempt.RunID(r.ID), attempt.Number(r.Attempt)).
		SetEndedAt(rec.now).SetOutcome(outcome)
	if out.Code != "" {
		u.SetErrorCode(string(out.Code)).SetReason(out.Message)
	}
	return u.Exec(ctx)
}

// endRun ends the run and every job that hangs on it.
func (rec *recording) endRun(ctx context.Context, r *gen.Run, out Outcome) (*gen.Run, error) {
	updated, err := r.Update().SetState(run.State(out.State)).ClearActiveKey().SetHeartbeatAt(rec.now).Save(ctx)
	if err != nil {
		return nil, err
	}
	for _, j := range rec.jobs[r.ID] {
		if err := rec.endJob(ctx, j, r, out); err != nil {
			return nil, err
		}
	}
	delete(rec.jobs, r.ID)
	return updated, nil
}

func (rec *recording) endJob(ctx context.Context, j *gen.Job, r *gen.Run, out Outcome) error {
	kind, err := rec.kind(j.Kind)
	if err != nil {
		return err
	}
	if err := kind.Apply(ctx, j, out); errors.Is(err, ErrGone) {
		out = Outcome{State: Cancelled}
	} else if err != nil {
		return err
	}
	u := j.Update().SetState(out.State).SetAttempt(j.AttemptBase + r.Attempt).SetFinishedAt(rec.now).SetVersion(j.Version + 1)
	if out.Code != "" {
		u.SetErrorCode(string(out.Code)).SetErrorMessage(out.Message)
	} else {
		u.ClearErrorCode().ClearErrorMessage()
	}
	if err := u.Exec(ctx); err != nil {
		return err
	}
	rec.changes = append(rec.changes, changed(j, j.Version+1, out.State))
	return nil
}

// again queues the next attempt of a run after a delay.
func (rec *recording) again(ctx context.Context, r *gen.Run, out Outcome, delay time.Duration) (*gen.Run, error) {
	rec.stats.add(&rec.stats.Retried, "another attempt", "run", r.ID, "after", r.Attempt, "code", out.Code)
	at := rec.now.Add(delay).Truncate(time.Microsecond)
	updated, err := r.Update().SetState(run.StateQUEUED).AddAttempt(1).SetRunAt(at).
		ClearHeartbeatAt().ClearWorker().ClearPublishedAt().Save(ctx)
	if err != nil {
		return nil, err
	}
	if err := rec.publish(ctx, r.ID, updated.Attempt, at); err != nil {
		return nil, err
	}
	for i, j := range rec.jobs[r.ID] {
		u, err := j.Update().SetState(Queued).SetAttempt(j.AttemptBase + r.Attempt).SetRunAt(at).SetVersion(j.Version + 1).
			SetErrorCode(string(out.Code)).SetErrorMessage(out.Message).Save(ctx)
		if err != nil {
			return nil, err
		}
		rec.jobs[r.ID][i] = u
		rec.changes = append(rec.changes, changed(u, u.Version, u.State))
	}
	return updated, nil
}
