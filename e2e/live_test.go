package e2e

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
)

func TestANoteIsTranslatedAndPushedLive(t *testing.T) {
	t.Parallel()
	p := process.Serve(t)
	a := signUp(t, p)
	note := a.createNote(t, story(60))
	socket := a.MustDial(t)
	job, _ := a.translate(t, note)
	stream := watch(t, socket, job)
	partials := until(t, stream, func(u update) bool { return u.Job.PartialText != nil || u.Job.Job.State == "SUCCEEDED" })
	first := partials[len(partials)-1]
	require.NotNil(t, first.Job.PartialText, "no partial text came before the end: %+v", first)
	require.NotEmpty(t, *first.Job.PartialText, "no partial text came before the end: %+v", first)
	require.Equal(t, "RUNNING", first.Job.Job.State, "no partial text came before the end: %+v", first)
	require.NotNil(t, first.Job.Job.Progress, "progress")
	require.Positive(t, *first.Job.Job.Progress, "progress")
	require.LessOrEqual(t, *first.Job.Job.Progress, float64(1), "progress")
	text, last := succeeded(t, stream)
	assert.True(t, strings.HasPrefix(text, strings.TrimRight(*first.Job.PartialText, " \n")),
		"the text %.200q does not begin as the partial text %.200q", text, *first.Job.PartialText)
	if p := last.Job.Job.Progress; p == nil || *p != 1 {
		t.Errorf("progress at the end is %v", p)
	}
	state, stored := a.readNote(t, note)
	assert.Equal(t, "READY", state, "the note")
	assert.Equal(t, text, stored, "the note")
	// A subscription that comes after the end gets the final state and ends.
	again, _ := succeeded(t, watch(t, socket, job))
	assert.Equal(t, text, again, "a late subscription")
}

func TestTranslationsGiveThePresentOnesThenEveryChange(t *testing.T) {
	t.Parallel()
	p := process.Serve(t)
	a := signUp(t, p)
	note := a.createNote(t, "The house is old.")
	socket := a.MustDial(t)
	type message struct {
		Translations struct {
			Cursor      string
			Translation struct {
				Language, State string
				Text            *string
			}
		}
	}
	const query = `subscription($n: ID!, $a: EventCursor) { translations(noteId: $n, after: $a) { cursor translation { language state text } } }`
	read := func(s *gqlclient.Stream, state string) (cursor string) {
		t.Helper()
		for {
			var m message
			require.True(t, s.Read(t, &m), "the stream ended before %s", state)
			if m.Translations.Translation.State == state {
				return m.Translations.Cursor
			}
		}
	}
	live := socket.Subscribe(t, query, gqlclient.Vars{"n": note})
	_, before := a.translate(t, note)
	cursor := read(live, "READY")

	// Without a cursor the present one comes first; after the payload's cursor
	// nothing is missed; after its own cursor it does not come again.
	read(socket.Subscribe(t, query, gqlclient.Vars{"n": note}), "READY")
	read(socket.Subscribe(t, query, gqlclient.Vars{"n": note, "a": before}), "READY")
	resumed := socket.Subscribe(t, query, gqlclient.Vars{"n": note, "a": cursor})
	a.Must(t, `mutation($i: UpdateNoteInput!) { updateNote(input: $i) { note { version } } }`,
		gqlclient.Vars{"i": gqlclient.Vars{"id": note, "text": "The house is new."}}, nil)
	var m message
	require.True(t, resumed.Read(t, &m), "after the cursor came %+v, want STALE", m)
	require.Equal(t, "STALE", m.Translations.Translation.State, "after the cursor came %+v, want STALE", m)
	read(live, "STALE")

	a.Must(t, `mutation($i: DeleteNoteInput!) { deleteNote(input: $i) { deletedId } }`, gqlclient.Vars{"i": gqlclient.Vars{"id": note}}, nil)
	for _, s := range []*gqlclient.Stream{live, resumed} {
		if r, more := s.Next(t); more {
			t.Errorf("after the note's end came %s", r.Data)
		}
	}
}

func TestEventsResumeAfterACursor(t *testing.T) {
	t.Parallel()
	p := process.Serve(t)
	a := signUp(t, p)
	socket := a.MustDial(t)
	type message struct {
		Events struct {
			Typename string `json:"__typename"`
			Cursor   string
			At       string
			NoteID   string
			Job      *struct{ State string }
			Reason   string
		}
	}
	const query = `subscription($a: EventCursor, $t: [Topic!]) { events(after: $a, topics: $t) { __typename cursor at
		... on NoteChanged { noteId action } ... on JobChanged { jobId job { state } } ... on StreamReset { reason } } }`
	live := socket.Subscribe(t, query, gqlclient.Vars{"t": []string{"JOBS"}})
	note := a.createNote(t, "The house is old.")
	_, cursor := a.translate(t, note)
	read := func(s *gqlclient.Stream) (m message) {
		t.Helper()
		require.True(t, s.Read(t, &m), "the stream of events ended")
		return m
	}
	var seen []string
	for {
		m := read(live)
		require.Equal(t, "JobChanged", m.Events.Typename, "the topic JOBS brought %+v", m)
		seen = append(seen, m.Events.Cursor)
		if m.Events.Job != nil && m.Events.Job.State == "SUCCEEDED" {
			break
		}
	}
	// The replay of the same topic brings the same places.
	replay := socket.Subscribe(t, query, gqlclient.Vars{"a": cursor, "t": []string{"JOBS"}})
	for last := ""; last != seen[len(seen)-1]; {
		last = read(replay).Events.Cursor
	}
	// All topics after the same cursor begin with the translation's request, and
	// the note's creation lies before it.
	all := socket.Subscribe(t, query, gqlclient.Vars{"a": cursor})
	m := read(all)
	assert.NotEqual(t, "NoteChanged", m.Events.Typename, "the payload's cursor lies before an older event: %+v", m)
	// Another's cursor shows only one's own events.
	b := signUp(t, p)
	foreign := b.MustDial(t).Subscribe(t, query, gqlclient.Vars{"a": cursor})
	own := b.createNote(t, "Mine.")
	m = read(foreign)
	assert.Equal(t, own, m.Events.NoteID, "with another's cursor came %+v", m)
}
