package note_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	entnote "parley/ent/gen/note"
	"parley/internal/auth"
	"parley/internal/note"
)

func TestNotesAreFoundByWordsAndGivenToTheirIndex(t *testing.T) {
	onBoth(t, func(t *testing.T, r *room) {
		var told []string
		r.Follow(func(_ context.Context, gone bool, ids ...string) error {
			for _, id := range ids {
				if gone {
					id = "gone " + id
				}
				told = append(told, id)
			}
			return nil
		})
		const owner, stranger = "user_found", "user_other"
		ctx := as(t, owner)
		create := func(title, text string, format *entnote.Format) string {
			w, err := r.Create(ctx, note.CreateNoteInput{Title: title, Text: text, Language: ptr("en"), Format: format})
			require.NoError(t, err)
			return w.Note.ID
		}
		cake := create("Cake", "butter 100% sugar_free", nil)
		bread := create("Bread", "<p>Butter</p><script>no()</script> and flour", ptr(note.FormatHTML))
		_, err := r.Create(as(t, stranger), note.CreateNoteInput{Title: "Butter", Text: "flour cake", Language: ptr("en")})
		require.NoError(t, err)
		find := func(words ...string) []string {
			ids, err := r.WithWords(ctx, words, 10)
			require.NoError(t, err)
			return ids
		}
		assert.Equal(t, []string{bread, cake}, find("BUTTER", "flour"), "the one with more of the words first")
		assert.Equal(t, []string{bread, cake}, find("butter"), "the newest first")
		assert.Equal(t, []string{cake}, find("sugar_"), "no pattern")
		assert.Empty(t, find("sugarx"))
		assert.Empty(t, find())

		source := r.Source(note.Rest)
		system := auth.System(t.Context(), "test")
		items, err := source.Page(system, "", 2)
		require.NoError(t, err)
		require.Len(t, items, 2)
		rest, err := source.Page(system, items[1].ID, 2)
		require.NoError(t, err)
		require.Len(t, rest, 1)
		byID, err := source.ByID(system, []string{bread, "note_none"})
		require.NoError(t, err)
		require.Len(t, byID, 1)
		assert.Equal(t, "Bread\nButter  and flour ", byID[bread].Text)
		assert.Equal(t, []string{note.LabelOwner(owner)}, byID[bread].Labels)
		_, err = r.Update(ctx, note.UpdateNoteInput{ID: bread, Title: ptr("Rolls")})
		require.NoError(t, err)
		byID, err = source.ByID(system, []string{bread})
		require.NoError(t, err)
		assert.EqualValues(t, 2, byID[bread].Version)
		_, err = r.Delete(ctx, bread)
		require.NoError(t, err)
		assert.Equal(t, []string{cake, bread, bread, "gone " + bread}, append(told[:2:2], told[3:]...))
	})
}
