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

// stay is the time that a job hung on a run before a retry: the run, and how
// many of its attempts were begun until the job left it. Job.EarlierRuns holds
// them as "run:attempts".
type stay struct {
	run      string
	attempts int
}

func (s stay) String() string { return s.run + ":" + strconv.Itoa(s.attempts) }

func parseStay(s string) stay {
	id, number, _ := strings.Cut(s, ":")
	n, err := strconv.Atoi(number)
	if err != nil {
		n = 0
	}
	return stay{id, n}
}

// staysOf gives all stays of a job, the present or last one included.
func staysOf(j *gen.Job) []stay {
	stays := make([]stay, 0, len(j.EarlierRuns)+1)
	for _, s := range j.EarlierRuns {
		stays = append(stays, parseStay(s))
	}
	return append(stays, stay{j.RunID, j.Attempt - j.AttemptBase})
}

// AttemptsOf gives the attempts of jobs that the viewer was given, by the
// job's id, the oldest first.
func (s *Service) AttemptsOf(ctx context.Context, jobs []*gen.Job) (map[string][]*Try, error) {
	ctx = auth.System(ctx, "job.attempts")
	var runs []string
	for _, j := range jobs {
		for _, stay := range staysOf(j) {
			runs = append(runs, stay.run)
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
	for _, stay := range staysOf(j) {
		for _, row := range byRun[stay.run] {
			if row.Number <= stay.attempts {
				tries = append(tries, &Try{Number: before + row.Number, Attempt: left(j, row)})
			}
		}
		before += stay.attempts
	}
	return tries
}

// left gives an attempt as it was for a job that was cancelled meanwhile.
func left(j *gen.Job, row *gen.Attempt) *gen.Attempt {
	if j.State != Cancelled || row.RunID != j.RunID || row.EndedAt != nil && !row.EndedAt.After(*j.FinishedAt) {
		return row
	}
	cut := *row
	cut.Outcome, cut.EndedAt, cut.ErrorCode, cut.Reason = attempt.OutcomeCANCELLED, j.FinishedAt, nil, nil
	return &cut
}
