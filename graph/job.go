package graph

import (
	"context"
	"fmt"

	"parley/ent/gen"
	"parley/graph/model"
	"parley/graph/node"
	"parley/internal/apperr"
	"parley/internal/job"
)

// progress is what the hub last heard of a job under way.
func (r *Resolver) progress(j *gen.Job) *float64 {
	switch j.State {
	case job.Succeeded:
		whole := 1.0
		return &whole
	case job.Queued, job.Running:
		if p, ok := r.Hub.Progress(j.RunID); ok && p.Attempt <= j.Attempt-j.AttemptBase {
			return &p.Progress
		}
	}
	return nil
}

func jobError(j *gen.Job) *model.JobError {
	if j.ErrorCode == nil {
		return nil
	}
	e := &model.JobError{Code: model.JobErrorCode(*j.ErrorCode)}
	if !e.Code.IsValid() {
		e.Code = model.JobErrorCodeInternal
	}
	if j.ErrorMessage != nil {
		e.Message = *j.ErrorMessage
	}
	return e
}

// loadResult gives what a job made, if that still exists.
func loadResult(ctx context.Context, j *gen.Job) (node.JobResult, error) {
	if j.State != job.Succeeded {
		return nil, nil
	}
	l := loadersFrom(ctx)
	kind, ok := l.Domains.Kind(j.Kind)
	if !ok {
		return nil, fmt.Errorf("job %s is of the kind %q, which nobody announces", j.ID, j.Kind)
	}
	wait, ok := l.object(ctx, kind.Result, j.SubjectID)
	if !ok {
		return nil, fmt.Errorf("nothing loads what job %s made", j.ID)
	}
	made, err := wait()
	if apperr.Is(err, apperr.NotFound) {
		return nil, nil
	}
	return made, err
}

// visible turns NOT_FOUND into null, for fields whose object may be gone.
func visible[T any](v *T, err error) (*T, error) {
	if apperr.Is(err, apperr.NotFound) {
		return nil, nil //nolint:nilnil // null is the field's answer
	}
	return v, err
}
