package note

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"parley/ent/gen"
	"parley/ent/gen/note"
	"parley/ent/gen/translation"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// Translate asks for translations of one note and gives a job for each
// language, in their order.
func (s *Service) Translate(ctx context.Context, in TranslateNoteInput) ([]*gen.Job, event.Cursor, error) {
	return s.translate(ctx, "translateNote", "noteId", TranslateNotesInput{
		NoteIds: []string{in.NoteID}, Languages: in.Languages, IdempotencyKey: in.IdempotencyKey,
	}, jobspec.LaneInteractive)
}

// TranslateAll asks for translations of several notes: all or nothing. The
// jobs come note by note.
func (s *Service) TranslateAll(ctx context.Context, in TranslateNotesInput) ([]*gen.Job, event.Cursor, error) {
	return s.translate(ctx, "translateNotes", "noteIds", in, jobspec.LaneBulk)
}

func (s *Service) translate(ctx context.Context, operation, field string, in TranslateNotesInput, lane jobspec.Lane) ([]*gen.Job, event.Cursor, error) {
	if _, err := auth.Require(ctx); err != nil {
		return nil, event.Cursor{}, err
	}
	if err := in.Validate(); err != nil {
		return nil, event.Cursor{}, err
	}
	for _, id := range in.NoteIds {
		if err := store.CheckID("note", id, "input", field); err != nil {
			return nil, event.Cursor{}, err
		}
	}
	bundles, err := s.jobs.Bundles(ctx)
	if err != nil {
		return nil, event.Cursor{}, err
	}
	targets := unique(in.Languages)
	ids := unique(in.NoteIds)
	fingerprint := TranslateNotesInput{NoteIds: ids, Languages: targets}
	answer, err := s.jobs.Once(ctx, operation, in.IdempotencyKey, fingerprint, func(ctx context.Context) ([]string, error) {
		var jobs []string
		for _, id := range ids {
			made, err := s.request(ctx, id, targets, bundles, lane)
			if err != nil {
				return nil, err
			}
			jobs = append(jobs, made...)
		}
		return jobs, nil
	})
	if err != nil {
		return nil, event.Cursor{}, err
	}
	jobs, err := s.jobs.GetAll(ctx, answer.IDs)
	return jobs, answer.Cursor, err
}

func unique(values []string) []string {
	var seen []string
	for _, v := range values {
		if !slices.Contains(seen, v) {
			seen = append(seen, v)
		}
	}
	return seen
}

// request gives the ids of the jobs for one note: those that are under way or
// done for its present text, and new ones for the rest.
func (s *Service) request(ctx context.Context, id string, targets []string, bundles []jobspec.Bundle, lane jobspec.Lane) ([]string, error) {
	n, err := s.lock(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := mayEdit(ctx, n); err != nil {
		return nil, err
	}
	if err := checkTargets(bundles, n.Language, targets); err != nil {
		return nil, err
	}
	existing, err := s.store.Client(ctx).Translation.Query().
		Where(translation.NoteID(id), translation.TextVersion(n.TextVersion), translation.LanguageIn(targets...)).All(ctx)
	if err != nil {
		return nil, err
	}
	byTarget := map[string]*gen.Translation{}
	for _, t := range existing {
		byTarget[t.Language] = t
	}
	jobs := make([]string, len(targets))
	var wanted []string
	for i, target := range targets {
		if t := byTarget[target]; t != nil && t.State != Failed && t.State != Cancelled {
			jobs[i] = t.JobID
			continue
		}
		jobs[i] = store.NewID("job")
		wanted = append(wanted, target)
	}
	if len(wanted) == 0 {
		return jobs, nil
	}
	if n, err = n.Update().AddRevision(1).Save(ctx); err != nil {
		return nil, err
	}
	var requests []job.Request
	var changes []event.Change
	for i, target := range targets {
		if !slices.Contains(wanted, target) {
			continue
		}
		t, err := s.pending(ctx, n, byTarget[target], target, jobs[i])
		if err != nil {
			return nil, err
		}
		payload, err := payloadFor(n, target, bundles)
		if err != nil {
			return nil, err
		}
		changes = append(changes, translationChanged(t, n.Revision, Pending))
		requests = append(requests, job.Request{
			ID: jobs[i], Owner: n.OwnerID, Kind: jobspec.KindTranslate, Payload: payload,
			Subject: t.ID, Parent: n.ID, Lane: lane,
		})
	}
	if err := s.log.Append(ctx, changes...); err != nil {
		return nil, err
	}
	_, err = s.jobs.Enqueue(ctx, requests...)
	return jobs, err
}

// pending gives the row that waits for the result: a new one, or the one of a
// try that failed.
func (s *Service) pending(ctx context.Context, n *gen.Note, failed *gen.Translation, target, jobID string) (*gen.Translation, error) {
	if failed != nil {
		return failed.Update().SetState(Pending).SetJobID(jobID).SetVersion(n.Revision).Save(ctx)
	}
	return s.store.Client(ctx).Translation.Create().SetID(store.NewID("tr")).SetNoteID(n.ID).SetOwnerID(n.OwnerID).
		SetLanguage(target).SetTextVersion(n.TextVersion).SetJobID(jobID).SetVersion(n.Revision).Save(ctx)
}

// payloadFor names the languages as the announced direction does.
func payloadFor(n *gen.Note, target string, bundles []jobspec.Bundle) (json.RawMessage, error) {
	work := jobspec.Translate{Text: n.Text, Source: n.Language, Target: target}
	if _, d, ok := match(bundles, n.Language, target); ok {
		work.Source, work.Target = d.Source, d.Target
	}
	data, err := json.Marshal(work)
	if err != nil {
		return nil, fmt.Errorf("encode the work: %w", err)
	}
	return data, nil
}

func (s *Service) translateKind() job.Kind {
	return job.Kind{Name: jobspec.KindTranslate, Apply: s.apply, Reopen: s.reopen, Route: route}
}

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

// apply writes only the translation, keyed by the version of the text that it
// belongs to, so that nothing an owner edited meanwhile is touched.
func (s *Service) apply(ctx context.Context, j *gen.Job, out job.Outcome) error {
	client := s.store.Client(ctx)
	t, err := client.Translation.Get(ctx, j.SubjectID)
	if gen.IsNotFound(err) {
		return job.ErrGone
	} else if err != nil {
		return err
	}
	if t.State != Pending || t.JobID != j.ID {
		return job.ErrGone
	}
	n, err := client.Note.UpdateOneID(t.NoteID).AddRevision(1).Save(ctx)
	if gen.IsNotFound(err) {
		return job.ErrGone
	} else if err != nil {
		return err
	}
	state := Failed
	u := t.Update()
	switch out.State {
	case job.Succeeded:
		var done jobspec.Translated
		if err := json.Unmarshal(out.Payload, &done); err != nil {
			return fmt.Errorf("decode a translation: %w", err)
		}
		state = Ready
		if n.TextVersion != t.TextVersion {
			state = Stale
		}
		u.SetText(done.Text).SetModel(done.Model)
	case job.Cancelled:
		state = Cancelled
	}
	if err := u.SetState(state).SetVersion(n.Revision).Exec(ctx); err != nil {
		return fmt.Errorf("store a translation: %w", err)
	}
	return s.log.Append(ctx, translationChanged(t, n.Revision, state))
}

func translationChanged(t *gen.Translation, revision int64, state translation.State) event.Change {
	return event.Change{
		Audience: event.User(t.OwnerID), Topic: event.TopicNotes, Type: event.TypeTranslationChanged,
		Object: t.ID, Parent: t.NoteID, Version: revision, State: string(state),
	}
}

// reopen prepares another try: the note must still have the text that the job
// was for.
func (s *Service) reopen(ctx context.Context, j *gen.Job) (json.RawMessage, error) {
	gone := apperr.New(apperr.Conflict, "The note was changed or deleted since: ask for a new translation.")
	client := s.store.Client(ctx)
	t, err := client.Translation.Get(ctx, j.SubjectID)
	if gen.IsNotFound(err) {
		return nil, gone
	} else if err != nil {
		return nil, err
	}
	n, err := client.Note.Query().Where(note.ID(t.NoteID)).Only(ctx)
	if err != nil {
		return nil, errors.Join(gone, err)
	}
	if n.TextVersion != t.TextVersion || t.JobID != j.ID {
		return nil, gone
	}
	if n, err = n.Update().AddRevision(1).Save(ctx); err != nil {
		return nil, err
	}
	if err := t.Update().SetState(Pending).SetVersion(n.Revision).Exec(ctx); err != nil {
		return nil, err
	}
	if err := s.log.Append(ctx, translationChanged(t, n.Revision, Pending)); err != nil {
		return nil, err
	}
	bundles, err := s.jobs.Bundles(ctx)
	if err != nil {
		return nil, err
	}
	return payloadFor(n, t.Language, bundles)
}
