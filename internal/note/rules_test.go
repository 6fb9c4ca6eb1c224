package note_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/ent/gen/translation"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/note"
	"parley/internal/page"
	"parley/internal/store"
)

// The tests here carry the numbers of the faults that the original notes system
// had, which parley must not have. N3 is in cache_test.go.

func TestN1ResultTouchesNothingOfTheNote(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		j := r.translate(n, "es")[0]
		edited := r.edit(n, note.UpdateNoteInput{Title: ptr("edited meanwhile"), Text: ptr("New text.")})
		r.finish(j, "El texto de a.")
		got := r.read(n)
		require.Equal(t, "edited meanwhile", got.Title)
		require.Equal(t, "New text.", got.Text)
		require.Equal(t, edited.Version, got.Version)
		require.True(t, edited.UpdatedAt.Equal(got.UpdatedAt), "translations don't move it")
		require.Equal(t, map[string]string{"es": "STALE"}, r.states(n), "it is kept for the version of the text that it belongs to")
		require.Equal(t, 1, got.Edges.Translations[0].TextVersion)
		require.Equal(t, job.Succeeded, r.stateOf(j))
	})
}

func TestN2DeletedNoteStaysDeleted(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		jobs := r.translate(n, "es", "fr")
		r.report(jobs[0], jobspec.ResultStarted, nil, nil)
		w, err := r.Delete(as(t, owner), n.ID)
		require.NoError(t, err)
		require.Equal(t, n.ID, w.Note.ID)
		for _, j := range jobs {
			require.Equal(t, job.Cancelled, r.stateOf(j))
			r.finish(j, "too late")
			require.Equal(t, job.Cancelled, r.stateOf(j))
			_, err := r.jobs.Retry(as(t, owner), j.ID)
			refused(t, err, apperr.Conflict)
		}
		_, err = r.Get(as(t, owner), n.ID)
		refused(t, err, apperr.NotFound)
		_, err = r.Delete(as(t, owner), n.ID)
		refused(t, err, apperr.NotFound)
		_, _, err = r.Translate(as(t, owner), note.TranslateNoteInput{NoteID: n.ID, Languages: []string{"es"}})
		refused(t, err, apperr.NotFound)
		left, err := r.store.Client(t.Context()).Translation.Query().Count(auth.System(t.Context(), "test"))
		require.NoError(t, err)
		require.Zero(t, left)
	})
}

func TestN2ResultForARowThatIsGoneEndsTheJobAsCancelled(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		j := r.translate(n, "es")[0]
		for _, statement := range []string{"DELETE FROM translations", "DELETE FROM notes"} {
			_, err := r.store.Exec(t.Context(), statement)
			require.NoError(t, err)
		}
		r.finish(j, "nowhere to put it")
		require.Equal(t, job.Cancelled, r.stateOf(j))
	})
}

func TestN4OtherSpellingsOfAnIDAreOtherIDs(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		_, id, _ := strings.Cut(n.ID, "_")
		for _, alias := range []string{"note_" + strings.ToLower(id), "NOTE_" + id, "note_0" + id, "note_" + id + " ", " " + n.ID, "note__" + id, id, ""} {
			_, err := r.Get(as(t, owner), alias)
			require.Error(t, err, alias)
			require.Contains(t, []apperr.Code{apperr.NotFound, apperr.BadInput}, apperr.CodeOf(err), alias)
		}
		r.edit(n, note.UpdateNoteInput{Title: ptr("b")})
		require.Equal(t, "b", r.read(n).Title)
	})
}

func TestN5EditOfTheTextOutdatesItsTranslations(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		jobs := r.translate(n, "es", "fr", "de")
		r.finish(jobs[0], "uno")
		r.finish(jobs[1], "un")
		r.edit(n, note.UpdateNoteInput{Title: ptr("only the title")})
		require.Equal(t, map[string]string{"es": "READY", "fr": "READY", "de": "PENDING"}, r.states(n), "the title is not translated")
		r.edit(n, note.UpdateNoteInput{Text: ptr("Another text.")})
		require.Equal(t, map[string]string{"es": "STALE", "fr": "STALE", "de": "PENDING"}, r.states(n))
		r.finish(jobs[2], "eins")
		require.Equal(t, "STALE", r.states(n)["de"], "what comes late is stale at once")

		again := r.translate(n, "es")
		require.NotEqual(t, jobs[0].ID, again[0].ID)
		r.finish(again[0], "dos")
		require.Equal(t, "READY", r.states(n)["es"])
		history, err := r.Translations(as(t, owner), []string{n.ID}, true)
		require.NoError(t, err)
		var texts []string
		for _, tr := range history[n.ID] {
			if tr.Language == "es" {
				texts = append(texts, *tr.Text)
			}
		}
		require.Equal(t, []string{"dos", "uno"}, texts, "the history keeps both, the newest first")

		r.edit(n, note.UpdateNoteInput{Language: ptr("fr")})
		require.Equal(t, "STALE", r.states(n)["es"], "another language is another text")
	})
}

func TestN6FailureIsVisibleAndCanBeRetried(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		j := r.translate(n, "es")[0]
		r.fail(j, jobspec.CodeInternal)
		require.Equal(t, job.Queued, r.stateOf(j), "tried again by itself")
		require.Equal(t, "PENDING", r.states(n)["es"])
		r.fail(j, jobspec.CodeInternal)
		require.Equal(t, job.Dead, r.stateOf(j))
		require.Equal(t, "FAILED", r.states(n)["es"])
		now, err := r.jobs.Get(as(t, owner), j.ID)
		require.NoError(t, err)
		tries, err := r.jobs.AttemptsOf(as(t, owner), []*gen.Job{now})
		require.NoError(t, err)
		require.Len(t, tries[j.ID], 2)
		require.Equal(t, "No.", *tries[j.ID][1].Reason)

		again, err := r.jobs.Retry(as(t, owner), j.ID)
		require.NoError(t, err)
		require.Equal(t, j.ID, again.ID)
		require.Equal(t, "PENDING", r.states(n)["es"])
		r.finish(j, "uno")
		require.Equal(t, "READY", r.states(n)["es"])
	})
}

func TestN6RetryAfterTheTextChangedIsAConflict(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		j := r.translate(n, "es")[0]
		r.fail(j, jobspec.CodeInvalidInput)
		r.edit(n, note.UpdateNoteInput{Text: ptr("Another text.")})
		_, err := r.jobs.Retry(as(t, owner), j.ID)
		refused(t, err, apperr.Conflict)
		require.Equal(t, job.Failed, r.stateOf(j))
		require.Equal(t, "FAILED", r.states(n)["es"])
	})
}

func TestN6RetryOfAJobThatANewOneReplacedIsAConflict(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		old := r.translate(n, "es")[0]
		r.fail(old, jobspec.CodeInvalidInput)
		fresh := r.translate(n, "es")[0]
		require.NotEqual(t, old.ID, fresh.ID, "asking again after a failure makes a new job")
		_, err := r.jobs.Retry(as(t, owner), old.ID)
		refused(t, err, apperr.Conflict)
		r.finish(fresh, "uno")
		require.Equal(t, "READY", r.states(n)["es"])
	})
}

func TestN7OnlyAnnouncedPairsAreTranslated(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		try := func(lang string, targets ...string) error {
			n := r.create(owner, "a", "text", lang)
			_, _, err := r.Translate(as(t, owner), note.TranslateNoteInput{NoteID: n.ID, Languages: targets})
			return err
		}
		refused(t, try("en", "ja"), apperr.UnsupportedLanguage, "input", "languages")
		refused(t, try("de", "es"), apperr.UnsupportedLanguage, "input", "languages")
		refused(t, try("en", "es", "ja"), apperr.UnsupportedLanguage)
		refused(t, try("en", "en"), apperr.BadInput, "input", "languages")
		refused(t, try("en-GB", "en"), apperr.BadInput, "input", "languages")
		refused(t, try("und", "es"), apperr.BadInput, "input", "languages")
		refused(t, try("en", "und"), apperr.BadInput, "input", "languages")
		refused(t, try("en"), apperr.BadInput, "input", "languages")
		refused(t, try("en", strings.Split(strings.Repeat("es ", 21), " ")...), apperr.BadInput, "input", "languages")
		require.NoError(t, try("es", "fr"), "a pivot is a way")
		require.NoError(t, try("en-US", "es"), "a region has its language's directions")
		all, err := r.jobs.List(as(t, owner), job.Filter{}, page.Args{})
		require.NoError(t, err)
		require.Len(t, all.Edges, 2, "what is refused leaves no job")
	})
}

func TestN8LanguagesStandSideBySide(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		jobs := r.translate(n, "fr", "es")
		require.Len(t, jobs, 2)
		r.finish(jobs[0], "un")
		r.finish(jobs[1], "uno")
		texts := map[string]string{}
		for _, tr := range r.read(n).Edges.Translations {
			texts[tr.Language] = *tr.Text
		}
		require.Equal(t, map[string]string{"es": "uno", "fr": "un"}, texts)
		system := auth.System(t.Context(), "test")
		err := r.store.Tx(system, func(ctx context.Context) error {
			return r.store.Client(ctx).Translation.Create().SetID(store.NewID("tr")).SetNoteID(n.ID).SetOwnerID(owner).
				SetLanguage("es").SetTextVersion(1).SetJobID(jobs[1].ID).Exec(ctx)
		})
		require.True(t, store.Duplicate(err), "one row for each note, language and text: %v", err)
	})
}

func TestN9AskingTwiceTranslatesOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		first := r.translate(n, "es", "fr")
		again := r.translate(n, "fr", "es", "es")
		require.Len(t, again, 2)
		require.Equal(t, first[0].ID, again[1].ID)
		require.Equal(t, first[1].ID, again[0].ID)
		r.finish(first[0], "uno")
		done := r.translate(n, "es", "de")
		require.Equal(t, first[0].ID, done[0].ID, "what is done for this text stays done")
		require.Equal(t, job.Succeeded, done[0].State)
		require.NotContains(t, []string{first[0].ID, first[1].ID}, done[1].ID)

		fresh := r.english("b")
		var all sync.WaitGroup
		ids := make([]string, 16)
		for i := range ids {
			all.Go(func() {
				jobs, _, err := r.Translate(as(t, owner), note.TranslateNoteInput{NoteID: fresh.ID, Languages: []string{"es"}})
				if err == nil {
					ids[i] = jobs[0].ID
				}
			})
		}
		all.Wait()
		for _, id := range ids {
			require.Equal(t, ids[0], id)
			require.NotEmpty(t, id)
		}
		n2, err := r.store.Client(t.Context()).Translation.Query().Where(translation.NoteID(fresh.ID)).Count(auth.System(t.Context(), "test"))
		require.NoError(t, err)
		require.Equal(t, 1, n2)
	})
}

func TestN10ListsArePagedAndCapped(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		for i := range 7 {
			r.english(string(rune('a' + i)))
		}
		_, err := r.List(as(t, owner), note.Filter{}, note.Order{Field: note.OrderCreated}, page.Args{First: ptr(page.Most + 1)})
		refused(t, err, apperr.BadInput)
		var seen []string
		args := page.Args{First: ptr(3)}
		for {
			p, err := r.List(as(t, owner), note.Filter{}, note.Order{Field: note.OrderCreated, Descending: true}, args)
			require.NoError(t, err)
			for _, e := range p.Edges {
				seen = append(seen, e.Node.Title)
				args.After = ptr(e.Cursor)
			}
			if len(seen) == 3 {
				r.english("came in between")
			}
			if !p.HasNext {
				break
			}
		}
		require.Equal(t, []string{"g", "f", "e", "d", "c", "b", "a"}, seen, "no repeat and no gap while notes come in")
	})
}

func TestN11StatsCountNotesAndTranslationsApart(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		r.finish(r.translate(n, "es")[0], "uno")
		r.edit(n, note.UpdateNoteInput{Text: ptr("Another text.")})
		r.finish(r.translate(n, "es")[0], "dos")
		r.translate(n, "fr")
		r.fail(r.translate(n, "de")[0], jobspec.CodeInvalidInput)
		r.create(owner, "b", "texto", "es")
		r.create("user_b", "c", "text", "en")

		st, err := r.Stats(as(t, owner))
		require.NoError(t, err)
		require.Equal(t, 2, st.Total)
		require.Equal(t, []*note.LanguageCount{{Language: "en", Count: 1}, {Language: "es", Count: 1}}, st.ByLanguage)
		require.Equal(t, []*note.LanguageCount{{Language: "es", Count: 2}, {Language: "de", Count: 1}, {Language: "fr", Count: 1}}, st.ByTarget)
		require.ElementsMatch(t, []*note.StateCount{
			{State: note.Ready, Count: 1}, {State: note.Stale, Count: 1}, {State: note.Pending, Count: 1}, {State: note.Failed, Count: 1},
		}, st.ByState, "two were performed, four asked for, of one note")

		all, err := r.Stats(asAdmin(t))
		require.NoError(t, err)
		require.Equal(t, 3, all.Total)
		none, err := r.Stats(as(t, "user_new"))
		require.NoError(t, err)
		require.Zero(t, none.Total)
		_, err = r.Stats(t.Context())
		refused(t, err, apperr.Unauthenticated)
	})
}
