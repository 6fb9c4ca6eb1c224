package note_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/note"
	"parley/internal/page"
	"parley/internal/store"
)

func TestTitleAndTextHaveLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		create := func(title, text string) error {
			_, err := r.Create(as(t, owner), note.CreateNoteInput{Title: title, Text: text, Language: ptr("en")})
			return err
		}
		require.NoError(t, create(strings.Repeat("ü", 200), strings.Repeat("x", 64<<10)))
		refused(t, create(strings.Repeat("ü", 201), "x"), apperr.BadInput, "input", "title")
		refused(t, create(" \n", "x"), apperr.BadInput, "input", "title")
		refused(t, create("x", "\t "), apperr.BadInput, "input", "text")
		refused(t, create("x", strings.Repeat("x", 64<<10+1)), apperr.TooLarge, "input", "text")
		refused(t, create("x\x00", "x"), apperr.BadInput, "input", "title")
		refused(t, create("x", "a\xff"), apperr.BadInput, "input", "text")
		err := create("", "")
		refused(t, err, apperr.BadInput)
		require.Len(t, apperr.List(err), 2, "every problem at once")

		n := r.english("a")
		for _, in := range []note.UpdateNoteInput{{}, {Title: ptr("")}, {Text: ptr(strings.Repeat("x", 64<<10+1))}} {
			in.ID = n.ID
			_, err := r.Update(as(t, owner), in)
			require.Error(t, err)
		}
		require.Equal(t, 1, r.read(n).Version)
	})
}

func TestEditOfAnotherVersionIsAConflict(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		edited := r.edit(n, note.UpdateNoteInput{Title: ptr("b"), ExpectedVersion: ptr(1)})
		require.Equal(t, 2, edited.Version)
		_, err := r.Update(as(t, owner), note.UpdateNoteInput{ID: n.ID, Title: ptr("c"), ExpectedVersion: ptr(1)})
		refused(t, err, apperr.Conflict)
		require.Equal(t, "b", r.read(n).Title)
		r.finish(r.translate(n, "es")[0], "uno")
		r.edit(n, note.UpdateNoteInput{Title: ptr("c"), ExpectedVersion: ptr(2)})

		var all sync.WaitGroup
		wins := make([]bool, 8)
		for i := range wins {
			all.Go(func() {
				_, err := r.Update(as(t, owner), note.UpdateNoteInput{ID: n.ID, Title: ptr("race"), ExpectedVersion: ptr(3)})
				wins[i] = err == nil
			})
		}
		all.Wait()
		won := 0
		for _, w := range wins {
			if w {
				won++
			}
		}
		require.Equal(t, 1, won, "of several edits of one version one wins")
	})
}

func TestOnlyTheOwnerReachesANote(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		j := r.translate(n, "es")[0]
		r.finish(j, "uno")
		r.read(n) // fills the cache
		tr := r.read(n).Edges.Translations[0]
		stranger := as(t, "user_b")
		calls := map[string]func() error{
			"get": func() error { _, err := r.Get(stranger, n.ID); return err },
			"update": func() error {
				_, err := r.Update(stranger, note.UpdateNoteInput{ID: n.ID, Title: ptr("x")})
				return err
			},
			"delete":      func() error { _, err := r.Delete(stranger, n.ID); return err },
			"translation": func() error { _, err := r.Translation(stranger, tr.ID); return err },
			"translate": func() error {
				_, _, err := r.Translate(stranger, note.TranslateNoteInput{NoteID: n.ID, Languages: []string{"fr"}})
				return err
			},
			"translateNotes": func() error {
				own := r.create("user_b", "own", "text", "en")
				_, _, err := r.TranslateAll(stranger, note.TranslateNotesInput{NoteIds: []string{own.ID, n.ID}, Languages: []string{"fr"}})
				return err
			},
		}
		for name, call := range calls {
			require.True(t, apperr.Is(call(), apperr.NotFound), name)
		}
		found, err := r.ByID(stranger, []string{n.ID, r.create("user_b", "x", "x", "en").ID})
		require.NoError(t, err)
		require.Len(t, found, 1)
		list, err := r.List(stranger, note.Filter{}, note.Order{Field: note.OrderCreated}, page.Args{})
		require.NoError(t, err)
		require.Len(t, list.Edges, 2, "only their own")
		for _, e := range list.Edges {
			require.Equal(t, "user_b", e.Node.OwnerID)
		}

		got, err := r.Get(asAdmin(t), n.ID)
		require.NoError(t, err)
		require.Equal(t, n.ID, got.ID, "an admin sees it")
		_, err = r.Update(asAdmin(t), note.UpdateNoteInput{ID: n.ID, Title: ptr("x")})
		refused(t, err, apperr.Forbidden)
		_, err = r.Delete(asAdmin(t), n.ID)
		refused(t, err, apperr.Forbidden)
		for _, call := range []func() error{
			func() error { _, err := r.Get(t.Context(), n.ID); return err },
			func() error { _, err := r.Directions(t.Context(), nil, nil); return err },
		} {
			refused(t, call(), apperr.Unauthenticated)
		}
	})
}

func TestListIsFilteredAndSorted(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		apple := r.create(owner, "Äpfel & ﬁgs", "Red 100% fruit", "de")
		bear := r.create(owner, "bear", "brown_animal", "en")
		cat := r.create(owner, "Cat", "STRASSE und Zahl", "en")
		titles := func(f note.Filter, o note.Order) []string {
			p, err := r.List(as(t, owner), f, o, page.Args{})
			require.NoError(t, err)
			titles := []string{}
			for _, e := range p.Edges {
				titles = append(titles, e.Node.Title)
			}
			return titles
		}
		created := note.Order{Field: note.OrderCreated}
		require.Equal(t, []string{bear.Title, cat.Title}, titles(note.Filter{Language: ptr("en")}, created))
		require.Equal(t, []string{apple.Title}, titles(note.Filter{Text: ptr("FIGS")}, created), "compatible forms and case don't matter")
		require.Equal(t, []string{apple.Title}, titles(note.Filter{Text: ptr("100%")}, created), "a percent sign is one")
		require.Equal(t, []string{bear.Title}, titles(note.Filter{Text: ptr("n_a")}, created), "an underscore is one")
		require.Equal(t, []string{cat.Title}, titles(note.Filter{Text: ptr("strasse")}, created))
		require.Empty(t, titles(note.Filter{Text: ptr("nothing")}, created))
		require.Len(t, titles(note.Filter{Text: ptr("")}, created), 3)

		require.Empty(t, titles(note.Filter{TranslatedInto: ptr("es")}, created))
		j := r.translate(bear, "es")[0]
		require.Empty(t, titles(note.Filter{TranslatedInto: ptr("es")}, created), "asked for is not translated")
		r.finish(j, "oso")
		require.Equal(t, []string{bear.Title}, titles(note.Filter{TranslatedInto: ptr("es")}, created))
		require.Empty(t, titles(note.Filter{TranslatedInto: ptr("fr")}, created))

		require.Equal(t, []string{bear.Title, cat.Title, apple.Title}, titles(note.Filter{}, note.Order{Field: note.OrderTitle}), "whatever their case")
		require.Equal(t, []string{cat.Title, bear.Title, apple.Title}, titles(note.Filter{}, note.Order{Field: note.OrderCreated, Descending: true}))
		r.edit(apple, note.UpdateNoteInput{Text: ptr("Green")})
		require.Equal(t, apple.Title, titles(note.Filter{}, note.Order{Field: note.OrderUpdated, Descending: true})[0])
		_, err := r.List(as(t, owner), note.Filter{}, note.Order{Field: "COLOUR"}, page.Args{})
		refused(t, err, apperr.BadInput, "orderBy")
	})
}

func TestPagesOfEqualTitlesAreCutByID(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		var want []string
		for range 5 {
			want = append(want, r.create(owner, "same", "text", "en").ID)
		}
		for _, down := range []bool{false, true} {
			var got []string
			args := page.Args{First: ptr(2)}
			for {
				p, err := r.List(as(t, owner), note.Filter{}, note.Order{Field: note.OrderTitle, Descending: down}, args)
				require.NoError(t, err)
				for _, e := range p.Edges {
					got, args.After = append(got, e.Node.ID), ptr(e.Cursor)
				}
				total, err := p.Count()
				require.NoError(t, err)
				require.Equal(t, 5, total)
				if !p.HasNext {
					break
				}
			}
			require.ElementsMatch(t, want, got)
			require.Len(t, got, 5)
		}
		p, err := r.List(as(t, owner), note.Filter{}, note.Order{Field: note.OrderTitle}, page.Args{Last: ptr(2)})
		require.NoError(t, err)
		require.Equal(t, want[3:], []string{p.Edges[0].Node.ID, p.Edges[1].Node.ID})
		require.True(t, p.HasPrevious)
		before, err := r.List(as(t, owner), note.Filter{}, note.Order{Field: note.OrderTitle}, page.Args{Last: ptr(2), Before: ptr(p.Edges[0].Cursor)})
		require.NoError(t, err)
		require.Equal(t, want[1:3], []string{before.Edges[0].Node.ID, before.Edges[1].Node.ID})
	})
}

func TestManyNotesAreTranslatedAllOrNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a, b, c := r.english("a"), r.english("b"), r.create(owner, "c", "texto", "es")
		ask := func(ids []string, languages ...string) ([]*gen.Job, error) {
			jobs, _, err := r.TranslateAll(as(t, owner), note.TranslateNotesInput{NoteIds: ids, Languages: languages})
			return jobs, err
		}
		_, err := ask([]string{a.ID, b.ID, c.ID}, "fr", "de")
		refused(t, err, apperr.UnsupportedLanguage)
		_, err = ask([]string{a.ID, store.NewID("note")}, "fr")
		refused(t, err, apperr.NotFound)
		_, err = ask(nil, "fr")
		refused(t, err, apperr.BadInput, "input", "noteIds")
		_, err = ask(make([]string, 51), "fr")
		refused(t, err, apperr.BadInput, "input", "noteIds")
		_, err = ask([]string{"no id"}, "fr")
		refused(t, err, apperr.BadInput, "input", "noteIds")
		require.Empty(t, r.states(a))

		first := r.translate(b, "fr")[0]
		jobs, err := ask([]string{b.ID, a.ID, b.ID}, "es", "fr")
		require.NoError(t, err)
		require.Len(t, jobs, 4, "note by note, language by language")
		require.Equal(t, first.ID, jobs[1].ID)
		require.Equal(t, []string{b.ID, b.ID, a.ID, a.ID}, []string{jobs[0].ParentID, jobs[1].ParentID, jobs[2].ParentID, jobs[3].ParentID})
		require.Equal(t, "bulk", jobs[0].Lane)
		require.Equal(t, map[string]string{"es": "PENDING", "fr": "PENDING"}, r.states(a))
		for i, j := range jobs {
			r.finish(j, string(rune('0'+i)))
		}
		require.Equal(t, "2", *r.read(a).Edges.Translations[0].Text)
		require.Equal(t, "es", r.read(a).Edges.Translations[0].Language)
	})
}

func TestTranslateNoteHastensWhatWasAskedForInBulk(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		bulk, _, err := r.TranslateAll(as(t, owner), note.TranslateNotesInput{NoteIds: []string{n.ID}, Languages: []string{"es"}})
		require.NoError(t, err)
		again := r.translate(n, "es")
		require.Equal(t, bulk[0].ID, again[0].ID)
		require.Equal(t, "interactive", again[0].Lane)
	})
}

func TestSameIdempotencyKeyGivesTheSameJobs(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		in := note.TranslateNoteInput{NoteID: n.ID, Languages: []string{"es", "fr"}, IdempotencyKey: ptr("k")}
		first, cursor, err := r.Translate(as(t, owner), in)
		require.NoError(t, err)
		r.finish(first[0], "uno")
		again, cursor2, err := r.Translate(as(t, owner), in)
		require.NoError(t, err)
		require.Equal(t, cursor, cursor2)
		require.Equal(t, []string{first[0].ID, first[1].ID}, []string{again[0].ID, again[1].ID})
		require.Equal(t, job.Succeeded, again[0].State, "the jobs as they are now")
		in.Languages = []string{"de"}
		_, _, err = r.Translate(as(t, owner), in)
		refused(t, err, apperr.IdempotencyMismatch)
		_, _, err = r.TranslateAll(as(t, owner), note.TranslateNotesInput{NoteIds: []string{n.ID}, Languages: []string{"de"}, IdempotencyKey: ptr("k")})
		require.NoError(t, err, "another operation has keys of its own")
	})
}

func TestEqualTextsOfTwoUsersAreTranslatedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		a := r.create("user_a", "mine", "The same text.", "en")
		b := r.create("user_b", "yours", "The same text.", "en")
		ja, jb := r.translate(a, "es")[0], r.translate(b, "es")[0]
		require.Equal(t, ja.RunID, jb.RunID)
		r.finish(ja, "El mismo texto.")
		require.Equal(t, "READY", r.states(a)["es"])
		require.Equal(t, "READY", r.states(b)["es"])
		_, err := r.jobs.Get(as(t, "user_b"), ja.ID)
		refused(t, err, apperr.NotFound)
	})
}

func TestCancelledTranslationCanBeAskedForAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		j := r.translate(n, "es")[0]
		_, err := r.jobs.Cancel(as(t, owner), j.ID)
		require.NoError(t, err)
		require.Equal(t, "CANCELLED", r.states(n)["es"])
		again, err := r.jobs.Retry(as(t, owner), j.ID)
		require.NoError(t, err)
		require.Equal(t, job.Queued, again.State)
		require.Equal(t, "PENDING", r.states(n)["es"])
		r.finish(j, "uno")
		require.Equal(t, "READY", r.states(n)["es"])
	})
}

func TestResultThatNoRowCanHoldIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		j := r.translate(n, "es")[0]
		r.report(j, jobspec.ResultDone, jobspec.Translated{Text: "a\x00b", Model: "mini"}, nil)
		require.Equal(t, job.Queued, r.stateOf(j))
		r.report(j, jobspec.ResultDone, []int{1}, nil)
		require.Equal(t, job.Dead, r.stateOf(j))
		require.Equal(t, "FAILED", r.states(n)["es"])
	})
}
