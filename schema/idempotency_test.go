package schema_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/vektah/gqlparser/v2/ast"
)

// keyless are the mutations without an idempotency key, with the reason why a
// client may send each of them again after it lost its connection.
var keyless = map[string]string{
	"signUp":             "makes an account, but an address has one: the second call is CONFLICT, and the account can sign in",
	"signIn":             "makes a session, but one that nobody was told of does nothing and ends by itself",
	"refresh":            "a refresh token works once and is its own key; using it twice ends the session, since it may be stolen",
	"signOut":            "a session ends once",
	"reauthenticate":     "changes nothing but its own connection",
	"setRole":            "sets what may be set already",
	"revokeApiKey":       "a key is revoked once, the second call changes nothing",
	"updateNote":         "sets what may be set already, and refuses another version than expectedVersion",
	"deleteNote":         "a note is deleted once, the second call is NOT_FOUND",
	"updateSticker":      "sets what may be set already, and refuses another version than expectedVersion",
	"deleteSticker":      "a sticker is deleted once, the second call is NOT_FOUND",
	"deleteImage":        "a picture is deleted once, the second call is NOT_FOUND",
	"stopContent":        "a text is stopped once, the second call changes nothing",
	"cancelContent":      "a request ends once, the second call changes nothing",
	"retryContent":       "makes no request: it opens one that had ended, and one that is open is CONFLICT",
	"deleteContent":      "a request is deleted once, the second call is NOT_FOUND",
	"cancelJob":          "a job ends once, the second call changes nothing",
	"retryJob":           "makes no job: it opens one that had ended, and one that is open is CONFLICT",
	"setConsent":         "makes no dialog; saying again what holds changes nothing",
	"eraseCustomer":      "erases what is there, the second call erases nothing",
	"ackEvents":          "a place never moves back",
	"rebuildSearchIndex": "makes an index, but a model has one: the second call is CONFLICT",
	"switchSearchIndex":  "lets an index answer that may answer already",
	"deleteSearchIndex":  "an index is deleted once, the second call is NOT_FOUND",
	"revokeFeedback":     "a vote is taken back once, the second call changes nothing",
	"deletePost":         "a post is deleted once, the second call is NOT_FOUND",
	"follow":             "follows whom the viewer may follow already",
	"unfollow":           "ends what is between two accounts once",
	"block":              "blocks whom the viewer may block already",
	"unblock":            "ends what is between two accounts once",
	"likePost":           "a like counts once",
	"unlikePost":         "a like is taken back once, the second call changes nothing",
	"reportPost":         "a viewer has one report of a post: the second call replaces it",
	"setProfile":         "sets what may be set already",
	"markFeedSeen":       "a mark never moves back",
	"stickerChosen":      "counts once an hour for a viewer, query and sticker",
}

// docs/live.md: official clients send mutations again that were not answered.
func TestEveryMutationThatMakesSomethingTakesAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	s := load(t)
	for _, f := range s.Mutation.Fields {
		_, excused := keyless[f.Name]
		switch keyed := takesKey(s, s.Types[f.Arguments[0].Type.Name()]); {
		case !keyed && !excused:
			t.Errorf("%s takes no idempotencyKey: sent again by a client that lost its connection it would work twice. "+
				"Give it one, or say in the list why it needs none", f.Name)
		case keyed && excused:
			t.Errorf("%s takes an idempotencyKey: take it off the list", f.Name)
		}
	}
	for name := range keyless {
		assert.NotNil(t, s.Mutation.Fields.ForName(name), "there is no mutation %s: take it off the list", name)
	}
}

// takesKey tells whether an input, or each of its items, has a client's key.
func takesKey(s *ast.Schema, input *ast.Definition) bool {
	for _, name := range []string{"idempotencyKey", "clientKey"} {
		if f := input.Fields.ForName(name); f != nil && f.Type.Name() == "String" {
			return true
		}
	}
	items := input.Fields.ForName("items")
	return items != nil && takesKey(s, s.Types[items.Type.Name()])
}

func TestIdempotencyKeysAreKeptForOneTime(t *testing.T) {
	t.Parallel()
	n := 0
	for _, d := range load(t).Types {
		if f := d.Fields.ForName("idempotencyKey"); f != nil {
			if n++; !strings.HasPrefix(f.Description, "Makes a repeated call safe: ") || !strings.HasSuffix(f.Description, "kept for 24 hours.") {
				t.Errorf("%s.idempotencyKey: %q", d.Name, f.Description)
			}
		}
	}
	assert.GreaterOrEqual(t, n, 8, "only %d inputs have one", n)
}
