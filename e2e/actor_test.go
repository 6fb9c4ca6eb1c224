package e2e

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
)

// actor is a signed-up user.
type actor struct {
	*gqlclient.Client
	ID    string
	Email string
}

const password = "correct horse battery staple"

var actors atomic.Int64

func signUp(t testing.TB, p *process.Process) *actor {
	t.Helper()
	a := &actor{Client: p.Client(), Email: fmt.Sprintf("actor-%d@example.org", actors.Add(1))}
	var got struct {
		SignUp struct {
			AccessToken, RefreshToken, Cursor string
			Viewer                            struct{ ID, Email, Role string }
		}
	}
	a.Must(t, `mutation($i: SignUpInput!) { signUp(input: $i) { accessToken refreshToken cursor viewer { id email role } } }`,
		gqlclient.Vars{"i": gqlclient.Vars{"email": a.Email, "password": password}}, &got)
	a.Token, a.ID = got.SignUp.AccessToken, got.SignUp.Viewer.ID
	require.True(t, got.SignUp.Viewer.Email == a.Email && got.SignUp.Viewer.Role == "USER" && got.SignUp.RefreshToken != "" && got.SignUp.Cursor != "",
		"signed up as %+v", got.SignUp)
	return a
}

func (a *actor) createNote(t testing.TB, text string) (id string) {
	t.Helper()
	var got struct {
		CreateNote struct{ Note struct{ ID string } }
	}
	a.Must(t, `mutation($i: CreateNoteInput!) { createNote(input: $i) { note { id } } }`,
		gqlclient.Vars{"i": gqlclient.Vars{"title": "A note", "text": text, "language": "en"}}, &got)
	return got.CreateNote.Note.ID
}

// translate asks for Spanish and gives the job and the payload's cursor.
func (a *actor) translate(t testing.TB, note string) (job, cursor string) {
	t.Helper()
	var got struct {
		TranslateNote struct {
			Jobs   []struct{ ID, Kind, State string }
			Cursor string
		}
	}
	a.Must(t, `mutation($i: TranslateNoteInput!) { translateNote(input: $i) { jobs { id kind state } cursor } }`,
		gqlclient.Vars{"i": gqlclient.Vars{"noteId": note, "languages": []string{"es"}}}, &got)
	require.Len(t, got.TranslateNote.Jobs, 1, "translateNote gave %+v", got)
	require.Equal(t, "translate", got.TranslateNote.Jobs[0].Kind, "translateNote gave %+v", got)
	return got.TranslateNote.Jobs[0].ID, got.TranslateNote.Cursor
}

// update is a message of the subscription job.
type update struct {
	Job struct {
		Cursor      string
		Version     int
		PartialText *string
		Job         struct {
			ID, State  string
			WaitingFor *string
			Progress   *float64
			Attempt    int
			Error      *struct{ Code, Message string }
			Attempts   []struct {
				Number  int
				Outcome string
				Reason  *string
			}
			Result *struct{ Language, Text string }
		}
	}
}

const watchJob = `subscription($id: ID!) { job(id: $id) {
	cursor version partialText
	job { id state waitingFor progress attempt error { code message } attempts { number outcome reason }
		result { ... on Translation { language text } } }
} }`

// watch subscribes to a job.
func watch(t testing.TB, s *gqlclient.Socket, job string) *gqlclient.Stream {
	t.Helper()
	return s.Subscribe(t, watchJob, gqlclient.Vars{"id": job})
}

// until reads updates up to the first one that fits and gives all of them.
func until(t testing.TB, s *gqlclient.Stream, fits func(u update) bool) []update {
	t.Helper()
	var all []update
	for {
		var u update
		require.True(t, s.Read(t, &u), "the subscription ended after %+v", all)
		all = append(all, u)
		if fits(u) {
			return all
		}
	}
}

// succeeded reads a job's updates to the end, checks what is promised of them,
// and gives the translation.
func succeeded(t testing.TB, s *gqlclient.Stream) (text string, last update) {
	t.Helper()
	all := until(t, s, func(u update) bool {
		require.False(t, u.Job.Job.Error != nil && u.Job.Job.State != "QUEUED", "the job failed: %+v", u.Job.Job)
		return u.Job.Job.State == "SUCCEEDED"
	})
	if r, more := s.Next(t); more {
		t.Fatalf("after the final state came %s", r.Data)
	}
	version := 0
	for _, u := range all {
		require.GreaterOrEqual(t, u.Job.Version, version, "version %d came after %d", u.Job.Version, version)
		version = u.Job.Version
	}
	last = all[len(all)-1]
	require.NotNil(t, last.Job.Job.Result, "the job ended without a translation: %+v", last)
	require.NotEmpty(t, last.Job.Job.Result.Text, "the job ended without a translation: %+v", last)
	require.Equal(t, "es", last.Job.Job.Result.Language, "the job ended without a translation: %+v", last)
	return last.Job.Job.Result.Text, last
}

// readNote gives the state and the text of a note's one translation.
func (a *actor) readNote(t testing.TB, id string) (state, text string) {
	t.Helper()
	var got struct {
		Note struct {
			Translations []struct {
				Language, State string
				Text            *string
			}
		}
	}
	a.Must(t, `query($id: ID!) { note(id: $id) { translations { language state text } } }`, gqlclient.Vars{"id": id}, &got)
	require.Len(t, got.Note.Translations, 1, "the note has the translations %+v", got.Note.Translations)
	tr := got.Note.Translations[0]
	if tr.Text == nil {
		return tr.State, ""
	}
	return tr.State, *tr.Text
}

// story is a text of n different sentences.
func story(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "The old house number %d has a garden, and the children play there in the summer. ", i)
	}
	return b.String()
}
