package content

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"parley/ent/gen"
	"parley/ent/gen/contentpart"
	"parley/internal/apperr"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/media"
	"parley/internal/store"
)

// route gives the pool of the model that the work names, or of any that does such work.
func route(kind string) func(json.RawMessage, []jobspec.Bundle) string {
	return func(payload json.RawMessage, bundles []jobspec.Bundle) string {
		var work struct{ Model, Digest string }
		if err := json.Unmarshal(payload, &work); err != nil {
			return ""
		}
		for _, b := range bundles {
			if b.Kind == kind && (work.Model == "" || b.Name == work.Model) && (work.Digest == "" || b.Digest == work.Digest) {
				return b.Pool
			}
		}
		return ""
	}
}

// validateText refuses a result that no row can hold.
func validateText(payload json.RawMessage) error {
	var done jobspec.Written
	if err := json.Unmarshal(payload, &done); err != nil {
		return fmt.Errorf("decode a text: %w", err)
	}
	if len(done.Texts) == 0 {
		return errNoText
	}
	for _, text := range []string{done.Texts[0].Text, done.Model, done.Prompt} {
		if !store.Storable(text) {
			return errors.New("a text holds characters that are none")
		}
	}
	return nil
}

// staged is a picture whose file is stored.
type staged struct {
	Picture *media.Kept
	Recipe  Recipe
}

// stage stores the file of a picture, which says how it was made.
func (s *Service) stage(ctx context.Context, payload json.RawMessage) (json.RawMessage, error) {
	var drawn jobspec.Drawn
	if err := json.Unmarshal(payload, &drawn); err != nil {
		return nil, fmt.Errorf("decode a picture: %w", err)
	}
	recipe := imageRecipe(drawn)
	picture, err := pictureOf(drawn.PNG, recipe, !s.cfg.Unmarked)
	if err != nil {
		return nil, err
	}
	kept, err := s.media.Keep(ctx, picture)
	if err != nil {
		return nil, err
	}
	return json.Marshal(staged{kept, recipe})
}

func validateImage(payload json.RawMessage) error {
	var done staged
	if err := json.Unmarshal(payload, &done); err != nil {
		return fmt.Errorf("decode a picture: %w", err)
	}
	if done.Picture == nil || done.Picture.Picture == nil || !store.Storable(done.Recipe.Prompt) || !store.Storable(done.Recipe.Model) {
		return errors.New("a picture was not stored")
	}
	return nil
}

// apply writes the parts that the jobs are about, each by itself: what becomes of one leaves
// the other as it is. What a request was deleted for stays deleted.
func (s *Service) apply(ctx context.Context, ended []*job.Ended) ([]event.Change, error) {
	ids := make([]string, len(ended))
	for i, e := range ended {
		ids[i] = e.Job.ParentID
	}
	requests, err := s.lock(ctx, ids...)
	if err != nil {
		return nil, err
	}
	var touched []*gen.ContentRequest
	for _, e := range ended {
		r := requests[e.Job.ParentID]
		part := waiting(r, e.Job.ID)
		if part == nil {
			e.Gone = true
			continue
		}
		if err := s.write(ctx, part, e.Outcome); err != nil {
			return nil, err
		}
		if !slices.Contains(touched, r) {
			touched = append(touched, r)
		}
	}
	changes := make([]event.Change, len(touched))
	for i, r := range touched {
		if changes[i], err = s.touch(ctx, r); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

// waiting gives the part that waits for a job, nil when none does.
func waiting(r *gen.ContentRequest, jobID string) *gen.ContentPart {
	if r == nil {
		return nil
	}
	for _, p := range r.Edges.Parts {
		if p.JobID == jobID && p.State == contentpart.StatePENDING {
			return p
		}
	}
	return nil
}

// write stores what became of a part, in its row and in p.
func (s *Service) write(ctx context.Context, p *gen.ContentPart, out job.Outcome) error {
	u := s.store.Client(ctx).ContentPart.UpdateOneID(p.ID)
	p.State = contentpart.StateFAILED
	switch out.State {
	case job.Cancelled:
		p.State = contentpart.StateCANCELLED
	case job.Succeeded:
		p.State = contentpart.StateREADY
		if err := s.keep(ctx, u, p, out.Payload); err != nil {
			return err
		}
	}
	if err := u.SetState(p.State).Exec(ctx); err != nil {
		return fmt.Errorf("store a part of a content request: %w", err)
	}
	return nil
}

// keep adds what was made to the update of a part.
func (s *Service) keep(ctx context.Context, u *gen.ContentPartUpdateOne, p *gen.ContentPart, payload json.RawMessage) error {
	var recipe Recipe
	if p.Kind == contentpart.KindIMAGE {
		var done staged
		if err := json.Unmarshal(payload, &done); err != nil {
			return fmt.Errorf("decode a picture: %w", err)
		}
		m, err := s.media.Add(ctx, done.Picture, media.About{Owner: &p.OwnerID, Visibility: media.Private})
		if err != nil {
			return err
		}
		recipe = done.Recipe
		u.SetMediaID(m.ID)
	} else {
		var done jobspec.Written
		if err := json.Unmarshal(payload, &done); err != nil {
			return fmt.Errorf("decode a text: %w", err)
		}
		if done.Texts[0].End == jobspec.EndStopped {
			p.State = contentpart.StateSTOPPED
		}
		recipe = textRecipe(done)
		u.SetText(done.Texts[0].Text)
	}
	data, err := json.Marshal(recipe)
	if err != nil {
		return fmt.Errorf("encode a recipe: %w", err)
	}
	u.SetRecipe(data)
	return nil
}

// reopen prepares another try of a part.
func (s *Service) reopen(ctx context.Context, j *gen.Job) (json.RawMessage, error) {
	locked, err := s.lock(ctx, j.ParentID)
	if err != nil {
		return nil, err
	}
	r := locked[j.ParentID]
	if r == nil {
		return nil, apperr.New(apperr.Conflict, "The content request was deleted since.")
	}
	i := slices.IndexFunc(r.Edges.Parts, func(p *gen.ContentPart) bool { return p.JobID == j.ID })
	if i < 0 || there(r.Edges.Parts[i]) {
		return nil, apperr.New(apperr.Conflict, "What the job is for is there already.")
	}
	p := r.Edges.Parts[i]
	p.State = contentpart.StatePENDING
	if err := s.store.Client(ctx).ContentPart.UpdateOneID(p.ID).SetState(p.State).Exec(ctx); err != nil {
		return nil, fmt.Errorf("reopen a part of a content request: %w", err)
	}
	change, err := s.touch(ctx, r)
	if err != nil {
		return nil, err
	}
	return p.Work, s.log.Append(ctx, change)
}
