package e2e

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
)

func dialogInput(number int, text string) gqlclient.Vars {
	return gqlclient.Vars{"customerId": "7", "dialogId": fmt.Sprint(number), "text": text, "language": "en"}
}

// push pushes a dialog.
func (m *machine) push(t testing.TB, number int, text string) error {
	t.Helper()
	r, err := m.Do(t.Context(), `mutation($i: PushDialogInput!) { pushDialog(input: $i) { dialog { id } } }`, gqlclient.Vars{"i": dialogInput(number, text)})
	if err != nil {
		return err
	}
	return r.Err()
}

func (m *machine) consent(t testing.TB, number int, approved bool) {
	t.Helper()
	m.Must(t, `mutation($i: SetConsentInput!) { setConsent(input: $i) { state cursor } }`,
		gqlclient.Vars{"i": gqlclient.Vars{"dialogId": fmt.Sprint(number), "approved": approved}}, nil)
}

// numbers lists the dialogs that the reader sees.
func numbers(t testing.TB, reader *gqlclient.Client) string {
	t.Helper()
	var got struct {
		Dialogs struct {
			Nodes []struct{ DialogID, Text string }
		}
	}
	reader.Must(t, `{ dialogs { nodes { dialogId text } } }`, nil, &got)
	var all []string
	for _, d := range got.Dialogs.Nodes {
		all = append(all, d.DialogID)
	}
	return strings.Join(all, " ")
}

// consentChange is a message of the subscription events.
type consentChange struct {
	Events struct {
		DialogID, State string
		Dialog          *struct{ Text string }
	}
}

const watchConsent = `subscription { events(topics: [DIALOGS]) { ... on ConsentChanged { dialogId state dialog { text } } } }`

func TestConsentDecidesWhatAnalystsSeeAsItHappens(t *testing.T) {
	t.Parallel()
	c := process.NewCluster(t)
	one, two := c.API(), c.API()
	m := newMachine(t, one, "DIALOGS_PUSH", "DIALOGS_CONSENT")
	analyst := account(t, two, "ANALYST")
	heard := analyst.MustDial(t).Subscribe(t, watchConsent, nil)
	own := m.on(two).MustDial(t).Subscribe(t, watchConsent, nil) // with the key
	number := 0
	// The streams are registered once a change comes through both.
	for _, s := range []*gqlclient.Stream{heard, own} {
		for known := false; !known; {
			number++
			must(t, m.push(t, number, "to begin with"))
			m.consent(t, number, true)
			_, known = s.Try()
		}
	}
	must(t, m.push(t, 1000, "My parcel is lost."))
	assert.NotContains(t, numbers(t, analyst), "1000", "an analyst sees a dialog without consent")
	next := func(s *gqlclient.Stream) (got consentChange) {
		t.Helper()
		for {
			got = consentChange{}
			require.True(t, s.Read(t, &got), "the stream ended")
			if got.Events.DialogID == "1000" {
				return got
			}
		}
	}
	m.consent(t, 1000, true)
	for _, s := range []*gqlclient.Stream{heard, own} {
		got := next(s)
		assert.True(t, got.Events.State == "APPROVED" && got.Events.Dialog != nil && got.Events.Dialog.Text == "My parcel is lost.",
			"after the consent came %+v", got)
	}
	got := numbers(t, analyst)
	assert.True(t, strings.HasPrefix(got, "1000 "), "after the consent an analyst sees %s", got)
	m.consent(t, 1000, false)
	for _, s := range []*gqlclient.Stream{heard, own} {
		got := next(s)
		assert.Equal(t, "WITHDRAWN", got.Events.State, "after the withdrawal came %+v", got)
		assert.Nil(t, got.Events.Dialog, "after the withdrawal came %+v", got)
	}
	assert.NotContains(t, numbers(t, analyst), "1000", "after the withdrawal an analyst")
	err := m.push(t, 1000, "My parcel is lost.")
	assert.Error(t, err, "a late push")
	assert.ErrorContains(t, err, "CONFLICT", "a late push")
}

func TestAKilledServerKeepsEveryAcknowledgedDialog(t *testing.T) {
	t.Parallel()
	for name, begin := range killable() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := begin(t)
			m := newMachine(t, p, "DIALOGS_PUSH")
			sent, acknowledged := underFire(t, p, func(n int) (func() error, any) {
				return func() error { return m.push(t, n, "Good morning.") }, n
			})
			for n := range sent {
				err := m.push(t, n, "Good morning.")
				assert.False(t, acknowledged[n] && (err == nil || !strings.Contains(err.Error(), "CONFLICT")),
					"dialog %d was acknowledged and is gone: %v", n, err)
			}
		})
	}
}

// A withdrawn text is in no file of the data folder any more, while what other
// customers agreed to is.
func TestAWithdrawnTextLeavesTheFiles(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := process.Start(t, process.Env(t), process.ServeArgs(data)...).Ready()
	m := newMachine(t, p, "DIALOGS_PUSH", "DIALOGS_CONSENT")
	analyst := account(t, p, "ANALYST")
	secret := func(n int) string { return fmt.Sprintf("zebra-%d-crossing", n) }
	const dialogs = 60
	for n := range dialogs {
		must(t, m.push(t, n, strings.Repeat("We talked for a while. ", n*n/2)+secret(n)))
		m.consent(t, n, true)
	}
	numbers(t, analyst)
	for n := range dialogs {
		if n%3 != 0 {
			m.consent(t, n, false)
		}
	}
	require.NoError(t, p.Stop())
	for n := range dialogs {
		found := filesWith(t, data, secret(n))
		assert.Equal(t, n%3 == 0, len(found) > 0, "dialog %d: its text is in %v", n, found)
	}
}

// filesWith searches every file of a folder.
func filesWith(t testing.TB, dir, word string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(word)) {
			found = append(found, filepath.Base(path))
		}
		return err
	})
	require.NoError(t, err)
	return found
}

func TestAnalystsDownloadWhatWasAgreedTo(t *testing.T) {
	t.Parallel()
	p := process.Serve(t)
	m := newMachine(t, p, "DIALOGS_PUSH", "DIALOGS_CONSENT")
	analyst, admin := account(t, p, "ANALYST"), account(t, p, "ADMIN")
	for n := range 5 {
		must(t, m.push(t, n, fmt.Sprintf("line one\n\"line\" two, of %d", n)))
		m.consent(t, n, n != 3)
	}
	status, body := download(t, analyst, "/export/dialogs.csv?customerId=7&language=EN")
	if lines := strings.Count(body, "\"line\"\" two") + strings.Count(body, "\"\"line\"\" two"); status != http.StatusOK || lines == 0 ||
		strings.Contains(body, "of 3") || !strings.HasPrefix(body, "customerId,dialogId,") {
		t.Errorf("the CSV is %d\n%s", status, body)
	}
	status, body = download(t, analyst, "/export/dialogs.jsonl")
	assert.True(t, status == http.StatusOK && strings.Count(body, "\n") == 4 && strings.Contains(body, `"dialogId":"4"`),
		"the JSON lines are %d\n%s", status, body)
	for path, want := range map[string]int{"/export/dialogs.csv?language=nonsense!": 400, "/export/dialogs.csv?customerId=-1": 400, "/export/dialogs.pdf": 404} {
		status, body := download(t, analyst, path)
		assert.Equal(t, want, status, "%s gave %d %s, want %d", path, status, body, want)
	}
	for _, c := range []struct {
		client *gqlclient.Client
		want   int
	}{{p.Client(), 401}, {m.Client, 403}, {signUp(t, p).Client, 403}} {
		status, body := download(t, c.client, "/export/dialogs.csv")
		assert.Equal(t, c.want, status, body)
	}
	out := ok(t, p.Env, "export", "dialogs", "--format", "jsonl", "--data", dataOf(p))
	assert.Equal(t, body, out, "the command line gives\n%s\nthe download\n%s", out, body)
	var audited struct {
		AuditEntries struct {
			Nodes []struct {
				Action    string
				ReaderID  *string
				DialogIDs []string
			}
		}
	}
	admin.Must(t, `{ auditEntries { nodes { action readerId dialogIds } } }`, nil, &audited)
	n := audited.AuditEntries.Nodes
	assert.True(t, len(n) == 3 && n[0].ReaderID == nil && n[1].ReaderID != nil && n[0].Action == "EXPORT" && len(n[0].DialogIDs) == 4,
		"the audit log says %+v", n)
}

func dataOf(p *process.Process) string {
	for i, a := range p.Args {
		if a == "--data" {
			return p.Args[i+1]
		}
	}
	return ""
}

func download(t testing.TB, c *gqlclient.Client, path string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.URL+path, nil)
	require.NoError(t, err)
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(data)
}
