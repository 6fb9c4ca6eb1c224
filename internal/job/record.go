package job

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"parley/ent/gen"
	"parley/ent/gen/attempt"
	"parley/ent/gen/run"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/jobspec"
)

// report is all that one batch says of one attempt.
type report struct {
	run     string
	attempt int
	worker  string
	started time.Time
	// begun tells that the worker says that it begins.
	begun bool
	// end is the final result of the attempt, if the batch has it.
	end *jobspec.Result
}

// Record applies what workers reported, all of it in one transaction. What is
// not about a run's present attempt is stale: it is counted and dropped, so
// that a result that arrives twice, late or from a worker that was given up is
// recorded once or not at all. A result that can't be recorded counts as a
// failure of its attempt instead of holding up the others.
func (s *Service) Record(ctx context.Context, results []jobspec.Result) error {
	ctx = auth.System(ctx, "job.record")
	reports, unstaged := s.stage(ctx, fold(results))
	err := s.recordAll(ctx, reports)
	if err == nil {
		return unstaged
	}
	if ctx.Err() != nil || apperr.Is(err, apperr.Unavailable) {
		return err
	}
	slog.Warn("a batch of results could not be recorded, trying one by one", "results", len(results), "error", err)
	for _, r := range reports {
		err := s.recordAll(ctx, []report{r})
		if err == nil {
			continue
		}
		if ctx.Err() != nil || apperr.Is(err, apperr.Unavailable) || r.end == nil {
			return err
		}
		r.unusable(err)
		if err := s.recordAll(ctx, []report{r}); err != nil {
			return err
		}
	}
	return nil
}

// unusable makes a failure of a result that can't be recorded.
func (r *report) unusable(err error) {
	slog.Error("a result could not be recorded, its attempt counts as failed", "run", r.run, "attempt", r.attempt, "error", err)
	failed := *r.end
	failed.Type, failed.Payload = jobspec.ResultFailed, nil
	failed.Failure = &jobspec.Failure{Code: jobspec.CodeInternal, Message: "The result could not be stored."}
	r.end = &failed
}

// stage stores what is too large for rows. What can't be stored now is left out, with the
// error for which the results are to be handed over once more: it holds up no other report.
func (s *Service) stage(ctx context.Context, reports []report) (ready []report, err error) {
	for _, r := range reports {
		later := s.stageOne(ctx, &r)
		if later == nil {
			ready = append(ready, r)
		}
		err = errors.Join(err, later)
	}
	return ready, err
}

func (s *Service) stageOne(ctx context.Context, r *report) error {
	if r.end == nil || r.end.Type != jobspec.ResultDone {
		return nil
	}
	kind, err := s.kind(r.end.Kind)
	if err != nil || kind.Stage == nil {
		return nil //nolint:nilerr // an unknown one is told of where its run is
	}
	payload, err := kind.Stage(ctx, r.end.Payload)
	switch {
	case err == nil:
		staged := *r.end
		staged.Payload = payload
		r.end = &staged
	case ctx.Err() != nil || apperr.Is(err, apperr.Unavailable):
		return err
	default:
		r.unusable(err)
	}
	return nil
}

// fold joins the results of one attempt and orders them by run and attempt.
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
			reports = append(reports, report{run: r.Run, attempt: r.Attempt})
		}
		rep := &reports[at]
		ends := r.Type == jobspec.ResultDone || r.Type == jobspec.ResultFailed
		// Of two ends the better one counts: both workers did the same work.
		if ends && (rep.end == nil || rep.end.Type == jobspec.ResultFailed) {
			rep.end = r
		}
		begins := r.Type == jobspec.ResultStarted
		if rep.worker == "" || rep.end == r || begins && rep.end == nil {
			rep.worker, rep.started = r.Worker, r.StartedAt
		}
		rep.begun = rep.begun || begins
	}
	slices.SortFunc(reports, func(a, b report) int {
		return cmp.Or(cmp.Compare(a.run, b.run), cmp.Compare(a.attempt, b.attempt))
	})
	return reports
}

func (s *Service) recordAll(ctx context.Context, reports []report) error {
	var stale int64
	err := s.store.Tx(ctx, func(ctx context.Context) error {
		stale = 0
		ids := make([]string, len(reports))
		for i, r := range reports {
			ids[i] = r.run
		}
		l, err := s.lockLedger(ctx, ids...)
		if err != nil {
			return err
		}
		for _, rep := range reports {
			r := l.runs[rep.run]
			if r == nil || r.Attempt != rep.attempt || Final(State(r.State)) {
				stale++
				slog.Debug("stale report dropped", "run", rep.run, "attempt", rep.attempt)
				continue
			}
			l.apply(r, rep)
		}
		return l.close(ctx)
	})
	if err == nil {
		s.stats.stale.Add(stale)
	}
	return err
}

// apply records one report of the run's present attempt.
func (l *ledger) apply(r *gen.Run, rep report) {
	if r.State == run.StateRUNNING && (rep.begun || rep.end != nil) {
		l.handOver(r, rep.worker)
	}
	if rep.end == nil {
		l.start(r, rep.worker, rep.started)
		return
	}
	failure := l.failureOf(rep.end)
	if failure == nil {
		l.endAttempt(r, rep, attempt.OutcomeSUCCEEDED, Outcome{})
		l.endRun(r, Outcome{State: Succeeded, Payload: rep.end.Payload})
		return
	}
	out := Outcome{State: Failed, Code: failure.Code, Message: failure.Message}
	if failure.Code == jobspec.CodeWorkerLost {
		out.State = Dead
		l.endAttempt(r, rep, attempt.OutcomeLOST, out)
		l.endRun(r, out)
		return
	}
	l.endAttempt(r, rep, attempt.OutcomeFAILED, out)
	switch {
	case failure.Code.Final():
		l.endRun(r, out)
	case r.Attempt >= r.MaxAttempts:
		out.State = Dead
		l.endRun(r, out)
	default:
		l.again(r, out, l.backoff(r.Attempt))
	}
}

// failureOf tells why an attempt failed; nil for one that brought a result that
// its domain takes.
func (l *ledger) failureOf(end *jobspec.Result) *jobspec.Failure {
	if end.Type == jobspec.ResultFailed {
		if end.Failure == nil || end.Failure.Code == "" {
			return &jobspec.Failure{Code: jobspec.CodeInternal, Message: "The worker gave no reason."}
		}
		return end.Failure
	}
	kind, err := l.kind(l.runs[end.Run].Kind)
	if err == nil && kind.Validate != nil {
		err = kind.Validate(end.Payload)
	}
	if err != nil {
		slog.Error("a worker's result can't be used", "run", end.Run, "attempt", end.Attempt, "worker", end.Worker, "error", err)
		return &jobspec.Failure{Code: jobspec.CodeInternal, Message: "The worker's result can't be used."}
	}
	return nil
}
