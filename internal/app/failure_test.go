package app

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/e2e/gqlclient"
	"parley/internal/auth"
	"parley/internal/config"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

// The tables are renamed under the running server, so that its next statement
// really fails.
func TestARawSQLErrorNeverLeaks(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		own := w.make(t, w.Owner)
		for _, table := range []string{"notes", "jobs", "users"} {
			if _, err := w.store.Exec(t.Context(), "ALTER TABLE "+table+" RENAME TO hidden_"+table); err != nil {
				t.Fatal(err)
			}
		}
		for _, query := range []string{
			"{ notes { totalCount nodes { id } } }", "{ noteStats { total } }", "{ viewer { id } }", "{ jobs { nodes { id } } }",
			`{ job(id: "` + own.job + `") { id } }`, `{ nodes(ids: ["` + own.job + `"]) { id } }`,
			`mutation { createNote(input: {title: "T", text: "X", language: "en"}) { note { id } } }`,
			`mutation { signIn(input: {email: "a@b.de", password: "x"}) { accessToken } }`,
		} {
			r, err := w.Owner.Do(t.Context(), query, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.Code() != "INTERNAL" || r.Errors[0].Extensions.Reference == "" {
				t.Errorf("%s: %s", query, r.Body)
			}
			for _, word := range []string{"SQL", "sql", "table", "relation", "hidden", "pgx", "42P01", "SELECT", "sqlite"} {
				if strings.Contains(string(r.Body), word) {
					t.Errorf("%s: the answer says %q: %s", query, word, r.Body)
				}
			}
		}
		// So that the process ends as it should.
		for _, table := range []string{"notes", "jobs", "users"} {
			if _, err := w.store.Exec(t.Context(), "ALTER TABLE hidden_"+table+" RENAME TO "+table); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The one writer of SQLite is busy, so that the mutation can't begin in time.
func TestAnOperationThatTakesTooLongIsTimeout(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{MaxTime: 300 * time.Millisecond})
	var r *gqlclient.Response
	err := w.store.Tx(auth.System(t.Context(), "test"), func(context.Context) (err error) {
		r, err = w.Owner.Do(t.Context(), `mutation { createNote(input: {title: "T", text: "X", language: "en"}) { note { id } } }`, nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Code() != "TIMEOUT" {
		t.Errorf("got %s", r.Body)
	}
	w.make(t, w.Owner) // and afterwards it works
}

func TestImportNoteTakesATextFile(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	const query = `mutation($file: Upload!) { importNote(input: {file: $file, language: "en"}) { note { title text } } }`
	for name, c := range map[string]struct{ file, content, header, code, want string }{
		"a text":            {"Diary.txt", "\uFEFFOne\r\nTwo\rThree", "Apollo-Require-Preflight", "", `{"title":"Diary","text":"One\nTwo\nThree"}`},
		"with a path":       {`C:\notes\Diary.TXT`, "One", "Authorization", "", `{"title":"Diary","text":"One"}`},
		"no text file":      {"Diary.pdf", "One", "GraphQL-Require-Preflight", "BAD_INPUT", ""},
		"not UTF-8":         {"Diary.txt", "\xff\xfe", "GraphQL-Require-Preflight", "BAD_INPUT", ""},
		"empty":             {"Diary.txt", "", "GraphQL-Require-Preflight", "BAD_INPUT", ""},
		"over 64 KiB":       {"Diary.txt", strings.Repeat("x", 64<<10+1), "GraphQL-Require-Preflight", "TOO_LARGE", ""},
		"over all":          {"Diary.txt", strings.Repeat("x", 3<<20), "GraphQL-Require-Preflight", "TOO_LARGE", ""},
		"of a foreign page": {"Diary.txt", "One", "X-Nothing", "BAD_INPUT", ""},
	} {
		client := w.Owner
		if c.header == "X-Nothing" {
			client = w.Anonymous
		}
		r, err := sendFile(t, client, query, c.file, c.content, c.header, "1")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Code() != c.code || !strings.Contains(string(r.Data), c.want) {
			t.Errorf("%s: %s", name, r.Body)
		}
	}
}

func TestReadyzTellsWhenNATSIsGone(t *testing.T) {
	t.Parallel()
	nats := testkit.NATS(t)
	w := begin(t, dbtest.SQLite(t), Options{}, "nats-url", nats.URL())
	if status := w.poll(t, http.StatusOK); status != http.StatusOK {
		t.Fatalf("/readyz is %d at first", status)
	}
	nats.Kill()
	if status := w.poll(t, http.StatusServiceUnavailable); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz is %d without NATS", status)
	}
	nats.Restart()
	if status := w.poll(t, http.StatusOK); status != http.StatusOK {
		t.Errorf("/readyz is %d with NATS again", status)
	}
}

func TestReadyzTellsWhenTheDatabaseIsGone(t *testing.T) {
	t.Parallel()
	server := testkit.PostgresServer(t)
	w := begin(t, server.URL, Options{})
	if status := w.poll(t, http.StatusOK); status != http.StatusOK {
		t.Fatalf("/readyz is %d at first", status)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if status := w.poll(t, http.StatusServiceUnavailable); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz is %d without a database", status)
	}
	r, err := w.Owner.Do(t.Context(), "{ viewer { id } }", nil)
	if err != nil || r.Code() != "UNAVAILABLE" {
		t.Errorf("without a database: %v, %s", err, r.Body)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := w.poll(t, http.StatusOK); status != http.StatusOK {
		t.Errorf("/readyz is %d with the database again", status)
	}
	w.Owner.Must(t, "{ viewer { id } }", nil, nil)
}

// poll asks /readyz until it answers with the status, or for a minute.
func (w *world) poll(t *testing.T, want int) (status int) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(gqlclient.Patience); time.Now().Before(until); <-tick.C {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := w.Anonymous.Send(r)
		if err != nil {
			t.Fatal(err)
		}
		if status = answer.Status; status == want {
			return status
		}
	}
	return status
}

func TestMetricsCountWhatTheProcessDoes(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	socket := w.Owner.MustDial(t)
	if r, _ := socket.Subscribe(t, "{ viewer { id } }", nil).Next(t); r.Code() != "" {
		t.Fatal(r.Err())
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.Anonymous.Send(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"parley_sockets_open 1", "parley_results_stale_total 0", "parley_runs_rescued_total 0", "go_goroutines", "process_open_fds"} {
		if !strings.Contains(string(got.Body), line) {
			t.Errorf("/metrics lacks %q", line)
		}
	}
}

func TestASigningKeyIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	cfg := &config.Config{Data: t.TempDir()}
	first, err := signingKey(cfg)
	if err != nil {
		t.Fatal(err)
	}
	second, err := signingKey(cfg)
	if err != nil || string(first) != string(second) || len(first) < auth.MinKeyBytes {
		t.Errorf("the keys are %q and %q, %v", first, second, err)
	}
}
