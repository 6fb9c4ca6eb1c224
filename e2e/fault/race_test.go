package fault

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/app"
	"parley/internal/config"
	"parley/internal/jobspec"
	"parley/worker"
)

// targets are the languages into which one note is translated: each is a job of
// its own.
var targets = []string{"es", "fr", "de", "it", "pt", "nl", "sv", "da", "fi", "pl", "cs", "sk", "sl", "hr", "ro", "hu", "el", "tr", "uk", "bg"}

// serveNoop runs all of `parley serve` inside the test with a worker that
// answers in no time, and gives its URL.
func serveNoop(t *testing.T) string {
	t.Helper()
	flags := map[string]string{"data": t.TempDir(), "listen": "127.0.0.1:0", "grace": "5s"}
	cfg, err := config.Load(flags, func(string) string { return "" }, "")
	require.NoError(t, err)
	directions := make([]jobspec.Direction, len(targets))
	for i, target := range targets {
		directions[i] = jobspec.Direction{Source: "en", Target: target}
	}
	listening, ended := make(chan string, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		ended <- app.RunAPI(ctx, cfg, app.Serve, app.Options{
			Version: "test", Handlers: []worker.Handler{worker.NewNoop("noop", directions)},
			Listening: func(address string) { listening <- address },
		})
	}()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-ended, "parley")
	})
	select {
	case address := <-listening:
		return "http://" + address
	case err := <-ended:
		ended <- err
		t.Fatalf("parley did not start: %v", err)
		return ""
	}
}

// envRuns is the number of runs of the race below.
const envRuns = "PARLEY_RACE_RUNS"

// Who asks for work and then subscribes loses a race against a fast worker,
// where a subscription begins with what happens next.
func TestASubscriptionAfterTheMutationAlwaysBringsTheEndOfAJobThatIsDoneAtOnce(t *testing.T) {
	t.Parallel()
	runs := int(setting(t, envRuns, 1000))
	url := serveNoop(t)
	const users = 16
	var all sync.WaitGroup
	for n := range users {
		all.Go(func() {
			u := signUp(t, url)
			socket := u.MustDial(t)
			for i := n; i < runs; i += users * len(targets) {
				u.race(t, socket, min(len(targets), (runs-i+users-1)/users))
			}
		})
	}
	all.Wait()
	t.Logf("%d mutations with a subscription after each", runs)
}

// race makes a note and has it translated n times, each time subscribing only
// once the mutation was answered.
func (u *user) race(t *testing.T, socket *gqlclient.Socket, n int) {
	t.Helper()
	note, _, err := u.createNote(t.Context(), "The house of "+u.email+" is old.")
	if err != nil {
		t.Error(err)
		return
	}
	for i, target := range targets[:n] {
		var got struct {
			TranslateNote struct {
				Jobs   []struct{ ID string }
				Cursor string
			}
		}
		u.Must(t, `mutation($i: TranslateNoteInput!) { translateNote(input: $i) { jobs { id } cursor } }`,
			gqlclient.Vars{"i": gqlclient.Vars{"noteId": note, "languages": []string{target}}}, &got)
		job := got.TranslateNote.Jobs[0].ID
		stream := socket.Subscribe(t, `subscription($id: ID!) { job(id: $id) { job { id state } } }`, gqlclient.Vars{"id": job})
		ends(t, stream, job)
		if i%10 == 0 {
			events := socket.Subscribe(t, `subscription($a: EventCursor) { events(after: $a) { `+eventFields+` } }`, gqlclient.Vars{"a": got.TranslateNote.Cursor})
			ends(t, events, job)
			events.Stop(t)
		}
	}
}

// ends reads a stream up to the success of a job.
func ends(t *testing.T, s *gqlclient.Stream, job string) {
	t.Helper()
	type state struct{ ID, State string }
	for {
		var m struct {
			Job    struct{ Job state }
			Events struct {
				Typename string `json:"__typename"`
				Job      state
			}
		}
		if !s.Read(t, &m) {
			t.Errorf("the subscription ended without the end of %s", job)
			return
		}
		for _, j := range []state{m.Job.Job, m.Events.Job} {
			if j.ID == job && j.State == "SUCCEEDED" {
				return
			}
		}
	}
}
