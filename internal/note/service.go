package note

import (
	"context"
	"fmt"

	"parley/ent/gen"
	"parley/ent/gen/note"
	"parley/ent/gen/translation"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/cache"
	"parley/internal/directory"
	"parley/internal/event"
	"parley/internal/idempotency"
	"parley/internal/indexing"
	"parley/internal/job"
	"parley/internal/store"
)

// Service keeps notes and has them translated.
type Service struct {
	store *store.Store
	log   *event.Log
	jobs  *job.Service
	// workers tells which directions there are.
	workers *directory.Directory
	keys    *idempotency.Keys
	// cache is nil when note reads are not cached.
	cache cache.Cache
	// watcher may be nil.
	watcher indexing.Watcher
}

// New makes the service; c is nil when note reads are not cached.
func New(s *store.Store, log *event.Log, jobs *job.Service, workers *directory.Directory, c cache.Cache) *Service {
	return &Service{store: s, log: log, jobs: jobs, workers: workers, keys: idempotency.New(s, log), cache: c}
}

// Written is a note with the cursor after which the write's events lie.
type Written struct {
	Note   *gen.Note
	Cursor event.Cursor
}

// Create makes a note of the viewer. The same idempotency key gives the first
// call's note as it is now, NOT_FOUND when it was deleted since.
func (s *Service) Create(ctx context.Context, in CreateNoteInput) (*Written, error) {
	same := in
	same.IdempotencyKey = nil
	if formatOf(in.Format) == FormatText {
		same.Format = nil
	}
	return s.create(ctx, "createNote", in, same)
}

// formatOf gives FormatText when none is given.
func formatOf(given *note.Format) note.Format {
	if given == nil {
		return FormatText
	}
	return *given
}

// create makes a note. Repeated calls of the operation have same in common.
func (s *Service) create(ctx context.Context, operation string, in CreateNoteInput, same any) (*Written, error) {
	viewer, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := in.Validate(); err != nil {
		return nil, err
	}
	format := formatOf(in.Format)
	lang, err := s.languageOf(ctx, in.Text, format, in.Language)
	if err != nil {
		return nil, err
	}
	var n *gen.Note
	call := idempotency.Call{Owner: viewer.ID, Operation: operation, Key: in.IdempotencyKey, Input: same}
	answer, err := s.keys.Once(ctx, call, func(ctx context.Context) (ids []string, err error) {
		n, err = s.store.Client(ctx).Note.Create().SetID(store.NewID("note")).SetOwnerID(viewer.ID).
			SetTitle(in.Title).SetTitleKey([]byte(fold(in.Title))).SetText(in.Text).
			SetSearchKey(searchKey(in.Title, in.Text)).SetLanguage(lang).SetFormat(format).Save(ctx)
		if err != nil {
			return nil, fmt.Errorf("create a note: %w", err)
		}
		return []string{n.ID}, s.changed(ctx, n, Created)
	})
	if err == nil && answer.Repeated {
		n, err = s.store.Client(ctx).Note.Get(ctx, answer.Values[0])
		err = store.Found(err, "note")
	}
	if err != nil {
		return nil, err
	}
	return &Written{n, answer.Cursor}, nil
}

func searchKey(title, text string) string { return fold(title) + "\n" + fold(text) }

// changed appends the note's event.
func (s *Service) changed(ctx context.Context, n *gen.Note, action NoteAction) error {
	if err := s.tell(ctx, action == Deleted, n.ID); err != nil {
		return err
	}
	return s.log.Append(ctx, noteChanged(n, action))
}

func noteChanged(n *gen.Note, action NoteAction) event.Change {
	return event.Change{
		Audience: event.User(n.OwnerID), Topic: TopicNotes, Type: TypeNoteChanged,
		Object: n.ID, Version: n.Revision, State: string(action),
	}
}

// lock gives notes of the viewer by id for a change, or NOT_FOUND. Locks are
// taken in the order of the ids.
func (s *Service) lock(ctx context.Context, ids ...string) (map[string]*gen.Note, error) {
	q := store.ForUpdate(s.store, s.store.Client(ctx).Note.Query().Where(note.IDIn(ids...)).Order(gen.Asc(note.FieldID)))
	rows, err := q.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read notes: %w", err)
	}
	byID := make(map[string]*gen.Note, len(rows))
	for _, n := range rows {
		byID[n.ID] = n
	}
	for _, id := range ids {
		if byID[id] == nil {
			return nil, store.Found(&gen.NotFoundError{}, "note")
		}
	}
	return byID, nil
}

// Update edits a note of the viewer. A change of the text, of its language or of its
// format marks the translations STALE.
func (s *Service) Update(ctx context.Context, in UpdateNoteInput) (*Written, error) {
	if _, err := auth.Require(ctx); err != nil {
		return nil, err
	}
	if err := store.CheckID("note", in.ID, "input", "id"); err != nil {
		return nil, err
	}
	if err := in.Validate(); err != nil {
		return nil, err
	}
	var edited *gen.Note
	cursor, err := s.log.Tx(ctx, func(ctx context.Context) error {
		locked, err := s.lock(ctx, in.ID)
		if err != nil {
			return err
		}
		n := locked[in.ID]
		if err := mayEdit(ctx, n); err != nil {
			return err
		}
		if in.ExpectedVersion != nil && *in.ExpectedVersion != n.Version {
			return apperr.New(apperr.Conflict, "The note has version %d, not %d: somebody edited it in between.", n.Version, *in.ExpectedVersion)
		}
		n, err = s.edit(ctx, n, in)
		if err != nil {
			return err
		}
		edited = n
		s.refuseOlder(ctx, map[string]revision{n.ID: {n.Revision, n.TextVersion}})
		return s.changed(ctx, n, Updated)
	})
	if err != nil {
		return nil, err
	}
	return &Written{edited, cursor}, nil
}

// mayEdit refuses an admin, who sees every note but edits only their own.
func mayEdit(ctx context.Context, n *gen.Note) error {
	if v, _ := auth.From(ctx); v.ID != n.OwnerID {
		return apperr.New(apperr.Forbidden, "Only its owner may change a note.")
	}
	return nil
}

func (s *Service) edit(ctx context.Context, n *gen.Note, in UpdateNoteInput) (*gen.Note, error) {
	u := n.Update().AddVersion(1).AddRevision(1).SetUpdatedAt(store.Now())
	title, text, lang, format := n.Title, n.Text, n.Language, n.Format
	if in.Title != nil {
		title = *in.Title
	}
	if in.Text != nil {
		text = *in.Text
	}
	if in.Language != nil {
		lang = *in.Language
	}
	if in.Format != nil {
		format = *in.Format
	}
	u.SetTitle(title).SetTitleKey([]byte(fold(title))).SetText(text).SetSearchKey(searchKey(title, text)).SetLanguage(lang).SetFormat(format)
	stale := text != n.Text || lang != n.Language || format != n.Format
	if stale {
		u.AddTextVersion(1)
	}
	edited, err := u.Save(ctx)
	if err != nil {
		return nil, fmt.Errorf("edit a note: %w", err)
	}
	if !stale {
		return edited, nil
	}
	return edited, s.markStale(ctx, edited)
}

func (s *Service) markStale(ctx context.Context, n *gen.Note) error {
	client := s.store.Client(ctx)
	ready, err := client.Translation.Query().
		Where(translation.NoteID(n.ID), translation.StateEQ(Ready)).All(ctx)
	if err != nil || len(ready) == 0 {
		return err
	}
	changes := make([]event.Change, len(ready))
	for i, t := range ready {
		changes[i] = translationChanged(t, n.Revision, Stale)
	}
	if err := client.Translation.Update().Where(translation.NoteID(n.ID), translation.StateEQ(Ready)).
		SetState(Stale).SetVersion(n.Revision).Exec(ctx); err != nil {
		return fmt.Errorf("mark translations stale: %w", err)
	}
	return s.log.Append(ctx, changes...)
}

// Delete removes a note of the viewer with its translations and cancels its
// jobs.
func (s *Service) Delete(ctx context.Context, id string) (*Written, error) {
	if _, err := auth.Require(ctx); err != nil {
		return nil, err
	}
	if err := store.CheckID("note", id, "input", "id"); err != nil {
		return nil, err
	}
	var deleted *gen.Note
	cursor, err := s.log.Tx(ctx, func(ctx context.Context) error {
		n, err := s.delete(ctx, id)
		if err != nil {
			return err
		}
		deleted = n
		return s.changed(ctx, n, Deleted)
	})
	if err != nil {
		return nil, err
	}
	return &Written{deleted, cursor}, nil
}

// delete ends the note's jobs before it locks the note, as the recorder does,
// and again for those that somebody asked for in between.
func (s *Service) delete(ctx context.Context, id string) (*gen.Note, error) {
	n, err := s.store.Client(ctx).Note.Get(ctx, id)
	if err != nil {
		return nil, store.Found(err, "note")
	}
	if err := mayEdit(ctx, n); err != nil {
		return nil, err
	}
	if err := s.jobs.CancelFor(ctx, id); err != nil {
		return nil, err
	}
	locked, err := s.lock(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := s.jobs.CancelFor(ctx, id); err != nil {
		return nil, err
	}
	n = locked[id]
	if err := s.store.Client(ctx).Note.DeleteOneID(id).Exec(ctx); err != nil {
		return nil, fmt.Errorf("delete a note: %w", err)
	}
	// The second round may have counted it up since.
	n.Revision += 2
	s.refuseOlder(ctx, map[string]revision{id: {n.Revision, n.TextVersion}})
	return n, nil
}
