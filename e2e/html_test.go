package e2e

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
)

// A page comes back in another language, and its markup as it was.
func TestAPageKeepsItsMarkup(t *testing.T) {
	t.Parallel()
	a := signUp(t, process.Serve(t))
	const (
		link   = `<a class='x'  href="https://example.org/?a=1&b=2">small</a>`
		script = `<script>if (a < b && "The house") { run() } // The garden</script>`
		page   = `<h1>The house</h1>` + script + `<p>The house is ` + link + `. {name}, the garden is <b>large</b> and green.</p>`
	)
	var got struct {
		CreateNote struct{ Note struct{ ID, Format string } }
	}
	a.Must(t, `mutation($i: CreateNoteInput!) { createNote(input: $i) { note { id format } } }`,
		gqlclient.Vars{"i": gqlclient.Vars{"title": "A page", "text": page, "language": "en", "format": "HTML"}}, &got)
	note := got.CreateNote.Note
	assert.Equal(t, "HTML", note.Format)
	job, _ := a.translate(t, note.ID)
	text, _ := succeeded(t, watch(t, a.MustDial(t), job))
	state, stored := a.readNote(t, note.ID)
	assert.Equal(t, "READY", state)
	assert.Equal(t, text, stored)

	assert.Contains(t, text, "<h1>La casa</h1>"+script, "translated, and the script as it was")
	assert.Contains(t, text, "{name}")
	assert.NotContains(t, text, "The house is")
	tag := regexp.MustCompile(`<[^>]+>`)
	assert.Equal(t, tag.FindAllString(page, -1), tag.FindAllString(text, -1), text)

	// The same text without a format is plain text: other work with a result of its own.
	plain := a.createNote(t, page)
	job, _ = a.translate(t, plain)
	other, _ := succeeded(t, watch(t, a.MustDial(t), job))
	assert.NotEqual(t, text, other)
}
