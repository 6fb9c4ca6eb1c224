package note

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"parley/ent/gen"
	"parley/ent/gen/note"
	"parley/ent/gen/translation"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
	"parley/internal/idempotency"
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
	viewer, err := auth.Require(ctx)
	if err != nil {
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
	bundles, err := s.workers.Bundles(ctx)
	if err != nil {
		return nil, event.Cursor{}, err
	}
	r := request{Service: s, bundles: bundles, notes: unique(in.NoteIds), targets: unique(in.Languages), lane: lane}
	fingerprint := TranslateNotesInput{NoteIds: r.notes, Languages: r.targets}
	answer, err := s.keys.Once(ctx, idempotency.Call{Owner: viewer.ID, Operation: operation, Key: in.IdempotencyKey, Input: fingerprint}, r.run)
	if err != nil {
		return nil, event.Cursor{}, err
	}
	if !answer.Repeated && len(r.made) == len(answer.Values) {
		return r.made, answer.Cursor, nil
	}
	jobs, err := s.jobs.GetAll(ctx, answer.Values)
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

// request is one call for translations of notes.
type request struct {
	*Service
	bundles        []jobspec.Bundle
	notes, targets []string
	lane           jobspec.Lane

	// made are the jobs that the call made, in the order of their answer.
	made []*gen.Job
	// terms are those of the owner's glossaries that apply.
	terms map[pair][]jobspec.Term
}

// pair is a note's text in a language to be.
type pair struct{ note, target string }

// want is a pair that a new job is to make.
type want struct {
	pair
	job string
}

// run gives the ids of the jobs: those that are under way or done for the
// notes' present texts, and new ones for the rest.
func (r *request) run(ctx context.Context) ([]string, error) {
	r.made = nil
	notes, err := r.check(ctx)
	if err != nil {
		return nil, err
	}
	present, err := r.present(ctx, notes)
	if err != nil {
		return nil, err
	}
	if err := r.findTerms(ctx, notes); err != nil {
		return nil, err
	}
	var answer, pending []string
	var wanted []want
	for _, id := range r.notes {
		for _, target := range r.targets {
			t := present[pair{id, target}]
			if t == nil || t.State == Failed || t.State == Cancelled || t.Glossary != hashOf(r.terms[pair{id, target}]) {
				w := want{pair{id, target}, store.NewID("job")}
				wanted, answer = append(wanted, w), append(answer, w.job)
				continue
			}
			answer = append(answer, t.JobID)
			if t.State == Pending {
				pending = append(pending, t.JobID)
			}
		}
	}
	if r.lane == jobspec.LaneInteractive && len(pending) > 0 {
		if err := r.jobs.Hasten(ctx, pending); err != nil {
			return nil, err
		}
	}
	if len(wanted) == 0 {
		return answer, nil
	}
	return answer, r.enqueue(ctx, notes, present, wanted)
}

// findTerms looks for the terms of the owner's glossaries in the notes.
func (r *request) findTerms(ctx context.Context, notes map[string]*gen.Note) error {
	r.terms = map[pair][]jobspec.Term{}
	glossaries, err := r.glossariesOf(ctx, notes[r.notes[0]].OwnerID)
	if err != nil || len(glossaries) == 0 {
		return err
	}
	for _, id := range r.notes {
		for _, target := range r.targets {
			r.terms[pair{id, target}] = glossaries.terms(notes[id], target, r.bundles)
		}
	}
	return nil
}

// check locks the notes and refuses what can't be translated.
func (r *request) check(ctx context.Context) (map[string]*gen.Note, error) {
	notes, err := r.lock(ctx, r.notes...)
	if err != nil {
		return nil, err
	}
	for _, id := range r.notes {
		if err := mayEdit(ctx, notes[id]); err != nil {
			return nil, err
		}
		if err := checkTargets(r.bundles, notes[id].Language, r.targets); err != nil {
			return nil, err
		}
	}
	return notes, nil
}

// present gives the translations of the notes' present texts.
func (r *request) present(ctx context.Context, notes map[string]*gen.Note) (map[pair]*gen.Translation, error) {
	var versions []int
	for _, n := range notes {
		versions = append(versions, n.TextVersion)
	}
	rows, err := r.store.Client(ctx).Translation.Query().Where(translation.NoteIDIn(r.notes...),
		translation.LanguageIn(r.targets...), translation.TextVersionIn(versions...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read translations: %w", err)
	}
	present := make(map[pair]*gen.Translation, len(rows))
	for _, t := range rows {
		if t.TextVersion == notes[t.NoteID].TextVersion {
			present[pair{t.NoteID, t.Language}] = t
		}
	}
	return present, nil
}

// enqueue makes the wanted translations' rows and jobs.
func (r *request) enqueue(ctx context.Context, notes map[string]*gen.Note, present map[pair]*gen.Translation, wanted []want) error {
	var touched []string
	for _, w := range wanted {
		touched = append(touched, w.note)
	}
	revised, err := r.revise(ctx, touched)
	if err != nil {
		return err
	}
	client := r.store.Client(ctx)
	requests := make([]job.Request, 0, len(wanted))
	changes := make([]event.Change, 0, len(wanted))
	var creates []*gen.TranslationCreate
	for _, w := range wanted {
		n, revision := notes[w.note], revised[w.note].revision
		t := present[w.pair]
		terms := r.terms[w.pair]
		if t != nil { // the row of a try that failed, or that had other terms
			err := client.Translation.Update().Where(translation.ID(t.ID)).SetState(Pending).SetJobID(w.job).SetVersion(revision).
				SetGlossary(hashOf(terms)).ClearText().ClearModel().ClearAlternatives().Exec(ctx)
			if err != nil {
				return fmt.Errorf("reopen a translation: %w", err)
			}
		} else {
			t = &gen.Translation{ID: store.NewID("tr"), NoteID: n.ID, OwnerID: n.OwnerID}
			creates = append(creates, client.Translation.Create().SetID(t.ID).SetNoteID(n.ID).SetOwnerID(n.OwnerID).
				SetLanguage(w.target).SetTextVersion(n.TextVersion).SetJobID(w.job).SetVersion(revision).SetGlossary(hashOf(terms)))
		}
		payload, err := payloadFor(n, w.target, r.bundles, terms)
		if err != nil {
			return err
		}
		changes = append(changes, translationChanged(t, revision, Pending))
		requests = append(requests, job.Request{
			ID: w.job, Owner: n.OwnerID, Kind: jobspec.KindTranslate, Payload: payload,
			Subject: t.ID, Parent: n.ID, Lane: r.lane,
		})
	}
	for part := range slices.Chunk(creates, 500) {
		if err := client.Translation.CreateBulk(part...).Exec(ctx); err != nil {
			return fmt.Errorf("make translations: %w", err)
		}
	}
	r.made, err = r.jobs.Enqueue(ctx, requests, changes...)
	return err
}

// payloadFor names the languages as the announced direction does.
func payloadFor(n *gen.Note, target string, bundles []jobspec.Bundle, terms []jobspec.Term) (json.RawMessage, error) {
	work := jobspec.Translate{Text: n.Text, Source: n.Language, Target: target, Terms: terms}
	if n.Format == FormatHTML {
		work.Format = jobspec.FormatHTML
	}
	if _, d, ok := match(bundles, n.Language, target); ok {
		work.Source, work.Target = d.Source, d.Target
	}
	data, err := json.Marshal(work)
	if err != nil {
		return nil, fmt.Errorf("encode the work: %w", err)
	}
	return data, nil
}

func translationChanged(t *gen.Translation, revision int64, state translation.State) event.Change {
	return event.Change{
		Audience: event.User(t.OwnerID), Topic: TopicNotes, Type: TypeTranslationChanged,
		Object: t.ID, Parent: t.NoteID, Version: revision, State: string(state),
	}
}

// reopen prepares another try: the note must still have the text that the job
// was for.
func (s *Service) reopen(ctx context.Context, j *gen.Job) (json.RawMessage, error) {
	gone := apperr.New(apperr.Conflict, "The note was changed or deleted since: ask for a new translation.")
	client := s.store.Client(ctx)
	q := store.ForUpdate(s.store, client.Note.Query().Where(note.ID(j.ParentID)))
	n, err := q.Only(ctx)
	if gen.IsNotFound(err) {
		return nil, gone
	} else if err != nil {
		return nil, fmt.Errorf("read the note of job %s: %w", j.ID, err)
	}
	t, err := client.Translation.Get(ctx, j.SubjectID)
	if gen.IsNotFound(err) {
		return nil, gone
	} else if err != nil {
		return nil, fmt.Errorf("read the translation of job %s: %w", j.ID, err)
	}
	if n.TextVersion != t.TextVersion || t.JobID != j.ID {
		return nil, gone
	}
	revised, err := s.revise(ctx, []string{n.ID})
	if err != nil {
		return nil, err
	}
	revision := revised[n.ID].revision
	bundles, err := s.workers.Bundles(ctx)
	if err != nil {
		return nil, err
	}
	glossaries, err := s.glossariesOf(ctx, n.OwnerID)
	if err != nil {
		return nil, err
	}
	terms := glossaries.terms(n, t.Language, bundles)
	if err := client.Translation.Update().Where(translation.ID(t.ID)).SetState(Pending).SetVersion(revision).SetGlossary(hashOf(terms)).Exec(ctx); err != nil {
		return nil, fmt.Errorf("reopen a translation: %w", err)
	}
	if err := s.log.Append(ctx, translationChanged(t, revision, Pending)); err != nil {
		return nil, err
	}
	return payloadFor(n, t.Language, bundles, terms)
}
