package graph

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parley/graph/model"
	"parley/internal/audit"
	"parley/internal/job"
	"parley/internal/note"
)

func TestAJobFilterMatchesWhatItNamesAndWithoutAnyEverything(t *testing.T) {
	t.Parallel()
	kind, id := "translate", "note_x"
	require.Equal(t, job.Filter{}, jobFilter(nil))
	require.Equal(t, job.Filter{}, jobFilter(&model.JobFilter{}))
	require.Equal(t, job.Filter{States: []job.State{job.Dead}, Kind: kind, Parent: id},
		jobFilter(&model.JobFilter{States: []job.State{job.Dead}, Kind: &kind, NoteID: &id}))
}

func TestNotesComeNewestFirstUnlessAsked(t *testing.T) {
	t.Parallel()
	require.Equal(t, note.Order{Field: note.OrderCreated, Descending: true}, noteOrder(nil))
	for direction, descending := range map[model.OrderDirection]bool{model.OrderDirectionAsc: false, model.OrderDirectionDesc: true} {
		require.Equal(t, note.Order{Field: note.OrderTitle, Descending: descending},
			noteOrder(&model.NoteOrder{Field: note.OrderTitle, Direction: direction}))
	}
}

func TestAFilterThatIsLeftOutMatchesEverything(t *testing.T) {
	t.Parallel()
	word := "x"
	require.Equal(t, note.Filter{}, noteFilter(nil))
	require.Equal(t, note.Filter{Text: &word}, noteFilter(&note.Filter{Text: &word}))
	require.Equal(t, audit.Filter{}, auditFilter(nil))
	require.Equal(t, audit.Filter{ReaderID: &word}, auditFilter(&audit.Filter{ReaderID: &word}))
}

// The schema's default of first would keep last from being used alone.
func TestADefaultThatTheOperationDoesNotNameIsLeftOut(t *testing.T) {
	t.Parallel()
	ten := 10
	require.Nil(t, given(field(t.Context(), "dialogs", "last"), "first", &ten))
	require.Equal(t, &ten, given(field(t.Context(), "dialogs", "last", "first"), "first", &ten))
	require.Nil(t, given(field(t.Context(), "dialogs", "first"), "first", nil))
}
