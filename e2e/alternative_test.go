package e2e

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
)

// A translation comes with other ways to say it, in the markup of its note.
func TestATranslationHasAlternatives(t *testing.T) {
	t.Parallel()
	a := signUp(t, process.Serve(t))
	note := a.createNote(t, "The house is small. The garden behind it is large and green.")
	job, _ := a.translate(t, note)
	text, _ := succeeded(t, watch(t, a.MustDial(t), job))
	type alternative struct {
		Text  string
		Score float64
	}
	read := func(arguments string) []alternative {
		var got struct {
			Note struct {
				Translations []struct {
					Text         string
					Alternatives []alternative
				}
			}
		}
		a.Must(t, `query($id: ID!) { note(id: $id) { translations { text alternatives`+arguments+` { text score } } } }`, gqlclient.Vars{"id": note}, &got)
		require.Len(t, got.Note.Translations, 1)
		assert.Equal(t, text, got.Note.Translations[0].Text)
		return got.Note.Translations[0].Alternatives
	}
	all := read("(first: 10)")
	require.Len(t, all, 10)
	seen, last := []string{text}, 0.0
	for _, other := range all {
		assert.NotContains(t, seen, other.Text)
		assert.LessOrEqual(t, other.Score, last)
		seen, last = append(seen, other.Text), other.Score
	}
	assert.Equal(t, all[:5], read(""))
	assert.Equal(t, all[:1], read("(first: 1)"))
	assert.Empty(t, read("(first: 0)"))
	for _, first := range []int{-1, 11} {
		answer, err := a.Do(t.Context(), `query($id: ID!, $n: Int) { note(id: $id) { translations { alternatives(first: $n) { text } } } }`, gqlclient.Vars{"id": note, "n": first})
		require.NoError(t, err)
		assert.Equal(t, "BAD_INPUT", answer.Code())
	}
}
