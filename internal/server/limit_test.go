package server_test

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/server"
)

func TestOperationsThatAreTooBigAreRefusedWithACode(t *testing.T) {
	t.Parallel()
	c := run(t, nil)
	tokens := "{" + strings.Repeat("__typename ", 16_000) + "}"
	wantCode(t, "too many tokens", post(t, c, tokens, nil), 200, "TOO_LARGE")
	// Validation compares fields in pairs: these must be refused before it.
	wantCode(t, "too many fields", post(t, c, "{viewer{"+strings.Repeat("id ", 14_000)+"}}", nil), 200, "TOO_LARGE")
	wantCode(t, "too many fields in fragments", post(t, c, "{viewer{...A}} fragment A on User{"+strings.Repeat("...{id} ", 700)+"}", nil), 200, "TOO_LARGE")
	fragments := "fragment A on Note{" + strings.Repeat("id ", 10) + "}"
	many := "{" + strings.Repeat(`x:note(id:"x"){...A ...A ...A}`, 90) + "}"
	wantCode(t, "too much with its fragments unfolded", post(t, c, many+fragments, nil), 200, "TOO_LARGE")
	wantCode(t, "as much as a client needs", post(t, c, "{"+strings.Repeat("__typename ", 200)+"}", nil), 200, "")
}

func TestIntrospectionHasASwitch(t *testing.T) {
	t.Parallel()
	const query = "{__schema{queryType{name}}}"
	wantCode(t, "on", post(t, run(t, nil), query, nil), 200, "")
	off := run(t, func(c *server.Config) { c.Introspection = false })
	got := post(t, off, query, nil)
	require.NotEmpty(t, got.Code(), "off")
	assert.NotContains(t, string(got.Body), `"Query"`, "off")
	wantCode(t, "__typename stays", post(t, off, "{__typename}", nil), 200, "")
}

func TestNothingIsSuggestedToWhoGuessesNames(t *testing.T) {
	t.Parallel()
	c := run(t, nil)
	for _, query := range []string{
		"{viewr{id}}", "{viewer{emial}}", `{note(ID:"x"){id}}`, "{viewer}", "mutation{signUpp{x}}",
		"query($x:NoteFiltr){notes(filter:$x){totalCount}}", "{notes(orderBy:{field:TITEL,direction:ASC}){totalCount}}",
		`{notes(filter:{langage:"en"}){totalCount}}`, "{... on Usr{id}}", "{viewer @skp(if:true){id}}",
	} {
		got := post(t, c, query, nil)
		assert.Equal(t, "BAD_INPUT", got.Code(), query)
		assert.NotContains(t, string(got.Body), "Did you mean", query)
	}
}

// Without services every resolver that needs one panics.
func TestAPanicIsMaskedAndTheServerGoesOn(t *testing.T) {
	t.Parallel()
	c := run(t, nil).As(token(t))
	got := post(t, c, "{viewer{id}}", nil)
	wantCode(t, "a panic", got, 200, "INTERNAL")
	e := got.Errors[0]
	assert.True(t, strings.HasPrefix(e.Extensions.Reference, "err_"), "the error has no reference: %s", got.Body)
	assert.Contains(t, e.Message, e.Extensions.Reference, "the error has no reference: %s", got.Body)
	for _, word := range []string{"nil pointer", "goroutine", "runtime error", "panic"} {
		assert.NotContains(t, string(got.Body), word, "the answer")
	}
	socket := c.MustDial(t)
	r, _ := socket.Subscribe(t, "subscription{events{cursor}}", nil).Next(t)
	assert.Equal(t, "INTERNAL", r.Code(), "over a socket: %+v", r)
	r, _ = socket.Subscribe(t, "{__typename}", nil).Next(t)
	assert.Empty(t, r.Code(), "after a panic: %+v", r)
}

type part struct{ name, file, body string }

func multipartBody(t *testing.T, parts ...part) (body, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		create := func() (io.Writer, error) { return w.CreateFormField(p.name) }
		if p.file != "" {
			create = func() (io.Writer, error) { return w.CreateFormFile(p.name, p.file) }
		}
		to, err := create()
		if err == nil {
			_, err = to.Write([]byte(p.body))
		}
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String(), w.FormDataContentType()
}

// The answers come from the resolver where the request was read: it panics
// without a service, and says UNAUTHENTICATED before it does.
func TestMultipartRequestsAreReadByTheConvention(t *testing.T) {
	t.Parallel()
	c := run(t, nil)
	operations, err := json.Marshal(gqlclient.Vars{
		"query":     "mutation($i:ImportNoteInput!){importNote(input:$i){note{id}}}",
		"variables": gqlclient.Vars{"i": gqlclient.Vars{"file": nil}},
	})
	require.NoError(t, err)
	ops, places, file := part{"operations", "", string(operations)}, part{"map", "", `{"0":["variables.i.file"]}`}, part{"0", "a.txt", "text"}
	for name, r := range map[string]struct {
		parts  []part
		status int
		code   string
	}{
		"as it should be":      {[]part{ops, places, file}, 200, "UNAUTHENTICATED"},
		"no parts":             {nil, 400, "BAD_INPUT"},
		"no map":               {[]part{ops, file}, 400, "BAD_INPUT"},
		"no file":              {[]part{ops, places}, 400, "BAD_INPUT"},
		"operations no JSON":   {[]part{{"operations", "", "{"}, places, file}, 400, "BAD_INPUT"},
		"a map of numbers":     {[]part{ops, {"map", "", `{"0":[1]}`}, file}, 400, "BAD_INPUT"},
		"a map to a query":     {[]part{ops, {"map", "", `{"0":["query"]}`}, file}, 400, "BAD_INPUT"},
		"a map beyond the end": {[]part{ops, {"map", "", `{"0":["variables.i.file.more.and.more"]}`}, file}, 400, "BAD_INPUT"},
		"a map to an index":    {[]part{{"operations", "", `{"query":"{__typename}","variables":{"a":[]}}`}, {"map", "", `{"0":["variables.a.7"]}`}, file}, 400, "BAD_INPUT"},
		"no variables":         {[]part{{"operations", "", `{"query":"{__typename}"}`}, places, file}, 400, "BAD_INPUT"},
		"too many files":       {[]part{ops, {"map", "", `{"0":["a"],"1":["a"],"2":["a"],"3":["a"],"4":["a"],"5":["a"],"6":["a"],"7":["a"],"8":["a"],"9":["a"],"10":["a"]}`}}, 400, "BAD_INPUT"},
		"too long":             {[]part{ops, places, {"0", "a.txt", strings.Repeat("x", 10<<20)}}, 413, "TOO_LARGE"},
	} {
		body, kind := multipartBody(t, r.parts...)
		wantCode(t, name, request(t, c, http.MethodPost, "/graphql", body, "Content-Type", kind, "GraphQL-Require-Preflight", "1"), r.status, r.code)
	}
	body, kind := multipartBody(t, ops, places, file)
	wantCode(t, "a form of another site", request(t, c, http.MethodPost, "/graphql", body, "Content-Type", kind), 400, "BAD_INPUT")
	wantCode(t, "with a token", request(t, c.As(token(t)), http.MethodPost, "/graphql", body, "Content-Type", kind, "Authorization", "x"), 200, "INTERNAL")
}
