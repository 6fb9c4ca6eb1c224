package e2e

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
)

func TestAMutationOnOneProcessIsPushedByAnother(t *testing.T) {
	t.Parallel()
	c := process.NewCluster(t)
	one, two := c.API(), c.API()
	c.Worker()
	a := signUp(t, one)
	elsewhere := &actor{Client: &gqlclient.Client{URL: two.URL, Token: a.Token}, ID: a.ID}
	note := a.createNote(t, story(20))
	// Reading on the other process first puts the note into the shared cache.
	elsewhere.Must(t, `query($id: ID!) { note(id: $id) { text } }`, gqlclient.Vars{"id": note}, nil)
	job, _ := a.translate(t, note)
	text, _ := succeeded(t, watch(t, elsewhere.MustDial(t), job))
	for _, reader := range []*actor{a, elsewhere} {
		state, stored := reader.readNote(t, note)
		assert.Equal(t, "READY", state, "the note has %s %.80q after its translation was pushed", state, stored)
		assert.Equal(t, text, stored, "the note has %s %.80q after its translation was pushed", state, stored)
	}
	// And back: an edit on the second is seen on the first.
	events := a.MustDial(t).Subscribe(t, `subscription { events(topics: [NOTES]) { ... on NoteChanged { action note { title } } } }`, nil)
	// The stream is registered once an own mutation comes through it.
	elsewhere.Must(t, `mutation($i: UpdateNoteInput!) { updateNote(input: $i) { note { id } } }`,
		gqlclient.Vars{"i": gqlclient.Vars{"id": note, "title": "Edited elsewhere"}}, nil)
	var m struct {
		Events struct {
			Note struct{ Title string }
		}
	}
	assert.True(t, events.Read(t, &m), "the other process pushed %+v", m)
	assert.Equal(t, "Edited elsewhere", m.Events.Note.Title, "the other process pushed %+v", m)
}

func TestAHundredUsersAtOnce(t *testing.T) {
	t.Parallel()
	p := process.Serve(t)
	const users = 100
	// Passwords are hashed two at a time: on a busy machine a hundred at once would wait
	// longer than a call may take.
	door := make(chan struct{}, 8)
	enter := func() *actor {
		door <- struct{}{}
		defer func() { <-door }()
		return signUp(t, p)
	}
	var all sync.WaitGroup
	for range users {
		all.Go(func() {
			a := enter()
			note := a.createNote(t, "The house is old and the garden is small.")
			socket := a.MustDial(t)
			job, _ := a.translate(t, note)
			text, _ := succeeded(t, watch(t, socket, job))
			state, stored := a.readNote(t, note)
			assert.Equal(t, "READY", state, a.Email)
			assert.Equal(t, text, stored, a.Email)
		})
	}
	all.Wait()
}
