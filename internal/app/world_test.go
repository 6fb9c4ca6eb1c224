package app

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"entgo.io/ent"
	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/ent/gen/searchindex"
	"parley/ent/gen/user"
	"parley/internal/account"
	"parley/internal/auth"
	"parley/internal/config"
	"parley/internal/jobspec"
	"parley/internal/store"
	"parley/internal/testkit"
	"parley/internal/testkit/dbtest"
)

// world is a serve process inside the test, without a worker, so that jobs stay
// queued; and a signed-in client for every role.
type world struct {
	*parts
	URL string
	// Owner, Stranger, Analyst, Admin and Service are users, Machine and Reader
	// keys of Service: the one with every scope, the other may only read
	// exercises. Anonymous has no token.
	Owner, Stranger, Analyst, Admin, Service, Machine, Reader, Anonymous *gqlclient.Client
	// IDs holds the ids of the users by their clients.
	IDs map[*gqlclient.Client]string
	// queries counts what operations read, outside of transactions.
	queries atomic.Int64
}

// begin starts a world on a migrated database. The settings are pairs of name
// and value; "mode" is serve or api.
func begin(t *testing.T, database string, o Options, settings ...string) *world {
	t.Helper()
	flags := map[string]string{"database-url": database, "data": t.TempDir(), "models": t.TempDir(), "listen": "127.0.0.1:0", "grace": "2s", "demo": "off"}
	for i := 0; i+1 < len(settings); i += 2 {
		flags[settings[i]] = settings[i+1]
	}
	mode := Serve
	if flags["mode"] == string(API) {
		mode, flags["nats-url"] = API, testkit.NATS(t).URL()
	}
	delete(flags, "mode")
	cfg, err := config.Load(flags, func(string) string { return "" }, "")
	require.NoError(t, err)
	p, err := openAPI(t.Context(), cfg, mode)
	require.NoError(t, err)
	w := &world{parts: p, IDs: map[*gqlclient.Client]string{}}
	countQueries(t, p.store, &w.queries)
	address := make(chan string, 1)
	o.Listening = func(a string) { address <- a }
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx, o) }()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-ended, "the process")
		assert.NoError(t, p.Close(), "close the process")
	})
	select {
	case a := <-address:
		w.URL = "http://" + a
	case err := <-ended:
		t.Fatalf("the process did not start: %v", err)
	}
	w.Anonymous = &gqlclient.Client{URL: w.URL}
	w.Owner, w.Stranger = w.user(t, auth.RoleUser), w.user(t, auth.RoleUser)
	w.Analyst, w.Admin, w.Service = w.user(t, auth.RoleAnalyst), w.user(t, auth.RoleAdmin), w.user(t, auth.RoleService)
	w.Machine, w.Reader = w.key(t, auth.AllScopes()...), w.key(t, auth.ScopePracticeRead)
	return w
}

// key makes an API key of Service.
func (w *world) key(t *testing.T, scopes ...auth.Scope) *gqlclient.Client {
	t.Helper()
	ctx := auth.With(t.Context(), auth.Viewer{ID: w.IDs[w.Service], Role: auth.RoleService})
	k, secret, err := w.accounts.CreateKey(ctx, account.CreateKeyInput{Name: "test", Scopes: scopes})
	require.NoError(t, err)
	c := w.Anonymous.As(secret)
	w.IDs[c] = k.ID
	return c
}

// user makes an account past the password's slow hash.
func (w *world) user(t *testing.T, role auth.Role) *gqlclient.Client {
	t.Helper()
	id := store.NewID("user")
	err := w.store.Tx(auth.System(t.Context(), "test"), func(ctx context.Context) error {
		return w.store.Client(ctx).User.Create().SetID(id).SetEmail(id + "@example.org").SetEmailKey(id + "@example.org").
			SetPasswordHash("none").SetRole(user.Role(role)).Exec(ctx)
	})
	require.NoError(t, err)
	c := w.session(t, id, role)
	w.IDs[c] = id
	return c
}

// session gives a new session of an account.
func (w *world) session(t *testing.T, id string, role auth.Role) *gqlclient.Client {
	t.Helper()
	session := store.NewID("sess")
	err := w.store.Tx(auth.System(t.Context(), "test"), func(ctx context.Context) error {
		return w.store.Client(ctx).RefreshToken.Create().SetID(store.NewID("rt")).SetUserID(id).SetSessionID(session).
			SetTokenHash([]byte(session)).SetExpiresAt(store.Now().Add(time.Hour)).Exec(ctx)
	})
	require.NoError(t, err)
	token, _, err := w.tokens.Issue(auth.Viewer{ID: id, Role: role, Session: session})
	require.NoError(t, err)
	return w.Anonymous.As(token)
}

// spoken are ids of what one learner said.
type spoken struct{ conversation, utterance, mistake string }

// speak gives the client, or a learner of its own, a conversation with one
// utterance and one error.
func (w *world) speak(t *testing.T, c *gqlclient.Client, learner *string) (said spoken) {
	t.Helper()
	var began struct {
		StartConversation struct{ Conversation struct{ ID string } }
	}
	c.Must(t, `mutation($who: String) { startConversation(input: {externalId: $who}) { conversation { id } } }`, gqlclient.Vars{"who": learner}, &began)
	said.conversation = began.StartConversation.Conversation.ID
	var added struct {
		AddUtterance struct{ Utterance struct{ ID string } }
	}
	c.Must(t, `mutation($c: ID!) { addUtterance(input: {conversationId: $c, text: "I goes home"}) { utterance { id } } }`,
		gqlclient.Vars{"c": said.conversation}, &added)
	said.utterance = added.AddUtterance.Utterance.ID
	var recorded struct {
		RecordErrors struct{ Results []struct{ ErrorID string } }
	}
	c.Must(t, `mutation($u: ID!) { recordErrors(input: {items: [{utteranceId: $u, clientKey: "k", category: "grammar", subcategory: "verb"}]}) { results { errorId } } }`,
		gqlclient.Vars{"u": said.utterance}, &recorded)
	said.mistake = recorded.RecordErrors.Results[0].ErrorID
	return said
}

// lastModel numbers the models of all tests.
var lastModel atomic.Int64

// shelve announces a worker whose models folder has a model, and gives the model's id.
func (w *world) shelve(t *testing.T, name string) string {
	t.Helper()
	const folder = "0123456789abcdef"
	pool := jobspec.FolderPool(folder)
	require.NoError(t, w.workers.Announce(t.Context(), jobspec.Announcement{
		Worker: "shelf", At: time.Now(), Bundles: []jobspec.Bundle{{Name: "f", Kind: jobspec.KindPullModel, Pool: pool}, {Name: "f", Kind: jobspec.KindRemoveModel, Pool: pool}},
		Folder: &jobspec.Folder{ID: folder, Writable: true, Models: []jobspec.Model{{Name: name, Languages: []string{"en"}, State: jobspec.ModelClosed}}},
	}))
	var got struct {
		Models struct {
			Nodes []struct{ ID, Name, Folder string }
		}
	}
	w.Admin.Must(t, `{ models(first: 100) { nodes { id name folder } } }`, nil, &got)
	for _, m := range got.Models.Nodes {
		if m.Name == name && m.Folder == folder {
			return m.ID
		}
	}
	t.Fatalf("the model %s is not among %+v", name, got.Models.Nodes)
	return ""
}

// index announces a worker with a model that embeds, and gives a search index of another
// one that is ready. What there was before is gone.
func (w *world) index(t *testing.T, model string) string {
	t.Helper()
	space := func(digest string) *jobspec.Space { return &jobspec.Space{Digest: digest, Dimensions: 4, Texts: true} }
	// The first by name is that of the index which parley makes by itself.
	require.NoError(t, w.workers.Announce(t.Context(), jobspec.Announcement{Worker: "embedder", At: time.Now(), Bundles: []jobspec.Bundle{
		{Name: "a-first", Kind: jobspec.KindEmbed, Pool: "a-first", Space: space("a-first")}, {Name: model, Kind: jobspec.KindEmbed, Pool: model, Space: space(model)},
	}}))
	id := store.NewID("index")
	require.NoError(t, w.store.Tx(auth.System(t.Context(), "test"), func(ctx context.Context) error {
		if _, err := w.store.Client(ctx).SearchIndex.Delete().Exec(ctx); err != nil {
			return err
		}
		return w.store.Client(ctx).SearchIndex.Create().SetID(id).SetModel("ready").SetDigest(id).SetDimensions(4).SetTexts(true).SetPictures(false).
			SetState(searchindex.StateREADY).Exec(ctx)
	}))
	return id
}

// lastDialog numbers the dialogs of all tests.
var lastDialog atomic.Int64

// talk pushes a dialog of Service and gives its number and id.
func (w *world) talk(t *testing.T, approved bool) (number, id string) {
	t.Helper()
	number = fmt.Sprint(lastDialog.Add(1))
	var pushed struct {
		PushDialog struct{ Dialog struct{ ID string } }
	}
	w.Machine.Must(t, `mutation($n: BigInt!) { pushDialog(input: {customerId: "1", dialogId: $n, text: "Hello", language: "en"}) { dialog { id } } }`,
		gqlclient.Vars{"n": number}, &pushed)
	if approved {
		w.Machine.Must(t, `mutation($n: BigInt!) { setConsent(input: {dialogId: $n, approved: true}) { state } }`, gqlclient.Vars{"n": number}, nil)
	}
	return number, pushed.PushDialog.Dialog.ID
}

// things are ids of one user's objects.
type things struct{ note, job, translation string }

// make gives the client a note with a queued translation.
func (w *world) make(t *testing.T, c *gqlclient.Client) things {
	t.Helper()
	var note struct {
		CreateNote struct{ Note struct{ ID string } }
	}
	c.Must(t, `mutation { createNote(input: {title: "Title", text: "A text", language: "en"}) { note { id } } }`, nil, &note)
	made := things{note: note.CreateNote.Note.ID}
	var asked struct {
		TranslateNote struct{ Jobs []struct{ ID string } }
	}
	c.Must(t, `mutation($n: ID!) { translateNote(input: {noteId: $n, languages: ["es"]}) { jobs { id } } }`, gqlclient.Vars{"n": made.note}, &asked)
	made.job = asked.TranslateNote.Jobs[0].ID
	var read struct {
		Note struct{ Translations []struct{ ID string } }
	}
	c.Must(t, `query($n: ID!) { note(id: $n) { translations { id } } }`, gqlclient.Vars{"n": made.note}, &read)
	made.translation = read.Note.Translations[0].ID
	return made
}

// account signs a new account up and gives its address and refresh token.
func (w *world) account(t *testing.T) (email, refresh string) {
	t.Helper()
	email = fmt.Sprintf("%s@example.org", store.NewID("x"))
	var got struct {
		SignUp struct{ RefreshToken string }
	}
	w.Anonymous.Must(t, `mutation($e: String!) { signUp(input: {email: $e, password: "correct horse"}) { refreshToken } }`, gqlclient.Vars{"e": email}, &got)
	return email, got.SignUp.RefreshToken
}

// expired gives the client a token that was good a while ago.
func (w *world) expired(t *testing.T, c *gqlclient.Client) *gqlclient.Client {
	t.Helper()
	key, err := signingKey(w.cfg)
	require.NoError(t, err)
	past, err := auth.NewTokens(key, -time.Minute)
	require.NoError(t, err)
	token, _, err := past.Issue(auth.Viewer{ID: w.IDs[c], Role: auth.RoleUser, Session: "sess_old"})
	require.NoError(t, err)
	return w.Anonymous.As(token)
}

// onBoth runs a test on SQLite and on Postgres.
func onBoth(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	dbtest.URLs(t, func(t *testing.T, url string) { test(t, begin(t, url, Options{})) })
}

// countQueries counts the queries of entities that operations make; those of
// relay and rescuer go on beside them.
func countQueries(t *testing.T, s *store.Store, n *atomic.Int64) {
	t.Helper()
	s.Client(t.Context()).Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
		return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
			if graphql.HasOperationContext(ctx) {
				n.Add(1)
			}
			return next.Query(ctx, q)
		})
	}))
}
