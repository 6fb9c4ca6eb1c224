package graph

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/graph/model"
	"parley/internal/job"
	"parley/internal/live"
	"parley/internal/store"
)

func TestWhatAJobMadeIsFoundByWhatItsKindAnnounces(t *testing.T) {
	s := newShelf()
	made, broken := s.put("made"), s.fail(errors.New("broken"))
	batched(t, s, func(t *testing.T, ctx context.Context) {
		j := &gen.Job{ID: store.NewID("job"), Kind: "write", State: job.Succeeded, SubjectID: made}
		got, err := loadResult(ctx, j)
		require.NoError(t, err)
		require.Same(t, s.notes[made], got)

		j.SubjectID = store.NewID("note")
		got, err = loadResult(ctx, j)
		require.NoError(t, err)
		require.Nil(t, got, "it is gone")

		j.SubjectID = broken
		_, err = loadResult(ctx, j)
		require.ErrorContains(t, err, "broken")
	})
}

func TestAJobOfAKindThatNobodyAnnouncesIsAnError(t *testing.T) {
	s := newShelf()
	made := s.put("made")
	batched(t, s, func(t *testing.T, ctx context.Context) {
		_, err := loadResult(ctx, &gen.Job{ID: "job_x", Kind: "paint", State: job.Succeeded, SubjectID: made})
		require.ErrorContains(t, err, `job job_x is of the kind "paint", which nobody announces`)
		require.Empty(t, s.asked)
	})
}

func TestAJobThatDidNotSucceedMadeNothing(t *testing.T) {
	s := newShelf()
	made := s.put("made")
	batched(t, s, func(t *testing.T, ctx context.Context) {
		for _, state := range []job.State{job.Queued, job.Running, job.Failed, job.Dead, job.Cancelled} {
			got, err := loadResult(ctx, &gen.Job{Kind: "write", State: state, SubjectID: made})
			require.NoError(t, err)
			require.Nil(t, got, state)
		}
		require.Empty(t, s.asked, "and nobody looks")
	})
}

func TestProgressIsWholeAtTheEndAndUnknownBeforeAReport(t *testing.T) {
	t.Parallel()
	r := newShelf().resolver(t)
	var err error
	r.Hub, err = live.NewHub(nil, nil, r.Domains)
	require.NoError(t, err)
	require.InDelta(t, 1, *r.progress(&gen.Job{State: job.Succeeded}), 0)
	for _, state := range []job.State{job.Queued, job.Running, job.Failed, job.Dead, job.Cancelled} {
		require.Nil(t, r.progress(&gen.Job{State: state, RunID: "run_x", Attempt: 1}), state)
	}
}

func TestAJobsErrorHasACodeOfTheSchemaWhateverTheRowSays(t *testing.T) {
	t.Parallel()
	word := func(s string) *string { return &s }
	require.Nil(t, jobError(&gen.Job{}), "nothing went wrong")
	require.Equal(t, &model.JobError{Code: model.JobErrorCodeModelBroken, Message: "It broke."},
		jobError(&gen.Job{ErrorCode: word("MODEL_BROKEN"), ErrorMessage: word("It broke.")}))
	require.Equal(t, &model.JobError{Code: model.JobErrorCodeInternal},
		jobError(&gen.Job{ErrorCode: word("A_CODE_OF_A_NEWER_WORKER")}))
}
