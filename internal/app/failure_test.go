package app

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
			_, err := w.store.Exec(t.Context(), "ALTER TABLE "+table+" RENAME TO hidden_"+table)
			require.NoError(t, err)
		}
		for _, query := range []string{
			"{ notes { totalCount nodes { id } } }", "{ noteStats { total } }", "{ viewer { id } }", "{ jobs { nodes { id } } }",
			`{ job(id: "` + own.job + `") { id } }`, `{ nodes(ids: ["` + own.job + `"]) { id } }`,
			`mutation { createNote(input: {title: "T", text: "X", language: "en"}) { note { id } } }`,
			`mutation { signIn(input: {email: "a@b.de", password: "x"}) { accessToken } }`,
		} {
			r, err := w.Owner.Do(t.Context(), query, nil)
			require.NoError(t, err)
			assert.Equal(t, "INTERNAL", r.Code(), "%s: %s", query, r.Body)
			assert.NotEmpty(t, r.Errors[0].Extensions.Reference, "%s: %s", query, r.Body)
			for _, word := range []string{"SQL", "sql", "table", "relation", "hidden", "pgx", "42P01", "SELECT", "sqlite"} {
				assert.NotContains(t, string(r.Body), word, "%s: the answer", query)
			}
		}
		// So that the process ends as it should.
		for _, table := range []string{"notes", "jobs", "users"} {
			_, err := w.store.Exec(t.Context(), "ALTER TABLE hidden_"+table+" RENAME TO "+table)
			require.NoError(t, err)
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
	require.NoError(t, err)
	assert.Equal(t, "TIMEOUT", r.Code(), "got %s", r.Body)
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
		require.NoError(t, err, name)
		assert.Equal(t, c.code, r.Code(), "%s: %s", name, r.Body)
		assert.Contains(t, string(r.Data), c.want, "%s: %s", name, r.Body)
	}
}

func TestReadyzTellsWhenNATSIsGone(t *testing.T) {
	t.Parallel()
	nats := testkit.NATS(t)
	w := begin(t, dbtest.SQLite(t), Options{}, "nats-url", nats.URL())
	require.Equal(t, http.StatusOK, w.poll(t, http.StatusOK), "/readyz at first")
	nats.Kill()
	assert.Equal(t, http.StatusServiceUnavailable, w.poll(t, http.StatusServiceUnavailable), "/readyz without NATS")
	nats.Restart()
	assert.Equal(t, http.StatusOK, w.poll(t, http.StatusOK), "/readyz with NATS again")
}

func TestReadyzTellsWhenTheDatabaseIsGone(t *testing.T) {
	t.Parallel()
	server := testkit.PostgresServer(t)
	w := begin(t, server.URL, Options{})
	require.Equal(t, http.StatusOK, w.poll(t, http.StatusOK), "/readyz at first")
	require.NoError(t, server.Kill())
	assert.Equal(t, http.StatusServiceUnavailable, w.poll(t, http.StatusServiceUnavailable), "/readyz without a database")
	r, err := w.Owner.Do(t.Context(), "{ viewer { id } }", nil)
	require.NoError(t, err, "without a database, %s", r.Body)
	assert.Equal(t, "UNAVAILABLE", r.Code(), "without a database, %s", r.Body)
	require.NoError(t, server.Restart(t.Context()))
	assert.Equal(t, http.StatusOK, w.poll(t, http.StatusOK), "/readyz with the database again")
	w.Owner.Must(t, "{ viewer { id } }", nil, nil)
}

// poll asks /readyz until it answers with the status, or for a minute.
func (w *world) poll(t *testing.T, want int) (status int) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(gqlclient.Patience); time.Now().Before(until); <-tick.C {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+"/readyz", nil)
		require.NoError(t, err)
		answer, err := w.Anonymous.Send(r)
		require.NoError(t, err)
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
	require.NoError(t, err)
	got, err := w.Anonymous.Send(r)
	require.NoError(t, err)
	for _, line := range []string{"parley_sockets_open 1", "parley_results_stale_total 0", "parley_runs_rescued_total 0", "go_goroutines", "process_open_fds"} {
		assert.Contains(t, string(got.Body), line, "/metrics lacks %q", line)
	}
}

func TestASigningKeyIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	cfg := &config.Config{Data: t.TempDir()}
	first, err := signingKey(cfg)
	require.NoError(t, err)
	second, err := signingKey(cfg)
	assert.NoError(t, err, "the keys are %q and %q", first, second)
	assert.True(t, string(first) == string(second) && len(first) >= auth.MinKeyBytes, "the keys are %q and %q", first, second)
}
