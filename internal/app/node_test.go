package app

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"parley/e2e/gqlclient"
	"parley/graph/gen"
	"parley/internal/store"
	"parley/internal/testkit/dbtest"
)

func TestNodeFindsEveryTypeForItsOwnerAndAdminsOnly(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		own := w.make(t, w.Owner)
		ids := map[string]string{"User": w.IDs[w.Owner], "Note": own.note, "Translation": own.translation, "Job": own.job}
		said := w.speak(t, w.Owner, nil)
		ids["Conversation"], ids["Utterance"], ids["LearnerError"] = said.conversation, said.utterance, said.mistake
		// What is Service's, or a customer's, has others who find it.
		ids["ApiKey"] = w.IDs[w.Machine]
		_, ids["Dialog"] = w.talk(t, true)
		var audited struct {
			AuditEntries struct{ Nodes []struct{ ID string } }
		}
		w.Analyst.Must(t, `{ dialogs { nodes { id } } }`, nil, nil)
		w.Admin.Must(t, `{ auditEntries { nodes { id } } }`, nil, &audited)
		ids["AuditEntry"] = audited.AuditEntries.Nodes[0].ID
		ids["Model"] = w.shelve(t, "tiny")
		ids["Sticker"] = w.sticker(t, w.Owner, "PRIVATE").ID
		ids["Image"] = w.picture(t, w.Owner, "PRIVATE", 1).ID
		ids["ContentRequest"] = w.wish(t, w.Owner).ID
		ids["SearchIndex"] = w.index(t, "node")
		ids["Post"] = w.publish(t, w.Owner, "node")
		ids["PostReport"] = w.reported(t, ids["Post"])
		finders := map[string][]string{"AuditEntry": {"admin"}, "SearchIndex": {"admin"}, "Model": {"admin"}, "PostReport": {"admin"}, "Post": {"owner", "stranger", "analyst", "service", "admin"}, "ApiKey": {"service", "admin"}, "Dialog": {"analyst", "service", "machine", "admin"}}
		schema := gen.NewExecutableSchema(gen.Config{}).Schema()
		for _, kind := range schema.PossibleTypes["Node"] {
			if kind.Kind == ast.Object && ids[kind.Name] == "" {
				t.Errorf("%s is a Node that nobody looks for here", kind.Name)
			}
		}
		for name, c := range w.cast() {
			for kind, id := range ids {
				got := found(t, c, id)
				want := null
				who := finders[kind]
				if who == nil {
					who = []string{"owner", "admin"}
				}
				switch {
				case slices.Contains(who, name):
					want = kind
				case name == "anonymous":
					want = "UNAUTHENTICATED"
				}
				assert.Equal(t, want, got, "%s finds %s as %s, want %s", name, kind, got, want)
			}
		}
	})
}

// found gives the type of what node(id) finds, or null, or the code.
func found(t *testing.T, c *gqlclient.Client, id string) string {
	t.Helper()
	r, err := c.Do(t.Context(), `query($id: ID!) { node(id: $id) { __typename id } }`, gqlclient.Vars{"id": id})
	require.NoError(t, err)
	if r.Code() != "" {
		return r.Code()
	}
	var got struct {
		Node *struct {
			Typename string `json:"__typename"`
			ID       string
		}
	}
	require.NoError(t, json.Unmarshal(r.Data, &got))
	if got.Node == nil {
		return null
	}
	assert.Equal(t, id, got.Node.ID, "node(%s) has the id %s", id, got.Node.ID)
	return got.Node.Typename
}

func TestNodeOfNothingIsNullAndOfNonsenseBadInput(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	for id, want := range map[string]string{
		store.NewID("note"): null, store.NewID("user"): null, store.NewID("run"): null, store.NewID("rt"): null, store.NewID("nothing"): null,
		"": "BAD_INPUT", "note": "BAD_INPUT", "note_": "BAD_INPUT", "note_x": "BAD_INPUT", "note_01M7YN3J462RR16JDN967M2GM8 ": "BAD_INPUT",
		"_01M7YN3J462RR16JDN967M2GM8": "BAD_INPUT", "note_01M7YN3J462RR16JDN967M2GM8' OR 1=1": "BAD_INPUT", "note_💥": "BAD_INPUT",
	} {
		for _, c := range []*gqlclient.Client{w.Owner, w.Admin} {
			assert.Equal(t, want, found(t, c, id), "node(%q)", id)
		}
	}
}

func TestNodesKeepsTheOrderAndLeavesOutWhatIsNotThere(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	own, other := w.make(t, w.Owner), w.make(t, w.Stranger)
	ask := func(c *gqlclient.Client, ids ...string) (string, string) {
		r, err := c.Do(t.Context(), `query($ids: [ID!]!) { nodes(ids: $ids) { __typename } }`, gqlclient.Vars{"ids": ids})
		require.NoError(t, err)
		return string(r.Data), r.Code()
	}
	got, _ := ask(w.Owner, own.job, other.note, own.note, store.NewID("note"), own.translation, w.IDs[w.Owner], own.job, w.IDs[w.Stranger])
	const want = `{"nodes":[{"__typename":"Job"},null,{"__typename":"Note"},null,{"__typename":"Translation"},{"__typename":"User"},{"__typename":"Job"},null]}`
	assert.Equal(t, want, got)
	_, code := ask(w.Owner, own.note, "nonsense")
	assert.Equal(t, "BAD_INPUT", code, "an id that is none")
	many := make([]string, 101)
	for i := range many {
		many[i] = own.note
	}
	_, code = ask(w.Owner, many...)
	assert.Equal(t, "BAD_INPUT", code, "101 ids")
	got, code = ask(w.Owner, many[1:]...)
	assert.Empty(t, code, "100 ids gave %q %s", code, got)
	assert.GreaterOrEqual(t, len(got), 100, "100 ids gave %q %s", code, got)
}

// The number of queries must not grow with the length of a list.
func TestListsCostTheSameNumberOfQueriesHoweverLong(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	for range 50 {
		w.make(t, w.Owner)
	}
	for name, query := range map[string]string{
		"notes with translations and all behind them": `query($n: Int) { notes(first: $n) { nodes { id translations { id text note { id title } job { id state attempts { number } waitingFor result { ... on Translation { id } } } } } } }`,
		"notes with history":                          `query($n: Int) { notes(first: $n) { edges { node { id translations(history: true) { id note { title translations { id } } } } } } }`,
		"jobs with attempts":                          `query($n: Int) { jobs(first: $n) { nodes { id state waitingFor error { code } attempts { number reason } } } }`,
	} {
		cost := func(n int) int64 {
			before := w.queries.Load()
			w.Owner.Must(t, query, gqlclient.Vars{"n": n}, nil)
			return w.queries.Load() - before
		}
		cost(1) // what is read once and kept, for example who announced what
		one, fifty := cost(2), cost(50)
		// A loader that is kept from running for a while asks in several batches.
		assert.LessOrEqual(t, fifty, one+20, "%s: %d queries for 50 and %d for 2", name, fifty, one)
		assert.NotZero(t, fifty, "%s: %d queries for 50 and %d for 2", name, fifty, one)
	}
	var ids []string
	var list struct {
		Notes struct {
			Nodes []struct {
				ID           string
				Translations []struct{ ID string }
			}
		}
	}
	w.Owner.Must(t, `{ notes(first: 50) { nodes { id translations { id } } } }`, nil, &list)
	for _, n := range list.Notes.Nodes {
		ids = append(ids, n.ID, n.Translations[0].ID)
	}
	before := w.queries.Load()
	w.Owner.Must(t, `query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Note { translations { id } } } }`, gqlclient.Vars{"ids": ids}, nil)
	n := w.queries.Load() - before
	assert.LessOrEqual(t, n, int64(24), "nodes of 100 ids cost %d queries", n)
	assert.Len(t, ids, 100, "ids")
}
