package job_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/ent/gen/attempt"
	"parley/internal/apperr"
	"parley/internal/job"
	"parley/internal/jobspec"
)

// Random sequences of everything that can happen to jobs are played on the
// engine and on a model of a few lines; after each step both must agree.
func TestRandomSequencesFollowTheModel(t *testing.T) {
	onBoth(t, job.Config{MaxAttempts: 3, RetryBase: time.Nanosecond}, func(t *testing.T, e *engine) {
		announceAll(e)
		seeds := 12
		if e.store.Postgres() {
			seeds = 3
		}
		for seed := range seeds {
			p := &play{engine: e, rand: rand.New(rand.NewPCG(uint64(seed), 7)), active: map[string]*modelRun{}, tag: fmt.Sprint(seed)}
			for range 60 {
				p.step()
				p.compare()
			}
			p.finish()
		}
	})
}

// modelJob and modelRun are what the engine must know.
type modelJob struct {
	id, owner, work, subject string
	run                      *modelRun
	state                    job.State
	version                  int64
	attempt, base            int
	ends                     int
}

type modelRun struct {
	id, work      string
	state         job.State
	attempt, most int
	lost          int
	jobs          []*modelJob
}

type play struct {
	*engine
	rand   *rand.Rand
	tag    string
	jobs   []*modelJob
	runs   []*modelRun
	active map[string]*modelRun
	sent   []jobspec.Result
	trace  []string
}

func (p *play) note(format string, args ...any) {
	p.trace = append(p.trace, fmt.Sprintf(format, args...))
}

func (p *play) step() {
	switch n := p.rand.IntN(100); {
	case n < 20 || len(p.jobs) == 0:
		p.enqueue()
	case n < 60:
		p.work()
	case n < 72:
		p.replayOld()
	case n < 82:
		p.cancel()
	case n < 92:
		p.retry()
	default:
		p.lose()
	}
}

func (p *play) enqueue() {
	owner := "user_" + p.tag + string(rune('a'+p.rand.IntN(3)))
	work := string(rune('a'+p.rand.IntN(3))) + p.tag
	lane := jobspec.LaneBulk
	if p.rand.IntN(2) == 0 {
		lane = jobspec.LaneInteractive
	}
	j := p.askIn(lane, owner, work)
	m := &modelJob{id: j.ID, owner: owner, work: work, subject: j.SubjectID, version: 1}
	p.attach(m, j.RunID)
	p.jobs = append(p.jobs, m)
	p.note("enqueue %s on %s", m.id, m.run.id)
}

// attach hangs a job on the active run for its work, or on a new one.
func (p *play) attach(m *modelJob, runID string) {
	r := p.active[m.work]
	if r == nil {
		r = &modelRun{id: runID, work: m.work, state: job.Queued, attempt: 1, most: 3}
		p.active[m.work] = r
		p.runs = append(p.runs, r)
	}
	require.Equal(p.t, r.id, runID, "joined the wrong run: %v", p.trace)
	if m.run != r {
		m.base = m.attempt
	}
	m.run, m.state, m.attempt = r, r.state, m.base+r.attempt
	if r.state == job.Queued {
		m.attempt--
	}
	r.jobs = append(r.jobs, m)
}

// work lets workers report on an active run, one or two messages at a time.
func (p *play) work() {
	r := p.pickRun(func(r *modelRun) bool { return !job.Final(r.state) })
	if r == nil {
		return
	}
	batch := []jobspec.Result{p.message(r)}
	if p.rand.IntN(3) == 0 {
		batch = append(batch, p.message(r))
	}
	p.send(batch)
}

func (p *play) message(r *modelRun) jobspec.Result {
	kinds := []jobspec.ResultType{jobspec.ResultStarted, jobspec.ResultStarted, jobspec.ResultDone, jobspec.ResultFailed, jobspec.ResultHeartbeat}
	m := report(r.id, r.attempt, "w", kinds[p.rand.IntN(len(kinds))])
	switch m.Type {
	case jobspec.ResultDone:
		m.Payload = []byte(`"fine"`)
		if p.rand.IntN(6) == 0 {
			m.Payload = []byte(`"poison"`)
		}
	case jobspec.ResultFailed:
		codes := []jobspec.Code{jobspec.CodeInternal, jobspec.CodeModelBroken, jobspec.CodeInvalidInput}
		m.Failure = &jobspec.Failure{Code: codes[p.rand.IntN(len(codes))], Message: "no"}
	}
	if p.rand.IntN(12) == 0 {
		m.Attempt += 1 - 2*p.rand.IntN(2) // never begun, or long over
	}
	return m
}

// replayOld sends again what was sent before, or speaks of a run that is not there.
func (p *play) replayOld() {
	if len(p.sent) == 0 || p.rand.IntN(8) == 0 {
		p.send([]jobspec.Result{report("run_unknown", 1, "w", jobspec.ResultDone)})
		return
	}
	p.send([]jobspec.Result{p.sent[p.rand.IntN(len(p.sent))]})
}

func (p *play) send(batch []jobspec.Result) {
	p.sent = append(p.sent, batch...)
	for _, m := range batch {
		p.note("%s of %s:%d", m.Type, m.Run, m.Attempt)
	}
	p.record(batch...)
	// Messages about one attempt count as one: its end, else its start. Of two
	// attempts at a run the earlier comes first.
	slices.SortStableFunc(batch, func(a, b jobspec.Result) int { return cmp.Or(cmp.Compare(a.Run, b.Run), a.Attempt-b.Attempt) })
	for len(batch) > 0 {
		first := batch[0]
		same := func(m jobspec.Result) bool { return m.Run == first.Run && m.Attempt == first.Attempt }
		var end *jobspec.Result
		for _, m := range batch {
			ends := m.Type == jobspec.ResultDone || m.Type == jobspec.ResultFailed
			if same(m) && ends && (end == nil || end.Type == jobspec.ResultFailed) {
				end = &m
			}
		}
		batch = slices.DeleteFunc(slices.Clone(batch), same)
		for _, r := range p.runs {
			if r.id == first.Run && r.attempt == first.Attempt && !job.Final(r.state) {
				p.apply(r, end)
				break
			}
		}
	}
}

func (p *play) apply(r *modelRun, end *jobspec.Result) {
	switch {
	case end == nil && r.state == job.Running:
	case end == nil:
		r.state = job.Running
		r.change(job.Running)
	case end.Type == jobspec.ResultDone && string(end.Payload) != `"poison"`:
		p.end(r, job.Succeeded)
	case end.Failure != nil && end.Failure.Code.Final():
		p.end(r, job.Failed)
	case r.attempt >= r.most:
		p.end(r, job.Dead)
	default:
		r.again()
	}
}

// again: the attempt that is over is the one that the jobs have begun last.
func (r *modelRun) again() {
	r.state = job.Queued
	r.change(job.Queued)
	r.attempt++
}

func (r *modelRun) change(to job.State) {
	for _, j := range r.jobs {
		j.state, j.attempt = to, j.base+r.attempt
		j.version++
	}
}

func (p *play) end(r *modelRun, state job.State) {
	r.state = state
	r.change(state)
	for _, j := range r.jobs {
		j.ends++
	}
	r.jobs = nil
	delete(p.active, r.work)
}

func (p *play) cancel() {
	m := p.jobs[p.rand.IntN(len(p.jobs))]
	p.note("cancel %s", m.id)
	_, err := p.Cancel(p.as(m.owner), m.id)
	require.NoError(p.t, err)
	if job.Final(m.state) {
		return
	}
	m.state = job.Cancelled
	m.version++
	m.ends++
	m.run.jobs = slices.DeleteFunc(m.run.jobs, func(o *modelJob) bool { return o == m })
	if len(m.run.jobs) == 0 {
		m.run.state = job.Cancelled
		delete(p.active, m.work)
	}
}

func (p *play) retry() {
	m := p.jobs[p.rand.IntN(len(p.jobs))]
	p.note("retry %s", m.id)
	j, err := p.Retry(p.as(m.owner), m.id)
	if !job.Final(m.state) || m.state == job.Succeeded {
		require.True(p.t, apperr.Is(err, apperr.Conflict), "%v after %v", err, p.trace)
		return
	}
	require.NoError(p.t, err)
	p.attach(m, j.RunID)
	m.version++
}

// lose makes the rescuer find a run: its worker or its message is gone.
func (p *play) lose() {
	r := p.pickRun(func(r *modelRun) bool { return !job.Final(r.state) })
	if r == nil {
		return
	}
	p.relay()
	p.note("lose %s", r.id)
	n := p.rescue(r.id, p.rand.IntN(2) == 0 && r.state == job.Running)
	require.Equal(p.t, 1, n, "%v", p.trace)
	switch {
	case r.state == job.Queued:
		r.most++
		r.again()
	case r.lost == 1 || r.attempt >= r.most:
		r.lost++
		p.end(r, job.Dead)
	default:
		r.lost++
		r.again()
	}
}

func (p *play) pickRun(fits func(*modelRun) bool) *modelRun {
	var all []*modelRun
	for _, r := range p.runs {
		if fits(r) {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[p.rand.IntN(len(all))]
}

func (p *play) compare() {
	ids := make([]string, len(p.jobs))
	for i, m := range p.jobs {
		ids[i] = m.id
	}
	rows, err := p.ByID(p.system(), ids)
	require.NoError(p.t, err)
	for _, m := range p.jobs {
		j := rows[m.id]
		want := fmt.Sprintf("%s %s v%d attempt %d on %s", m.id, m.state, m.version, m.attempt, m.run.id)
		got := fmt.Sprintf("%s %s v%d attempt %d on %s", j.ID, j.State, j.Version, j.Attempt, j.RunID)
		require.Equal(p.t, want, got, "%v", p.trace)
	}
}

// finish checks what must hold of the whole history.
func (p *play) finish() {
	for _, m := range p.jobs {
		events := p.events(m.owner, m.id)
		require.Len(p.t, events, int(m.version), "exactly one event per change")
		for i, e := range events {
			require.Equal(p.t, int64(i+1), e.Version, "in the order of the versions")
		}
		require.Len(p.t, p.toy.outcomes(m.id), m.ends, "exactly one result per end")
	}
	for _, r := range p.runs {
		succeeded, err := p.store.Client(p.t.Context()).Attempt.Query().
			Where(attempt.RunID(r.id), attempt.OutcomeEQ(attempt.OutcomeSUCCEEDED)).Count(p.system())
		require.NoError(p.t, err)
		require.LessOrEqual(p.t, succeeded, 1)
		open, err := p.store.Client(p.t.Context()).Attempt.Query().
			Where(attempt.RunID(r.id), attempt.OutcomeEQ(attempt.OutcomeRUNNING)).Count(p.system())
		require.NoError(p.t, err)
		require.Equal(p.t, r.state == job.Running, open == 1, "only a running run has an open attempt")
	}
}

func announceAll(e *engine) {
	var works []string
	for tag := range 20 {
		for _, work := range []string{"a", "b", "c"} {
			works = append(works, work+fmt.Sprint(tag))
		}
	}
	e.announce("w", "pool", works...)
}
