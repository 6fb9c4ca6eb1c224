package note_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/ent/gen"
	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/jobspec"
	"parley/internal/note"
)

// alternatives gives those of a note's translation into Spanish, as the user may see them.
func (r *room) alternatives(user string, n *gen.Note) []note.Alternative {
	r.t.Helper()
	byNote, err := r.Translations(as(r.t, n.OwnerID), []string{n.ID}, false)
	require.NoError(r.t, err)
	var id string
	for _, t := range byNote[n.ID] {
		if t.Language == "es" {
			require.Empty(r.t, t.Alternatives, "lists don't read them")
			id = t.ID
		}
	}
	require.NotEmpty(r.t, id)
	byID, err := r.Alternatives(as(r.t, user), []string{id, "tr_01ARZ3NDEKTSV4RRFFQ69G5FAV"})
	require.NoError(r.t, err)
	var all []note.Alternative
	for _, a := range byID[id] {
		all = append(all, *a)
	}
	require.LessOrEqual(r.t, len(byID), 1)
	return all
}

func (r *room) finishWith(j *gen.Job, all ...note.Alternative) {
	r.t.Helper()
	r.report(j, jobspec.ResultDone, jobspec.Translated{Text: "uno", Model: "mini", Alternatives: all}, nil)
}

var others = []note.Alternative{{Text: "un \"<b>\" \u2028 \U0001F389", Score: -0.043129}, {Text: "", Score: -12}, {Text: "una", Score: -12.5}}

func TestAlternativesAreKeptWithTheirTranslation(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		jobs := r.translate(n, "es", "fr")
		require.Empty(t, r.alternatives(owner, n), "while it is PENDING")
		r.finishWith(jobs[0], others...)
		r.finish(jobs[1], "un")
		require.Equal(t, others, r.alternatives(owner, n))
		require.Equal(t, others, r.alternatives(owner, r.read(n)), "of a note from the cache as well")
		require.Empty(t, r.alternatives("user_b", n), "somebody else's")
		byID, err := r.Alternatives(asAdmin(t), []string{r.read(n).Edges.Translations[0].ID})
		require.NoError(t, err)
		require.Len(t, byID, 1)

		r.edit(n, note.UpdateNoteInput{Text: ptr("Another text.")})
		require.Equal(t, others, r.alternatives(owner, n), "they belong to the text that is STALE")
		again := r.translate(n, "es")[0]
		require.Empty(t, r.alternatives(owner, n))
		r.finish(again, "dos")
		require.Empty(t, r.alternatives(owner, n), "a translation without any")

		_, err = r.Delete(as(t, owner), n.ID)
		require.NoError(t, err)
		left, err := r.store.Client(t.Context()).Translation.Query().Count(auth.System(t.Context(), "test"))
		require.NoError(t, err)
		require.Zero(t, left)
	})
}

// A translation does not fail for what came beside it.
func TestWhatNoRowHoldsIsNoAlternative(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		n := r.english("a")
		many := []note.Alternative{{Text: "a\x00b", Score: -1}}
		for i := range jobspec.MaxAlternatives + 3 {
			many = append(many, note.Alternative{Text: fmt.Sprint(i), Score: -float64(i + 2)})
		}
		r.finishWith(r.translate(n, "es")[0], many...)
		require.Equal(t, "READY", r.states(n)["es"])
		require.Equal(t, many[1:jobspec.MaxAlternatives+1], r.alternatives(owner, n))
	})
}

func TestTheExportHoldsAlternatives(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		jobs := r.translate(r.english("a"), "es", "fr")
		r.finishWith(jobs[0], others...)
		r.finish(jobs[1], "un")
		var exported []string
		err := r.Domain().Account.Export(auth.System(t.Context(), "test"), owner, func(kind string, row any) error {
			var all bytes.Buffer
			err := json.NewEncoder(&all).Encode(row)
			if kind == "Translation" {
				exported = append(exported, all.String())
			}
			return err
		})
		require.NoError(t, err)
		require.Len(t, exported, 2)
		var with struct{ Alternatives []note.Alternative }
		require.NoError(t, json.Unmarshal([]byte(exported[0]), &with))
		require.Equal(t, others, with.Alternatives)
		require.NotContains(t, exported[1], "alternatives")
	})
}

func TestHowManyAlternativesMayBeAskedFor(t *testing.T) {
	t.Parallel()
	for first, fine := range map[int]bool{-1: false, 0: true, 1: true, 10: true, 11: false, 1 << 40: false} {
		err := note.CheckAlternatives(first)
		if fine {
			require.NoError(t, err, first)
			continue
		}
		refused(t, err, apperr.BadInput, "first")
	}
}
