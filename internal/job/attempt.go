package job

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"parley/ent/gen"
	"parley/ent/gen/attempt"
	"parley/internal/auth"
)

// Try is an attempt as a job's owner sees it: numbered over all of the job's
// runs.
type Try struct {
	Number int
	*gen.Attempt
}

// Handovers is how often another worker took the attempt over.
func (t *Try) Handovers() int { return len(t.EarlierWorkers) }

// tenure is the time that a job hung on a run before a retry: the run, and how
// many of its attempts were begun until the job left it. Job.EarlierRuns holds
// them as "run:attempts".
type tenure struct {
	run      string
	attempts int
}

func (s tenure) String() string { return s.run + ":" + strconv.Itoa(s.attempts) }

func parseTenure(s string) tenure {
	id, number, _ := strings.Cut(s, ":")
	n, err := strconv.Atoi(number)
	if err != nil {
		n = 0
	}
	return tenure{id, n}
}

// tenuresOf gives all tenures of a job, the present or last one included.
func tenuresOf(j *gen.Job) []tenure {
	tenures := make([]tenure, 0, len(j.EarlierRuns)+1)
	for _, s := range j.EarlierRuns {
		tenures = append(tenures, parseTenure(s))
	}
	return append(tenures, tenure{j.RunID, j.Attempt - j.AttemptBase})
}

// AttemptsOf gives the attempts of jobs that the viewer was given, by the
// job's id, the oldest first.
func (s *Service) AttemptsOf(ctx context.Context, jobs []*gen.Job) (map[string][]*Try, error) {
	ctx = auth.System(ctx, "job.attempts")
	var runs []string
	for _, j := range jobs {
		for _, tenure := range tenuresOf(j) {
			runs = append(runs, tenure.run)
		}
	}
	rows, err := s.store.Client(ctx).Attempt.Query().Where(attempt.RunIDIn(runs...)).Order(gen.Asc(attempt.FieldNumber)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	byRun := map[string][]*gen.Attempt{}
	for _, row := range rows {
		byRun[row.RunID] = append(byRun[row.RunID], row)
	}
	byJob := make(map[string][]*Try, len(jobs))
	for _, j := range jobs {
		byJob[j.ID] = triesOf(j, byRun)
	}
	return byJob, nil
}

// triesOf numbers the attempts of a job. What a run did after the job left it
// is not the job's.
func triesOf(j *gen.Job, byRun map[string][]*gen.Attempt) []*Try {
	tries := []*Try{}
	before := 0
	for _, tenure := range tenuresOf(j) {
		for _, row := range byRun[tenure.run] {
			if row.Number <= tenure.attempts {
				tries = append(tries, &Try{Number: before + row.Number, Attempt: untilLeft(j, row)})
			}
		}
		before += tenure.attempts
	}
	return tries
}

// untilLeft gives an attempt as it was for a job that was cancelled meanwhile.
func untilLeft(j *gen.Job, row *gen.Attempt) *gen.Attempt {
	if j.State != Cancelled || row.RunID != j.RunID || row.EndedAt != nil && !row.EndedAt.After(*j.FinishedAt) {
		return row
	}
	cut := *row
	cut.Outcome, cut.EndedAt, cut.ErrorCode, cut.Reason = attempt.OutcomeCANCELLED, j.FinishedAt, nil, nil
	return &cut
}
