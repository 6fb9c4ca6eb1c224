package note_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/jobspec"
	"parley/internal/note"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

const markup = "<p>The <b>house</b> is small.</p>"

// html makes a note of the owner.
func (r *room) html(text string) *gen.Note {
	r.t.Helper()
	w, err := r.Create(as(r.t, owner), note.CreateNoteInput{Title: "a page", Text: text, Language: ptr("en"), Format: ptr(note.FormatHTML)})
	require.NoError(r.t, err)
	return w.Note
}

// work gives the run of a job with what its worker is told.
func (r *room) work(j *gen.Job) (run string, told jobspec.Translate, payload string) {
	r.t.Helper()
	system := auth.System(r.t.Context(), "test")
	found, err := r.store.Client(system).Run.Get(system, j.RunID)
	require.NoError(r.t, err)
	require.NoError(r.t, json.Unmarshal(found.Payload, &told))
	return found.ID, told, string(found.Payload)
}

func TestANoteIsTextUnlessItSaysHTML(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		require.Equal(t, note.FormatText, r.read(r.english("a")).Format)
		require.Equal(t, note.FormatHTML, r.read(r.html(markup)).Format)
		w, err := r.Create(as(t, owner), note.CreateNoteInput{Title: "a", Text: markup, Language: ptr("en"), Format: ptr(note.FormatText)})
		require.NoError(t, err)
		require.Equal(t, note.FormatText, r.read(w.Note).Format, "what looks like HTML may be text")
	})
}

func TestTheWorkerIsToldTheFormat(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		plain := r.create(owner, "a", markup, "en")
		plainRun, told, payload := r.work(r.translate(plain, "es")[0])
		require.Equal(t, jobspec.Translate{Text: markup, Source: "en", Target: "es"}, told)
		require.NotContains(t, payload, "format", "the work is what it was before there were formats")
		htmlRun, told, _ := r.work(r.translate(r.html(markup), "es")[0])
		require.Equal(t, jobspec.Translate{Text: markup, Source: "en", Target: "es", Format: jobspec.FormatHTML}, told)
		require.NotEqual(t, plainRun, htmlRun, "the same text in another format is other work")
		again, _, _ := r.work(r.translate(r.html(markup), "es")[0])
		require.Equal(t, htmlRun, again, "the same text in the same format is the same")
	})
}

func TestChangeOfTheFormatOutdatesTranslations(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.create(owner, "a", markup, "en")
		jobs := r.translate(n, "es", "fr")
		r.finish(jobs[0], "uno")
		r.fail(jobs[1], jobspec.CodeInvalidInput)
		edited := r.edit(n, note.UpdateNoteInput{Format: ptr(note.FormatText)})
		require.Equal(t, 2, edited.Version, "an edit that says what is so")
		require.Equal(t, "READY", r.states(n)["es"])
		edited = r.edit(n, note.UpdateNoteInput{Format: ptr(note.FormatHTML)})
		require.Equal(t, note.FormatHTML, edited.Format)
		require.Equal(t, n.Text, edited.Text)
		require.Equal(t, "STALE", r.states(n)["es"])
		_, err := r.jobs.Retry(as(t, owner), jobs[1].ID)
		refused(t, err, apperr.Conflict)

		again := r.translate(n, "es")[0]
		require.NotEqual(t, jobs[0].ID, again.ID)
		_, told, _ := r.work(again)
		require.Equal(t, jobspec.FormatHTML, told.Format)
		r.edit(n, note.UpdateNoteInput{Title: ptr("only the title")})
		require.Equal(t, note.FormatHTML, r.read(n).Format, "what is left out stays")
	})
}

func TestTheExportTellsTheFormat(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, s *store.Store) {
		r := newRoom(t, s, nil)
		r.html(markup)
		var all bytes.Buffer
		err := r.Domain().Account.Export(auth.System(t.Context(), "test"), owner, func(_ string, row any) error {
			return json.NewEncoder(&all).Encode(row)
		})
		require.NoError(t, err)
		require.Contains(t, all.String(), `"format":"HTML"`)
	})
}
