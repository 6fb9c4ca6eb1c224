package job

import (
	"context"
	"fmt"
	"slices"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/attempt"
	"parley/ent/gen/job"
	"parley/ent/gen/run"
	"parley/internal/event"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// ledger is what one transaction changes of runs and their jobs. Changes are
// made to the locked rows in memory; close writes them with a few statements,
// however many rows there are.
type ledger struct {
	*Service
	now  time.Time
	runs map[string]*gen.Run
	// jobs holds the active jobs of each run.
	jobs map[string][]*gen.Job

	changedRuns map[string]*gen.Run
	changedJobs map[string]*gen.Job
	// moved names runs and jobs whose runAt changed, rerouted runs whose pool did.
	moved    map[string]bool
	rerouted map[string]bool
	begun    []*gen.Attempt
	handed   []handover
	closed   []closing
	ended    []*Ended
	messages []message
	// freed are runs that were cancelled with their last job, stopped those that are to
	// give what there is so far.
	freed   []*gen.Run
	stopped []*gen.Run
	changes []event.Change
}

// handover is that another worker goes on with an attempt.
type handover struct {
	run           string
	number        int
	before, after string
}

// closing is the end of an attempt that an earlier transaction began.
type closing struct {
	run     string
	number  int
	outcome attempt.Outcome
	code    jobspec.Code
	reason  string
}

// lockLedger locks runs and then their active jobs, always in this order and in the
// order of their ids, so that transactions wait for each other and don't lock
// each other out.
func (s *Service) lockLedger(ctx context.Context, runIDs ...string) (*ledger, error) {
	runs, err := s.lockRuns(ctx, runIDs)
	if err != nil {
		return nil, err
	}
	l := &ledger{
		Service: s, now: store.Now(), runs: runs, jobs: map[string][]*gen.Job{},
		changedRuns: map[string]*gen.Run{}, changedJobs: map[string]*gen.Job{}, moved: map[string]bool{}, rerouted: map[string]bool{},
	}
	var active []string
	for id, r := range runs {
		if !Final(State(r.State)) {
			active = append(active, id)
		}
	}
	slices.Sort(active)
	for part := range slices.Chunk(active, rowsAtOnce) {
		q := store.ForUpdate(s.store, s.store.Client(ctx).Job.Query().Where(job.RunIDIn(part...), job.StateIn(Queued, Running)).Order(gen.Asc(job.FieldID)))
		rows, err := q.All(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the runs' jobs: %w", err)
		}
		for _, j := range rows {
			l.jobs[j.RunID] = append(l.jobs[j.RunID], j)
		}
	}
	return l, nil
}

// change notes that a job has a new state: that is one version and one event.
func (l *ledger) change(j *gen.Job) {
	j.Version++
	l.changedJobs[j.ID] = j
	l.changes = append(l.changes, changed(j))
}

// start records that a worker has the run's attempt, or still has it.
func (l *ledger) start(r *gen.Run, worker string, at time.Time) {
	first := r.State == run.StateQUEUED
	r.State, r.HeartbeatAt, r.Worker = run.StateRUNNING, &l.now, &worker
	l.changedRuns[r.ID] = r
	if !first {
		return
	}
	l.begin(r, worker, at)
	for _, j := range l.jobs[r.ID] {
		j.State, j.Attempt = Running, j.AttemptBase+r.Attempt
		j.ErrorCode, j.ErrorMessage = nil, nil
		l.change(j)
	}
}

// handOver notes that a worker goes on with an attempt that another one had.
func (l *ledger) handOver(r *gen.Run, worker string) {
	if r.Worker == nil || *r.Worker == worker {
		return
	}
	l.handed = append(l.handed, handover{r.ID, r.Attempt, *r.Worker, worker})
	r.Worker = &worker
	l.changedRuns[r.ID] = r
}

func (l *ledger) begin(r *gen.Run, worker string, at time.Time) {
	if at.IsZero() {
		at = l.now
	}
	l.begun = append(l.begun, &gen.Attempt{
		ID: store.NewID("att"), RunID: r.ID, Number: r.Attempt, Worker: worker,
		StartedAt: at.UTC().Truncate(time.Microsecond), Outcome: attempt.OutcomeRUNNING,
	})
}

// endAttempt closes the run's attempt. Where start and end came together, the
// start is made up for first.
func (l *ledger) endAttempt(r *gen.Run, rep report, outcome attempt.Outcome, out Outcome) {
	if r.State == run.StateQUEUED {
		l.begin(r, rep.worker, rep.started)
	}
	l.closeAttempt(r, outcome, out)
}

func (l *ledger) closeAttempt(r *gen.Run, outcome attempt.Outcome, out Outcome) {
	for _, a := range l.begun {
		if a.RunID == r.ID && a.Number == r.Attempt {
			a.Outcome, a.EndedAt = outcome, &l.now
			a.ErrorCode, a.Reason = words(out)
			return
		}
	}
	l.closed = append(l.closed, closing{r.ID, r.Attempt, outcome, out.Code, out.Message})
}

// words are an outcome's code and message as rows hold them.
func words(out Outcome) (code, message *string) {
	if out.Code == "" {
		return nil, nil
	}
	c := string(out.Code)
	return &c, &out.Message
}

// endRun ends the run and every job that hangs on it.
func (l *ledger) endRun(r *gen.Run, out Outcome) {
	r.State, r.ActiveKey, r.HeartbeatAt = run.State(out.State), nil, &l.now
	l.changedRuns[r.ID] = r
	for _, j := range l.jobs[r.ID] {
		j.Attempt = j.AttemptBase + r.Attempt
		l.endJob(j, out)
	}
	delete(l.jobs, r.ID)
}

// endJob leaves the job to close, which asks its domain first.
func (l *ledger) endJob(j *gen.Job, out Outcome) {
	l.ended = append(l.ended, &Ended{Job: j, Outcome: out})
}

// reroute gives the run to another pool.
func (l *ledger) reroute(r *gen.Run, pool string) {
	r.Pool = pool
	l.changedRuns[r.ID], l.rerouted[r.ID] = r, true
}

// again queues the next attempt of a run after a delay.
func (l *ledger) again(r *gen.Run, out Outcome, delay time.Duration) {
	l.stats.retried.Add(1)
	at := l.now.Add(delay).Truncate(time.Microsecond)
	begun := r.Attempt
	r.State, r.Attempt, r.RunAt = run.StateQUEUED, r.Attempt+1, at
	r.HeartbeatAt, r.Worker, r.PublishedAt = nil, nil, nil
	l.changedRuns[r.ID], l.moved[r.ID] = r, true
	l.messages = append(l.messages, message{r.ID, r.Attempt, at})
	for _, j := range l.jobs[r.ID] {
		j.State, j.Attempt, j.RunAt = Queued, j.AttemptBase+begun, at
		j.ErrorCode, j.ErrorMessage = words(out)
		l.moved[j.ID] = true
		l.change(j)
	}
}

// cancel ends one job; its run goes on while another job hangs on it.
func (l *ledger) cancel(j *gen.Job) {
	l.endJob(j, Outcome{State: Cancelled})
	others := slices.DeleteFunc(l.jobs[j.RunID], func(o *gen.Job) bool { return o.ID == j.ID })
	l.jobs[j.RunID] = others
	r := l.runs[j.RunID]
	if len(others) > 0 || r == nil || Final(State(r.State)) {
		return
	}
	if r.State == run.StateRUNNING {
		l.closeAttempt(r, attempt.OutcomeCANCELLED, Outcome{})
	}
	r.State, r.ActiveKey = run.StateCANCELLED, nil
	l.changedRuns[r.ID] = r
	l.freed = append(l.freed, r)
}
