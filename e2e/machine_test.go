package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
)

// account makes an account with a role by the command line, as operators do,
// and signs in.
func account(t testing.TB, p *process.Process, role string) *gqlclient.Client {
	t.Helper()
	email := fmt.Sprintf("%s-%d@example.org", strings.ToLower(role), actors.Add(1))
	args := []string{"user", "create", "--email", email, "--role", role}
	for i, a := range p.Args {
		if a == "--data" {
			args = append(args, a, p.Args[i+1])
		}
	}
	status, out, errs := process.Finish(t, append(p.Env[:len(p.Env):len(p.Env)], "PARLEY_PASSWORD="+password), args...)
	require.Zero(t, status, "user create: %s%s", out, errs)
	c := p.Client()
	var got struct{ SignIn struct{ AccessToken string } }
	c.Must(t, `mutation($i: SignInInput!) { signIn(input: $i) { accessToken } }`, gqlclient.Vars{"i": gqlclient.Vars{"email": email, "password": password}}, &got)
	return c.As(got.SignIn.AccessToken)
}

// machine is a client with an API key.
type machine struct {
	*gqlclient.Client
	// Owner is the account that made the key.
	Owner *gqlclient.Client
	KeyID string
}

func newMachine(t testing.TB, p *process.Process, scopes ...string) *machine {
	t.Helper()
	owner := account(t, p, "SERVICE")
	var got struct {
		CreateAPIKey struct {
			Secret string
			APIKey struct{ ID string }
		}
	}
	owner.Must(t, `mutation($i: CreateApiKeyInput!) { createApiKey(input: $i) { secret apiKey { id } } }`,
		gqlclient.Vars{"i": gqlclient.Vars{"name": "test", "scopes": scopes}}, &got)
	return &machine{Client: p.Client().As(got.CreateAPIKey.Secret), Owner: owner, KeyID: got.CreateAPIKey.APIKey.ID}
}

// on gives the machine at another process of the same database.
func (m *machine) on(p *process.Process) *machine {
	return &machine{Client: &gqlclient.Client{URL: p.URL, Token: m.Token}, Owner: &gqlclient.Client{URL: p.URL, Token: m.Owner.Token}, KeyID: m.KeyID}
}

// talk gives each learner a conversation with one utterance and tells the
// utterances' ids.
func (m *machine) talk(t testing.TB, learners int) []string {
	t.Helper()
	var items []gqlclient.Vars
	for i := range learners {
		var got struct {
			StartConversation struct{ Conversation struct{ ID string } }
		}
		m.Must(t, `mutation($i: StartConversationInput!) { startConversation(input: $i) { conversation { id } } }`,
			gqlclient.Vars{"i": gqlclient.Vars{"externalId": learner(i), "language": "en"}}, &got)
		items = append(items, gqlclient.Vars{"conversationId": got.StartConversation.Conversation.ID, "text": "Yesterday I go home."})
	}
	var got struct {
		AddUtterances struct {
			Results []struct{ Utterance struct{ ID string } }
		}
	}
	m.Must(t, `mutation($items: [UtteranceInput!]!) { addUtterances(input: {items: $items}) { results { utterance { id } error { code message } } } }`,
		gqlclient.Vars{"items": items}, &got)
	ids := make([]string, learners)
	for i, r := range got.AddUtterances.Results {
		ids[i] = r.Utterance.ID
	}
	return ids
}

func learner(n int) string { return fmt.Sprintf("learner %d", n) }

// outcome is what became of a recorded error.
type outcome struct {
	Status string
	Error  *struct{ Code, Message string }
}

// record reports errors and gives what became of each.
func (m *machine) record(t testing.TB, items []gqlclient.Vars) ([]outcome, error) {
	t.Helper()
	r, err := m.Do(t.Context(), `mutation($items: [ErrorInput!]!) { recordErrors(input: {items: $items}) { recorded results { status error { code message } } } }`,
		gqlclient.Vars{"items": items})
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		return nil, err
	}
	var got struct{ RecordErrors struct{ Results []outcome } }
	err = json.Unmarshal(r.Data, &got)
	return got.RecordErrors.Results, err
}

// counted sums the frequencies of a learner up.
func (m *machine) counted(t testing.TB, who string) int {
	t.Helper()
	var got struct {
		Exercise []struct{ Frequency string }
	}
	m.Must(t, `query($who: String!) { exercise(externalId: $who, top: 100) { frequency } }`, gqlclient.Vars{"who": who}, &got)
	sum := 0
	for _, f := range got.Exercise {
		var n int
		_, err := fmt.Sscan(f.Frequency, &n)
		require.NoError(t, err)
		sum += n
	}
	return sum
}
