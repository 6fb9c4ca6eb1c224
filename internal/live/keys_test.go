package live_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/ent/gen/privacy"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/dialog"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/note"
	"parley/internal/page"
)

// asKey gives a context in which a key of the owner asks.
func asKey(t testing.TB, owner string, scopes ...auth.Scope) context.Context {
	return auth.With(t.Context(), auth.Viewer{ID: owner, Role: auth.RoleService, Key: "key_1", Scopes: auth.ScopesOf(scopes...)})
}

// consent tells audiences of the consent to a dialog.
func (h *house) consent(id, state string, audiences ...string) {
	h.t.Helper()
	err := h.store.Tx(auth.System(h.t.Context(), "test"), func(ctx context.Context) error {
		for _, a := range audiences {
			if err := h.log.Append(ctx, event.Change{
				Audience: a, Topic: dialog.TopicDialogs, Type: dialog.TypeConsentChanged, Object: id, Parent: "7", State: state, Version: 1,
			}); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(h.t, err)
}

func TestAKeyHearsOfItsOwnersDialogsAndNothingElse(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		everybody := []string{"user_b", owner}
		talk := func(name string) {
			h.ask("a note of " + name)
			for _, role := range auth.Roles() {
				h.consent("dlg_role", "APPROVED", event.Role(string(role)))
			}
			for _, user := range everybody {
				h.consent("dlg_"+user+name, "APPROVED", event.User(user))
			}
		}
		talk("before")
		h.position()
		for _, scope := range []auth.Scope{auth.ScopeDialogsPush, auth.ScopeDialogsConsent} {
			for _, topics := range [][]string{nil, {}, {dialog.TopicDialogs}} {
				replayed := next(t, h.events(asKey(t, owner, scope), h.at(0), topics...))
				require.Equal(t, "dlg_"+owner+"before", replayed.Object)
				require.Equal(t, event.User(owner), replayed.Audience)
			}
		}
		events := h.events(asKey(t, owner, auth.ScopeDialogsPush), nil)
		talk("after")
		h.consent("dlg_last", "WITHDRAWN", event.User(owner))
		e := next(t, events)
		require.Equal(t, "dlg_"+owner+"after", e.Object)
		require.Equal(t, dialog.TypeConsentChanged, e.Type)
		require.Equal(t, "7", e.Parent)
		require.Nil(t, e.Loaded)
		e = next(t, events)
		require.Equal(t, "dlg_last", e.Object)
		require.Equal(t, "WITHDRAWN", e.State)
	})
}

func TestAKeyIsForbiddenTopicsThatItsScopesAreNotAbout(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		all := auth.AllScopes()
		for _, topics := range [][]string{{note.TopicNotes}, {job.TopicJobs}, {dialog.TopicDialogs, note.TopicNotes}, {"NONSENSE"}} {
			_, err := h.streams.Events(asKey(t, owner, all...), nil, topics)
			require.True(t, apperr.Is(err, apperr.Forbidden), "%v: %v", topics, err)
			require.ErrorContains(t, err, "the topic DIALOGS only")
		}
		for _, scopes := range [][]auth.Scope{nil, {auth.ScopeDialogsErase, auth.ScopePracticeRead, auth.ScopePracticeRecord}} {
			for _, topics := range [][]string{nil, {dialog.TopicDialogs}, {note.TopicNotes}} {
				_, err := h.streams.Events(asKey(t, owner, scopes...), nil, topics)
				require.True(t, apperr.Is(err, apperr.Forbidden), "%v, %v: %v", scopes, topics, err)
				require.ErrorContains(t, err, "neither the scope DIALOGS_PUSH nor DIALOGS_CONSENT")
			}
		}
		_, err := h.streams.Events(asKey(t, "", all...), nil, nil)
		require.True(t, apperr.Is(err, apperr.Unauthenticated), "%v", err)
	})
}

func TestAdminsHearWhatAnalystsDo(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.run()
		h.ready()
		analyst := event.Role(string(auth.RoleAnalyst))
		of := func(role auth.Role) context.Context {
			return auth.With(t.Context(), auth.Viewer{ID: "user_" + string(role), Role: role})
		}
		admins, analysts := h.events(of(auth.RoleAdmin), nil), h.events(of(auth.RoleAnalyst), nil)
		users, services := h.events(of(auth.RoleUser), nil), h.events(of(auth.RoleService), nil)
		h.consent("dlg_1", "APPROVED", analyst)
		require.Equal(t, "dlg_1", next(t, admins).Object)
		require.Equal(t, "dlg_1", next(t, analysts).Object)
		for _, role := range auth.Roles() {
			h.consent("dlg_"+string(role), "APPROVED", event.Role(string(role)))
		}
		require.Equal(t, "dlg_USER", next(t, users).Object)
		require.Equal(t, "dlg_SERVICE", next(t, services).Object)
		require.Equal(t, "dlg_ANALYST", next(t, analysts).Object)
		require.Equal(t, "dlg_ANALYST", next(t, admins).Object)
		require.Equal(t, "dlg_ADMIN", next(t, admins).Object)
	})
}

func TestAKeyReachesNoneOfItsOwnersNotesAndJobs(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		j := h.ask("a text of the owner")
		n := j.ParentID
		all, err := h.notes.Translations(auth.System(t.Context(), "test"), []string{n}, true)
		require.NoError(t, err)
		tr := all[n][0].ID
		title := "stolen"
		for name, try := range map[string]func(ctx context.Context) error{
			"note":           func(ctx context.Context) error { _, err := h.notes.Get(ctx, n); return err },
			"one note by id": func(ctx context.Context) error { _, err := h.notes.ByID(ctx, []string{n}); return err },
			"notes by id":    func(ctx context.Context) error { _, err := h.notes.ByID(ctx, []string{n, "note_2"}); return err },
			"load a note":    func(ctx context.Context) error { _, err := h.notes.Load(ctx, n); return err },
			"notes": func(ctx context.Context) error {
				_, err := h.notes.List(ctx, note.Filter{}, note.Order{Field: note.OrderCreated}, page.Args{})
				return err
			},
			"noteStats":          func(ctx context.Context) error { _, err := h.notes.Stats(ctx); return err },
			"translation":        func(ctx context.Context) error { _, err := h.notes.Translation(ctx, tr); return err },
			"translations by id": func(ctx context.Context) error { _, err := h.notes.TranslationsByID(ctx, []string{tr}); return err },
			"translations":       func(ctx context.Context) error { _, err := h.notes.Translations(ctx, []string{n}, true); return err },
			"createNote": func(ctx context.Context) error {
				_, err := h.notes.Create(ctx, note.CreateNoteInput{Title: "t", Text: "x"})
				return err
			},
			"updateNote": func(ctx context.Context) error {
				_, err := h.notes.Update(ctx, note.UpdateNoteInput{ID: n, Title: &title})
				return err
			},
			"deleteNote": func(ctx context.Context) error { _, err := h.notes.Delete(ctx, n); return err },
			"translateNote": func(ctx context.Context) error {
				_, _, err := h.notes.Translate(ctx, note.TranslateNoteInput{NoteID: n, Languages: []string{"fr"}})
				return err
			},
			"translateNotes": func(ctx context.Context) error {
				_, _, err := h.notes.TranslateAll(ctx, note.TranslateNotesInput{NoteIds: []string{n}, Languages: []string{"fr"}})
				return err
			},
			"job":                 func(ctx context.Context) error { _, err := h.jobs.Get(ctx, j.ID); return err },
			"jobs by id":          func(ctx context.Context) error { _, err := h.jobs.ByID(ctx, []string{j.ID}); return err },
			"all jobs by id":      func(ctx context.Context) error { _, err := h.jobs.GetAll(ctx, []string{j.ID}); return err },
			"jobs":                func(ctx context.Context) error { _, err := h.jobs.List(ctx, job.Filter{}, page.Args{}); return err },
			"cancelJob":           func(ctx context.Context) error { _, err := h.jobs.Cancel(ctx, j.ID); return err },
			"retryJob":            func(ctx context.Context) error { _, err := h.jobs.Retry(ctx, j.ID); return err },
			"stream of a job":     func(ctx context.Context) error { _, err := h.streams.Job(ctx, j.ID); return err },
			"stream of languages": func(ctx context.Context) error { _, err := h.series(ctx, n, nil); return err },
		} {
			err := try(asKey(t, owner, auth.AllScopes()...))
			assert.False(t, !apperr.Is(err, apperr.Forbidden) && !errors.Is(err, privacy.Deny), "%s: %v", name, err)
		}
		got, err := h.notes.Get(as(t, owner), n)
		require.NoError(t, err)
		require.Equal(t, "t", got.Title)
		now, err := h.jobs.Get(as(t, owner), j.ID)
		require.NoError(t, err)
		require.Equal(t, j.State, now.State)
	})
}
