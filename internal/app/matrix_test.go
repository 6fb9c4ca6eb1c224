package app

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"parley/e2e/gqlclient"
	"parley/graph/gen"
	"parley/internal/auth"
	"parley/internal/testkit/dbtest"
)

// What a cell of the matrix expects beside a code: an answer, or null.
const (
	fine = "an answer"
	null = "null"
)

// row is one operation: what owner, stranger, analyst, service, admin and
// nobody get. The operation is about a thing of the owner.
type row struct {
	query string
	vars  func(t *testing.T, w *world) gqlclient.Vars
	// prepare brings the thing into the state that the operation needs.
	prepare                     string
	owner, other, admin, nobody string
	// key is what both API keys get; FORBIDDEN when empty.
	key string
	// as are those who get something else than these say.
	as                   map[string]string
	upload, subscription bool
	// picture tells that the file of an upload is one.
	picture bool
	// items tells that the codes are those of the call's one item.
	items bool
	// ends tells that it ends the session: on a socket it gets one of its own.
	ends bool
}

func about(t *testing.T, w *world) gqlclient.Vars {
	t.Helper()
	own := w.make(t, w.Owner)
	return gqlclient.Vars{"note": own.note, "job": own.job}
}

func withAccount(t *testing.T, w *world) gqlclient.Vars {
	t.Helper()
	email, refresh := w.account(t)
	return gqlclient.Vars{"email": email, "new": "new-" + email, "refresh": refresh}
}

// read is what everybody may ask for their own data, edit what only the owner
// may do.
func read(query string) row {
	return row{query: query, owner: fine, other: fine, admin: fine, nobody: "UNAUTHENTICATED"}
}

func anybody(query string) row {
	return row{query: query, vars: withAccount, owner: fine, other: fine, admin: fine, nobody: fine, key: fine}
}

func thing(query string) row {
	return row{query: query, vars: about, owner: fine, other: "NOT_FOUND", admin: fine, nobody: "UNAUTHENTICATED"}
}

func edit(query string) row {
	return row{query: query, vars: about, owner: fine, other: "NOT_FOUND", admin: "FORBIDDEN", nobody: "UNAUTHENTICATED"}
}

func maybe(query string) row {
	return row{query: query, vars: about, owner: fine, other: null, admin: fine, nobody: "UNAUTHENTICATED", key: null}
}

// maybeOwn is what only the owner has one of.
func maybeOwn(query string) row {
	return row{query: query, vars: glossed, owner: fine, other: null, admin: null, nobody: "UNAUTHENTICATED"}
}

// glossed gives the owner a glossary.
func glossed(t *testing.T, w *world) gqlclient.Vars {
	t.Helper()
	w.Owner.Must(t, `mutation { setGlossary(input: {source: "en", target: "es", terms: [{term: "house", translation: "vivienda"}]}) { glossary { source } } }`, nil, nil)
	return nil
}

func streamed(r row) row { r.subscription = true; return r }

func ending(r row) row { r.ends = true; return r }

func after(prepare string, r row) row { r.prepare = prepare; return r }

// practised are things that Owner said, or one of Service's learners.
func practised(t *testing.T, w *world) gqlclient.Vars {
	t.Helper()
	own := w.speak(t, w.Owner, nil)
	return gqlclient.Vars{"conversation": own.conversation, "utterance": own.utterance}
}

// learning asks for the viewer's own practice; a machine has to name a learner.
func learning(query string) row {
	return row{query: query, owner: fine, other: fine, admin: fine, nobody: "UNAUTHENTICATED", key: "BAD_INPUT", as: map[string]string{"service": "BAD_INPUT"}}
}

// speaking adds to what the owner said.
func speaking(query string) row {
	return row{query: query, vars: practised, owner: fine, other: "NOT_FOUND", admin: "NOT_FOUND", nobody: "UNAUTHENTICATED", key: "NOT_FOUND", as: map[string]string{"reader": "FORBIDDEN"}}
}

func agreed(t *testing.T, w *world) gqlclient.Vars {
	t.Helper()
	number, _ := w.talk(t, true)
	return gqlclient.Vars{"dialog": number}
}

func fresh(t *testing.T, _ *world) gqlclient.Vars {
	t.Helper()
	return gqlclient.Vars{"dialog": fmt.Sprint(lastDialog.Add(1))}
}

// machinery is what Service and its key do with their own dialogs.
func machinery(vars func(*testing.T, *world) gqlclient.Vars, query string) row {
	return row{
		query: query, vars: vars, owner: "FORBIDDEN", other: "FORBIDDEN", admin: "FORBIDDEN", nobody: "UNAUTHENTICATED",
		as: map[string]string{"service": fine, "machine": fine},
	}
}

// peritem expects codes in the items' results.
func peritem(r row) row {
	r.items = true
	return r
}

func allowedKey(who string, r row) row {
	r.as = map[string]string{who: fine}
	return r
}

func allowed(also string, r row) row { r.as[also] = fine; return r }

// unpulled is the name of a model that no folder has, in a world with a folder.
func unpulled(t *testing.T, w *world) gqlclient.Vars {
	t.Helper()
	w.shelve(t, "tiny")
	return gqlclient.Vars{"name": fmt.Sprint("model-", lastModel.Add(1))}
}

// present is the name of a model that a folder has and nobody removes.
func present(t *testing.T, w *world) gqlclient.Vars {
	t.Helper()
	name := fmt.Sprint("model-", lastModel.Add(1))
	w.shelve(t, name)
	return gqlclient.Vars{"name": name}
}

// indexed is a search index that is ready, and the name of a model that has none.
func indexed(t *testing.T, w *world) gqlclient.Vars {
	t.Helper()
	name := fmt.Sprint("model-", lastModel.Add(1))
	return gqlclient.Vars{"index": w.index(t, name), "model": name}
}

// pictured is a private picture of Owner.
func pictured(t *testing.T, w *world) gqlclient.Vars {
	t.Helper()
	return gqlclient.Vars{"image": w.picture(t, w.Owner, "PRIVATE", 1).ID}
}

// stuck is a private sticker of Owner.
func stuck(t *testing.T, w *world) gqlclient.Vars {
	t.Helper()
	return gqlclient.Vars{"sticker": w.sticker(t, w.Owner, "PRIVATE").ID}
}

// analytics is for the team.
func analytics(query string) row {
	return row{query: query, owner: "FORBIDDEN", other: "FORBIDDEN", admin: fine, nobody: "UNAUTHENTICATED", as: map[string]string{"analyst": fine}}
}

// voting is about a public sticker.
func voting(query string) row {
	r := read(query)
	r.vars = func(t *testing.T, w *world) gqlclient.Vars {
		t.Helper()
		id := addSticker(t, w.parts, fmt.Sprint(lastDialog.Add(1), ".png"))
		return gqlclient.Vars{"sticker": id, "id": id}
	}
	return r
}

// said is a post of Owner, and a handle that nobody has.
func said(t *testing.T, w *world) gqlclient.Vars {
	t.Helper()
	return gqlclient.Vars{"post": w.publish(t, w.Owner, "matrix"), "handle": fmt.Sprint("matrix_", lastDialog.Add(1))}
}

// saying is about what everybody sees.
func saying(query string) row {
	r := read(query)
	r.vars = said
	return r
}

// another is an account that nobody knows.
func another(query string) row {
	r := read(query)
	r.vars = func(t *testing.T, w *world) gqlclient.Vars {
		t.Helper()
		return gqlclient.Vars{"user": w.IDs[w.user(t, auth.RoleUser)]}
	}
	return r
}

var matrix = map[string]row{
	"Query.apiKeys": read(`{ apiKeys { totalCount nodes { id name hint scopes createdAt expiresAt lastUsedAt revokedAt } } }`),
	"Mutation.createApiKey": {
		query: `mutation { createApiKey(input: {name: "k", scopes: [PRACTICE_READ]}) { secret apiKey { id } } }`,
		owner: "FORBIDDEN", other: "FORBIDDEN", admin: fine, nobody: "UNAUTHENTICATED", as: map[string]string{"service": fine},
	},
	"Mutation.revokeApiKey": {
		query: `mutation($key: ID!) { revokeApiKey(input: {id: $key}) { apiKey { revokedAt } } }`,
		vars: func(t *testing.T, w *world) gqlclient.Vars {
			return gqlclient.Vars{"key": w.IDs[w.key(t, auth.ScopePracticeRead)]}
		},
		owner: "NOT_FOUND", other: "NOT_FOUND", admin: fine, nobody: "UNAUTHENTICATED", as: map[string]string{"service": fine},
	},

	"Query.conversations":    learning(`{ conversations { totalCount nodes { id userId language utterances { nodes { id text errors { id } } } } } }`),
	"Query.errorFrequencies": learning(`{ errorFrequencies { totalCount nodes { category frequency } } }`),
	"Query.exercise":         learning(`{ exercise { category subcategory frequency lastAt } }`),
	"Mutation.startConversation": {
		query: `mutation { startConversation(input: {}) { conversation { id } } }`,
		owner: fine, other: fine, admin: fine, nobody: "UNAUTHENTICATED", key: "BAD_INPUT", as: map[string]string{"service": "BAD_INPUT", "reader": "FORBIDDEN"},
	},
	"Mutation.addUtterance":  speaking(`mutation($conversation: ID!) { addUtterance(input: {conversationId: $conversation, text: "x"}) { utterance { id } } }`),
	"Mutation.addUtterances": peritem(speaking(`mutation($conversation: ID!) { addUtterances(input: {items: [{conversationId: $conversation, text: "x"}]}) { results { utterance { id } error { code } } } }`)),
	"Mutation.recordErrors": peritem(speaking(`mutation($utterance: ID!) { recordErrors(input: {items: [{utteranceId: $utterance, clientKey: "x", category: "c", subcategory: "s"}]}) {
		results { status errorId error { code } } } }`)),

	"Query.dialogs": {
		query: `{ dialogs { totalCount nodes { id dialogId customerId text language messages { text } } } }`, vars: agreed,
		owner: "FORBIDDEN", other: "FORBIDDEN", admin: fine, nobody: "UNAUTHENTICATED", as: map[string]string{"analyst": fine},
	},
	"Query.dialog": {
		query: `query($dialog: BigInt!) { dialog(dialogId: $dialog) { id text approved expiresAt messages { text } } }`, vars: agreed,
		owner: "NOT_FOUND", other: "NOT_FOUND", admin: fine, nobody: "UNAUTHENTICATED", as: map[string]string{"analyst": fine, "service": fine, "machine": fine, "reader": "NOT_FOUND"},
	},
	"Query.consentHistory": {
		query: `query($dialog: BigInt!) { consentHistory(dialogId: $dialog) { id state createdAt actorId keyId } }`, vars: agreed,
		owner: "FORBIDDEN", other: "FORBIDDEN", admin: fine, nobody: "UNAUTHENTICATED", as: map[string]string{"service": fine, "machine": fine},
	},
	"Query.auditEntries": {
		query: `{ auditEntries { totalCount nodes { id at readerId keyId action dialogIds } } }`,
		owner: "FORBIDDEN", other: "FORBIDDEN", admin: fine, nobody: "UNAUTHENTICATED",
	},
	"Query.models": {
		query: `{ models { totalCount nodes { id name folder state languages size workers { worker alive state } } } }`,
		owner: "FORBIDDEN", other: "FORBIDDEN", admin: fine, nobody: "UNAUTHENTICATED",
	},
	"Query.modelFolders": {
		query: `{ modelFolders { folder writable alive workers more } }`,
		owner: "FORBIDDEN", other: "FORBIDDEN", admin: fine, nobody: "UNAUTHENTICATED",
	},
	"Query.searchIndexes": {
		query: `{ searchIndexes { id model digest dimensions state total done failed failures { objectId side message } report { overlap changes { query } } createdAt } }`, vars: indexed,
		owner: "FORBIDDEN", other: "FORBIDDEN", admin: fine, nobody: "UNAUTHENTICATED",
	},
	"Mutation.rebuildSearchIndex": {
		query: `mutation($model: String!) { rebuildSearchIndex(input: {model: $model}) { searchIndex { id state } cursor } }`, vars: indexed,
		owner: "FORBIDDEN", other: "FORBIDDEN", admin: fine, nobody: "UNAUTHENTICATED",
	},
	"Mutation.switchSearchIndex": {
		query: `mutation($index: ID!) { switchSearchIndex(input: {id: $index}) { searchIndex { id state } cursor } }`, vars: indexed,
		owner: "FORBIDDEN", other: "FORBIDDEN", admin: fine, nobody: "UNAUTHENTICATED",
	},
	"Mutation.deleteSearchIndex": {
		query: `mutation($index: ID!) { deleteSearchIndex(input: {id: $index}) { deletedId cursor } }`, vars: indexed,
		owner: "FORBIDDEN", other: "FORBIDDEN", admin: fine, nobody: "UNAUTHENTICATED",
	},
	"Mutation.pullModel": {
		query: `mutation($name: String!) { pullModel(input: {repository: "acme/tiny", name: $name}) { cursor jobs { id state } } }`, vars: unpulled,
		owner: "FORBIDDEN", other: "FORBIDDEN", admin: fine, nobody: "UNAUTHENTICATED",
	},
	"Mutation.removeModel": {
		query: `mutation($name: String!) { removeModel(input: {name: $name}) { cursor jobs { id state } } }`, vars: present,
		owner: "FORBIDDEN", other: "FORBIDDEN", admin: fine, nobody: "UNAUTHENTICATED",
	},

	"Mutation.pushDialog": machinery(fresh, `mutation($dialog: BigInt!) { pushDialog(input: {customerId: "1", dialogId: $dialog, text: "x", language: "en"}) { dialog { id } } }`),
	"Mutation.pushDialogs": machinery(fresh, `mutation($dialog: BigInt!) { pushDialogs(input: {items: [{customerId: "1", dialogId: $dialog, text: "x", language: "en"}]}) {
		results { dialog { id } error { code } } } }`),
	"Mutation.addDialogMessage": machinery(agreed, `mutation($dialog: BigInt!) { addDialogMessage(input: {dialogId: $dialog, text: "x"}) { message { id } } }`),
	"Mutation.setConsent":       machinery(agreed, `mutation($dialog: BigInt!) { setConsent(input: {dialogId: $dialog, approved: false}) { state dialog { id } cursor } }`),
	"Mutation.eraseCustomer":    allowed("admin", machinery(agreed, `mutation { eraseCustomer(input: {customerId: "77"}) { erased cursor } }`)),

	"Query.viewer":    read(`{ viewer { id email role createdAt } }`),
	"Query.notes":     read(`{ notes { totalCount nodes { id title text } edges { cursor node { id } } pageInfo { hasNextPage } } }`),
	"Query.noteStats": read(`{ noteStats { total byLanguage { language count } byTarget { language count } byState { state count } } }`),
	"Query.languages": read(`{ languages { source target pivot available } }`),
	"Query.jobs":      read(`{ jobs { totalCount nodes { id state attempts { number } waitingFor } } }`),
	"Query.note":      thing(`query($note: ID!) { note(id: $note) { id text translations(history: true) { id alternatives { text score } note { id } job { id } } } }`),
	"Query.job":       thing(`query($job: ID!) { job(id: $job) { id state attempts { number } result { __typename } } }`),
	"Query.node":      maybe(`query($note: ID!) { node(id: $note) { id } }`),
	"Query.nodes":     maybe(`query($note: ID!) { nodes(ids: [$note]) { id } }`),

	"Query.digitCount":        anybody(`{ digitCount(digit: 7, upTo: "100") { integers occurrences } }`),
	"Query.searchFeedback":    analytics(`{ searchFeedback { totalCount nodes { query { text usage } sticker { id name } positives negatives updatedAt } } }`),
	"Query.searchQueries":     analytics(`{ searchQueries { totalCount nodes { text usage empty chosen positives negatives lastAt } } }`),
	"Query.searchStickers":    read(`{ searchStickers(query: "cat") { totalCount nodes { id } degraded } }`),
	"Query.searchSuggestions": read(`{ searchSuggestions(prefix: "ca") }`),
	"Query.search":            read(`{ search(query: "cat") { totalCount nodes { __typename } degraded } }`),
	"Query.searchTimeline":    analytics(`{ searchTimeline(since: "2026-11-01T00:00:00Z", until: "2026-11-03T00:00:00Z") { at searches empty degraded votes chosen } }`),
	"Mutation.reportFeedback": voting(`mutation($sticker: String!) { reportFeedback(input: {items: [{query: "cat", positive: [$sticker]}]}) { results { saved failed error { code } } cursor } }`),
	"Mutation.revokeFeedback": voting(`mutation($sticker: String!) { revokeFeedback(input: {items: [{query: "cat", stickers: [$sticker]}]}) { results { saved failed error { code } } cursor } }`),
	"Mutation.stickerChosen":  voting(`mutation($id: ID!) { stickerChosen(input: {query: "cat", stickerId: $id, position: 2}) { counted } }`),
	"Mutation.signUp":         anybody(`mutation($new: String!) { signUp(input: {email: $new, password: "correct horse"}) { accessToken } }`),
	"Mutation.signIn":         anybody(`mutation($email: String!) { signIn(input: {email: $email, password: "correct horse"}) { accessToken } }`),
	"Mutation.refresh":        anybody(`mutation($refresh: String!) { refresh(input: {refreshToken: $refresh}) { accessToken } }`),
	"Mutation.signOut":        ending(read(`mutation { signOut(input: {clientMutationId: "x"}) { clientMutationId } }`)),
	"Mutation.reauthenticate": {
		query: `mutation { reauthenticate(input: {token: ""}) { expiresAt } }`,
		owner: "BAD_INPUT", other: "BAD_INPUT", admin: "BAD_INPUT", nobody: "UNAUTHENTICATED", key: "BAD_INPUT",
	},
	"Mutation.setRole": {
		query: `mutation($user: ID!) { setRole(input: {userId: $user, role: ANALYST}) { user { id role } } }`,
		vars: func(t *testing.T, w *world) gqlclient.Vars {
			return gqlclient.Vars{"user": w.IDs[w.user(t, auth.RoleUser)]}
		},
		owner: "FORBIDDEN", other: "FORBIDDEN", admin: fine, nobody: "UNAUTHENTICATED",
	},

	"Query.glossary":       maybeOwn(`{ glossary(source: "en", target: "es") { source target updatedAt terms { term translation } } }`),
	"Query.glossaries":     read(`{ glossaries { source target terms { term translation } } }`),
	"Mutation.setGlossary": read(`mutation { setGlossary(input: {source: "en", target: "fr", terms: [{term: "house", translation: "logis"}]}) { glossary { terms { term } } } }`),

	"Mutation.createNote":     read(`mutation { createNote(input: {title: "T", text: "Text", language: "en"}) { note { id } cursor } }`),
	"Mutation.importNote":     {query: `mutation($file: Upload!) { importNote(input: {file: $file}) { note { id text } } }`, upload: true, owner: fine, other: fine, admin: fine, nobody: "UNAUTHENTICATED"},
	"Mutation.updateNote":     edit(`mutation($note: ID!) { updateNote(input: {id: $note, title: "New"}) { note { title } } }`),
	"Mutation.deleteNote":     edit(`mutation($note: ID!) { deleteNote(input: {id: $note}) { deletedId } }`),
	"Mutation.translateNote":  edit(`mutation($note: ID!) { translateNote(input: {noteId: $note, languages: ["fr"]}) { jobs { id } } }`),
	"Mutation.translateNotes": edit(`mutation($note: ID!) { translateNotes(input: {noteIds: [$note], languages: ["fr"]}) { jobs { id } } }`),
	"Mutation.cancelJob":      thing(`mutation($job: ID!) { cancelJob(input: {id: $job}) { job { state } } }`),
	"Mutation.retryJob": after(`mutation($job: ID!) { cancelJob(input: {id: $job}) { job { state } } }`,
		thing(`mutation($job: ID!) { retryJob(input: {id: $job}) { job { state } } }`)),

	"Query.image": {
		query: `query($image: ID!) { image(id: $image) { id url visibility contentType width height bytes licence createdAt } }`, vars: pictured,
		owner: fine, other: "NOT_FOUND", admin: fine, nobody: "UNAUTHENTICATED",
	},
	"Mutation.uploadImage": {
		query: `mutation($file: Upload!) { uploadImage(input: {file: $file}) { image { id url } cursor } }`, upload: true, picture: true,
		owner: fine, other: fine, admin: fine, nobody: "UNAUTHENTICATED",
	},
	"Mutation.deleteImage": {
		query: `mutation($image: ID!) { deleteImage(input: {id: $image}) { deletedId cursor } }`, vars: pictured,
		owner: fine, other: "NOT_FOUND", admin: "FORBIDDEN", nobody: "UNAUTHENTICATED",
	},

	"Query.sticker": {
		query: `query($sticker: ID!) { sticker(id: $sticker) { id name url caption tags visibility width height licence system version createdAt updatedAt } }`, vars: stuck,
		owner: fine, other: "NOT_FOUND", admin: fine, nobody: "UNAUTHENTICATED",
	},
	"Query.stickers": read(`{ stickers(filter: {mine: true}) { totalCount nodes { id name url } edges { cursor node { id } } pageInfo { hasNextPage } } }`),
	"Mutation.addStickers": {
		query:  `mutation($file: Upload!) { addStickers(input: {files: [$file]}) { results { sticker { id } error { message } } cursor } }`,
		upload: true, picture: true, owner: fine, other: fine, admin: fine, nobody: "UNAUTHENTICATED",
	},
	"Mutation.updateSticker": {
		query: `mutation($sticker: ID!) { updateSticker(input: {id: $sticker, caption: "new"}) { sticker { caption version } cursor } }`, vars: stuck,
		owner: fine, other: "NOT_FOUND", admin: "FORBIDDEN", nobody: "UNAUTHENTICATED",
	},
	"Mutation.deleteSticker": {
		query: `mutation($sticker: ID!) { deleteSticker(input: {id: $sticker}) { deletedId cursor } }`, vars: stuck,
		owner: fine, other: "NOT_FOUND", admin: "FORBIDDEN", nobody: "UNAUTHENTICATED",
	},

	"Query.feed":            read(`{ feed { newPostCount unseenOlderCount seenUntil gap { count } nodes { id title liked author { id handle } } pageInfo { hasNextPage } } }`),
	"Query.post":            saying(`query($post: ID!) { post(id: $post) { id title content imageUrl createdAt likeCount liked author { id handle displayName followed blocked } } }`),
	"Query.posts":           read(`{ posts { totalCount nodes { id } } }`),
	"Query.profile":         another(`query($user: ID!) { profile(userId: $user) { id handle displayName followed blocked } }`),
	"Query.users":           read(`{ users(search: "a") { totalCount nodes { id handle } } }`),
	"Query.following":       read(`{ following { totalCount nodes { id handle } } }`),
	"Query.followers":       read(`{ followers { totalCount nodes { id handle } } }`),
	"Query.blockedUsers":    read(`{ blockedUsers { totalCount nodes { id handle } } }`),
	"Query.recommendedFeed": read(`{ recommendedFeed { nodes { score reasons { kind weight value profiles { id } } post { id } } pageInfo { hasNextPage } } }`),
	"Query.postReports": {
		query: `{ postReports { totalCount nodes { id reason createdAt post { id } reporter { id } } } }`,
		owner: "FORBIDDEN", other: "FORBIDDEN", admin: fine, nobody: "UNAUTHENTICATED",
	},
	"Mutation.createPost": read(`mutation { createPost(input: {title: "T"}) { post { id } cursor } }`),
	"Mutation.deletePost": {
		query: `mutation($post: ID!) { deletePost(input: {postId: $post}) { deletedId cursor } }`, vars: said,
		owner: fine, other: "FORBIDDEN", admin: fine, nobody: "UNAUTHENTICATED",
	},
	"Mutation.follow":     another(`mutation($user: ID!) { follow(input: {userId: $user}) { profile { id followed } cursor } }`),
	"Mutation.unfollow":   another(`mutation($user: ID!) { unfollow(input: {userId: $user}) { profile { id followed } cursor } }`),
	"Mutation.block":      another(`mutation($user: ID!) { block(input: {userId: $user}) { profile { id blocked } cursor } }`),
	"Mutation.unblock":    another(`mutation($user: ID!) { unblock(input: {userId: $user}) { profile { id blocked } cursor } }`),
	"Mutation.likePost":   saying(`mutation($post: ID!) { likePost(input: {postId: $post}) { post { likeCount liked } cursor } }`),
	"Mutation.unlikePost": saying(`mutation($post: ID!) { unlikePost(input: {postId: $post}) { post { likeCount liked } cursor } }`),
	"Mutation.reportPost": {
		query: `mutation($post: ID!) { reportPost(input: {postId: $post, reason: "spam"}) { postId cursor } }`, vars: said,
		owner: "BAD_INPUT", other: fine, admin: fine, nobody: "UNAUTHENTICATED",
	},
	"Mutation.setProfile":   saying(`mutation($handle: String!) { setProfile(input: {handle: $handle}) { profile { handle } cursor } }`),
	"Mutation.markFeedSeen": read(`mutation { markFeedSeen(input: {until: "2026-11-01T00:00:00Z"}) { seenUntil cursor } }`),

	"Query.eventsSince": allowedKey("machine", read(`{ eventsSince { events { cursor at } cursor hasMore } }`)),
	"Mutation.ackEvents": {
		query: `mutation($cursor: EventCursor!) { ackEvents(input: {resumeKey: "matrix", upTo: $cursor}) { cursor } }`,
		vars: func(t *testing.T, w *world) gqlclient.Vars {
			t.Helper()
			head, err := w.log.Head(t.Context())
			require.NoError(t, err)
			return gqlclient.Vars{"cursor": w.log.Cursor(head).String()}
		},
		owner: fine, other: fine, admin: fine, nobody: "UNAUTHENTICATED", key: fine,
	},

	"Subscription.job":           streamed(thing(`subscription($job: ID!) { job(id: $job) { cursor version job { id } } }`)),
	"Subscription.translations":  streamed(thing(`subscription($note: ID!) { translations(noteId: $note) { cursor translation { id } } }`)),
	"Subscription.feedItemAdded": streamed(read(`subscription { feedItemAdded { cursor reset post { id title } } }`)),
	"Subscription.events":        streamed(allowedKey("machine", read(`subscription { events { cursor at } }`))),
}

func TestEveryOperationOfTheSchemaIsInTheMatrix(t *testing.T) {
	t.Parallel()
	schema := gen.NewExecutableSchema(gen.Config{}).Schema()
	seen := 0
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		for _, f := range root.Fields {
			if f.Name[:1] == "_" {
				continue
			}
			seen++
			_, ok := matrix[root.Name+"."+f.Name]
			assert.True(t, ok, "%s.%s is in the schema and in no row of the matrix", root.Name, f.Name)
		}
	}
	assert.Len(t, matrix, seen, "the matrix has %d rows for %d operations", len(matrix), seen)
}

func TestEveryOperationAsEveryRoleOverHTTP(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		for name, r := range matrix {
			if !r.subscription {
				r.try(t, w, name, func(c *gqlclient.Client, vars gqlclient.Vars) *gqlclient.Response { return r.post(t, c, vars) })
			}
		}
	})
}

func TestEveryOperationAsEveryRoleOverAWebsocket(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	sockets := map[*gqlclient.Client]*gqlclient.Socket{}
	for _, c := range w.cast() {
		sockets[c] = c.MustDial(t)
	}
	for name, r := range matrix {
		if r.upload {
			continue // files come by HTTP alone
		}
		r.try(t, w, name, func(c *gqlclient.Client, vars gqlclient.Vars) *gqlclient.Response {
			socket := sockets[c]
			if r.ends && c.Token != "" && !auth.IsKey(c.Token) {
				v, _, err := w.tokens.Verify(c.Token)
				require.NoError(t, err)
				socket = w.session(t, v.ID, v.Role).MustDial(t)
			}
			return r.subscribe(t, w, c, socket, vars)
		})
	}
}

// cast lists everybody by name.
func (w *world) cast() map[string]*gqlclient.Client {
	return map[string]*gqlclient.Client{
		"owner": w.Owner, "stranger": w.Stranger, "analyst": w.Analyst, "service": w.Service, "admin": w.Admin, "anonymous": w.Anonymous,
		"machine": w.Machine, "reader": w.Reader,
	}
}

// try runs the row as everybody, each on fresh things of the owner.
func (r row) try(t *testing.T, w *world, name string, ask func(*gqlclient.Client, gqlclient.Vars) *gqlclient.Response) {
	t.Helper()
	for who, c := range w.cast() {
		want := cmp.Or(r.as[who], map[string]string{
			"owner": r.owner, "admin": r.admin, "anonymous": r.nobody, "machine": cmp.Or(r.key, "FORBIDDEN"), "reader": cmp.Or(r.key, "FORBIDDEN"),
		}[who], r.other)
		vars := gqlclient.Vars{}
		if r.vars != nil {
			vars = r.vars(t, w)
		}
		if r.prepare != "" {
			w.Owner.Must(t, r.prepare, gqlclient.Vars{"job": vars["job"]}, nil)
		}
		got, answer := outcome(t, ask(c, vars))
		if code := itemCode.FindSubmatch(answer); r.items && code != nil {
			got = string(code[1])
		}
		assert.Equal(t, want, got, "%s as %s: %s", name, who, answer)
	}
}

var itemCode = regexp.MustCompile(`"code":"([A-Z_]+)"`)

// outcome is the code, or fine, or null for an answer whose fields are null.
func outcome(t *testing.T, r *gqlclient.Response) (what string, data json.RawMessage) {
	t.Helper()
	if len(r.Errors) > 0 {
		body, _ := json.Marshal(r.Errors)
		return r.Code(), body
	}
	var fields map[string]any
	require.NoError(t, json.Unmarshal(r.Data, &fields), "the data is %q", r.Data)
	require.NotEmpty(t, fields, "the data is %q", r.Data)
	for _, v := range fields {
		list, _ := v.([]any)
		if v == nil || len(list) == 1 && list[0] == nil {
			return null, r.Data
		}
	}
	return fine, r.Data
}

func (r row) post(t *testing.T, c *gqlclient.Client, vars gqlclient.Vars) *gqlclient.Response {
	t.Helper()
	var got *gqlclient.Response
	var err error
	if r.upload {
		name, content := "note.txt", "A text from a file"
		if r.picture {
			name, content = "picture.png", pictureFile(t, 1)
		}
		got, err = sendFile(t, c, r.query, name, content, "GraphQL-Require-Preflight", "1")
	} else {
		got, err = c.Do(t.Context(), r.query, used(r.query, vars))
	}
	require.NoError(t, err)
	return got
}

// used leaves only the variables that the operation declares.
func used(query string, vars gqlclient.Vars) gqlclient.Vars {
	kept := gqlclient.Vars{}
	for name, v := range vars {
		if bytes.Contains([]byte(query), []byte("$"+name)) {
			kept[name] = v
		}
	}
	return kept
}

func (r row) subscribe(t *testing.T, w *world, c *gqlclient.Client, s *gqlclient.Socket, vars gqlclient.Vars) *gqlclient.Response {
	t.Helper()
	stream := s.Subscribe(t, r.query, used(r.query, vars))
	if r.subscription && r.vars == nil && c == w.Machine {
		for {
			w.talk(t, true)
			if got, ok := stream.Try(); ok {
				stream.Stop(t)
				return got
			}
		}
	}
	if r.subscription && r.vars == nil && c != w.Anonymous && c != w.Reader {
		// The stream of events has nothing to say before something happens; it
		// may register after the first note.
		return w.provoke(t, c, stream)
	}
	got, _ := stream.Next(t)
	if r.subscription && len(got.Errors) == 0 {
		stream.Stop(t)
	}
	return got
}

// provoke makes notes until the stream shows one.
func (w *world) provoke(t *testing.T, c *gqlclient.Client, stream *gqlclient.Stream) *gqlclient.Response {
	t.Helper()
	for {
		w.make(t, c)
		w.publish(t, c, "provoked")
		if got, ok := stream.Try(); ok {
			stream.Stop(t)
			return got
		}
	}
}

// sendFile sends an operation with the variable file by the multipart
// convention.
func sendFile(t testing.TB, c *gqlclient.Client, query, name, content string, header ...string) (*gqlclient.Response, error) {
	t.Helper()
	operations, err := json.Marshal(gqlclient.Vars{"query": query, "variables": gqlclient.Vars{"file": nil}})
	require.NoError(t, err)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("operations", string(operations))
	_ = form.WriteField("map", `{"0": ["variables.file"]}`)
	file, err := form.CreateFormFile("0", name)
	if err == nil {
		_, err = file.Write([]byte(content))
	}
	if err == nil {
		err = form.Close()
	}
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL+"/graphql", &body)
	require.NoError(t, err)
	r.Header.Set("Content-Type", form.FormDataContentType())
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return c.Send(r)
}
