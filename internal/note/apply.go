package note

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"parley/ent/gen"
	"parley/ent/gen/translation"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// route gives the pool of a bundle that announced the direction.
func route(payload json.RawMessage, bundles []jobspec.Bundle) string {
	var work jobspec.Translate
	if err := json.Unmarshal(payload, &work); err != nil {
		return ""
	}
	b, _, ok := match(bundles, work.Source, work.Target)
	if !ok {
		return ""
	}
	return b.Pool
}

// validate refuses a result that no row can hold.
func validate(payload json.RawMessage) error {
	var done jobspec.Translated
	if err := json.Unmarshal(payload, &done); err != nil {
		return fmt.Errorf("decode a translation: %w", err)
	}
	for _, text := range []string{done.Text, done.Model} {
		if !store.Storable(text) {
			return errors.New("a translation holds characters that are none")
		}
	}
	return nil
}

// apply writes only the translations, keyed by the version of the text that
// they belong to, so that nothing an owner edited meanwhile is touched. What a
// note or translation was deleted for stays deleted.
func (s *Service) apply(ctx context.Context, ended []*job.Ended) ([]event.Change, error) {
	rows, err := s.awaited(ctx, ended)
	if err != nil {
		return nil, err
	}
	var notes []string
	for _, t := range rows {
		notes = append(notes, t.NoteID)
	}
	revised, err := s.revise(ctx, notes)
	if err != nil {
		return nil, err
	}
	var changes []event.Change
	for _, e := range ended {
		t := rows[e.Job.ID]
		if t == nil {
			e.Gone = true
			continue
		}
		n, ok := revised[t.NoteID]
		if !ok {
			e.Gone = true
			continue
		}
		state, err := s.write(ctx, t, e.Outcome, n)
		if err != nil {
			return nil, err
		}
		changes = append(changes, translationChanged(t, n.revision, state))
	}
	return changes, nil
}

// awaited gives the translations that wait for the jobs, by the job's id.
func (s *Service) awaited(ctx context.Context, ended []*job.Ended) (map[string]*gen.Translation, error) {
	ids := make([]string, len(ended))
	for i, e := range ended {
		ids[i] = e.Job.SubjectID
	}
	byJob := make(map[string]*gen.Translation, len(ended))
	for part := range slices.Chunk(ids, 500) {
		rows, err := s.store.Client(ctx).Translation.Query().Where(translation.IDIn(part...), translation.StateEQ(Pending)).All(ctx)
		if err != nil {
			return nil, fmt.Errorf("read translations: %w", err)
		}
		for _, t := range rows {
			byJob[t.JobID] = t
		}
	}
	return byJob, nil
}

func (s *Service) write(ctx context.Context, t *gen.Translation, out job.Outcome, n revision) (translation.State, error) {
	state := Failed
	u := s.store.Client(ctx).Translation.Update().Where(translation.ID(t.ID))
	switch out.State {
	case job.Succeeded:
		var done jobspec.Translated
		if err := json.Unmarshal(out.Payload, &done); err != nil {
			return state, fmt.Errorf("decode a translation: %w", err)
		}
		state = Ready
		if n.textVersion != t.TextVersion {
			state = Stale
		}
		u.SetText(done.Text).SetModel(done.Model)
		if err := setAlternatives(u, done.Alternatives); err != nil {
			return state, err
		}
	case job.Cancelled:
		state = Cancelled
	}
	if err := u.SetState(state).SetVersion(n.revision).Exec(ctx); err != nil {
		return state, fmt.Errorf("store a translation: %w", err)
	}
	return state, nil
}
