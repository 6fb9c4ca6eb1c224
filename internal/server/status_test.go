package server_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/server"
	"parley/internal/testkit"
)

const asResponse = "application/graphql-response+json"

// audits is what clients/audits prints at its end.
type audits struct {
	Total, OK, Notice, Warn, Error int
	Missed                         map[string]string
}

// runAudits runs all audits of graphql-http against a server.
func runAudits(t *testing.T, c *gqlclient.Client) audits {
	t.Helper()
	dir := filepath.Join(testkit.Root(), "clients", "audits")
	node, err := exec.LookPath("node")
	if err != nil {
		testkit.Missing(t, "node: install Node.js")
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		testkit.Missing(t, "the npm packages of clients/audits: run `make test-deps`")
	}
	cmd := exec.CommandContext(t.Context(), node, "run.mjs", c.URL)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var got audits
	require.NoError(t, json.Unmarshal(lines[len(lines)-1], &got), "%s", out)
	assert.Len(t, lines, got.Total+1, "%d audits have %d lines", got.Total, len(lines)-1)
	return got
}

func TestAllAuditsOfGraphQLOverHTTPPass(t *testing.T) {
	t.Parallel()
	got := runAudits(t, run(t, nil))
	assert.Equal(t, 61, got.Total, "%d of %d audits are ok, want 61 of 61: %v", got.OK, got.Total, got.Missed)
	assert.Equal(t, 61, got.OK, "%d of %d audits are ok, want 61 of 61: %v", got.OK, got.Total, got.Missed)
}

func draft(c *server.Config) { c.DraftStatus = true }

// The audits are older than the draft. These ask for what it advises against,
// none of them with a MUST.
func TestTheDraftContradictsTheseAuditsOnly(t *testing.T) {
	t.Parallel()
	const malformed = "Response status code is not 400" // it is 422
	want := map[string]string{
		"423L": malformed, "3E3A": malformed, // no query
		"LKJ0": malformed, "LKJ1": malformed, "LKJ2": malformed, "LKJ3": malformed, // the query
		"6C00": malformed, "6C01": malformed, "6C02": malformed, "6C03": malformed, // the operation's name
		"4760": malformed, "4761": malformed, "4762": malformed, "4763": malformed, // the variables
		"58B0": malformed, "58B1": malformed, "58B2": malformed, "58B3": malformed, // or extensions of a wrong type
		"86EE": malformed,                         // variables that don't fit, as application/graphql-response+json
		"572B": "Response status code is not 200", // syntax, as application/json: 400
		"FDE2": "Response status code is not 200", // the same, since a name does not begin with a digit
		"7B9B": "Response status code is not 200", // variables that don't fit, likewise: 422
	}
	got := runAudits(t, run(t, draft))
	assert.True(t, got.Total == 61 && got.Error == 0 && maps.Equal(got.Missed, want),
		"%d of %d audits are ok, missed are %v, want %v", got.OK, got.Total, got.Missed, want)
}

// TestStatusCodes has every outcome of a request, as the client sees it that
// accepts application/json, the one that accepts
// application/graphql-response+json, and both of them where the server follows
// the draft.
func TestStatusCodes(t *testing.T) {
	t.Parallel()
	compatible, drafted := run(t, nil), run(t, draft)
	for name, r := range map[string]struct {
		body                  string
		json, response, draft int
	}{
		"everything that was asked for":      {`{"query":"{__typename}"}`, 200, 200, 200},
		"data and errors":                    {`{"query":"{__typename note(id:\"x\"){id}}"}`, 200, 200, 294},
		"errors that leave no data":          {`{"query":"{viewer{id}}"}`, 200, 200, 294},
		"no JSON":                            {`{"query":`, 400, 400, 400},
		"no body":                            {``, 400, 400, 400},
		"more than one JSON value":           {`{"query":"{__typename}"} {}`, 400, 400, 400},
		"no GraphQL":                         {`{"query":"{"}`, 200, 400, 400},
		"an empty document":                  {`{"query":" "}`, 200, 400, 400},
		"no query":                           {`{"qeury":"{__typename}"}`, 400, 400, 422},
		"null as query":                      {`{"query":null}`, 400, 400, 422},
		"a batch":                            {`[{"query":"{__typename}"}]`, 400, 400, 422},
		"a query of a wrong type":            {`{"query":1}`, 400, 400, 422},
		"a name of a wrong type":             {`{"query":"{__typename}","operationName":1}`, 400, 400, 422},
		"variables of a wrong type":          {`{"query":"{__typename}","variables":[7]}`, 400, 400, 422},
		"extensions of a wrong type":         {`{"query":"{__typename}","extensions":"x"}`, 400, 400, 422},
		"an unknown field":                   {`{"query":"{nothing}"}`, 200, 400, 422},
		"fragments alone":                    {`{"query":"fragment A on User {id}"}`, 200, 400, 422},
		"an operation that is not there":     {`{"query":"query A{__typename}","operationName":"B"}`, 200, 400, 422},
		"two operations and no name":         {`{"query":"query A{__typename} query B{__typename}"}`, 200, 400, 422},
		"a variable that is missing":         {`{"query":"query A($x:ID!){note(id:$x){id}}"}`, 200, 400, 422},
		"a variable of another type":         {`{"query":"query A($x:ID!){note(id:$x){id}}","variables":{"x":[1,2]}}`, 200, 400, 422},
		"more fields than a document may":    {`{"query":"{` + strings.Repeat("__typename ", 1100) + `}"}`, 200, 400, 422},
		"a subscription, which has no place": {`{"query":"subscription{events{cursor}}"}`, 400, 400, 422},
	} {
		for _, accepts := range []string{asJSON, asResponse} {
			want, same := r.json, accepts
			if accepts == asResponse {
				want = r.response
			}
			wantAnswer(t, name, compatible, r.body, accepts, want, accepts, r.draft < 300)
			if r.draft >= 300 {
				same = asResponse // only this one says that whoever answers knows GraphQL
			}
			wantAnswer(t, name+" by the draft", drafted, r.body, accepts, r.draft, same, r.draft < 300)
		}
	}
}

func wantAnswer(t *testing.T, name string, c *gqlclient.Client, body, accepts string, status int, kind string, executed bool) {
	t.Helper()
	got := request(t, c, http.MethodPost, "/graphql", body, "Content-Type", asJSON, "Accept", accepts)
	assert.Equal(t, status, got.Status,
		"%s for %s: %d as %s, want %d as %s: %.200s", name, accepts, got.Status, got.Header.Get("Content-Type"), status, kind, got.Body)
	assert.Equal(t, kind+"; charset=utf-8", got.Header.Get("Content-Type"),
		"%s for %s: %d as %s, want %d as %s: %.200s", name, accepts, got.Status, got.Header.Get("Content-Type"), status, kind, got.Body)
	var fields map[string]json.RawMessage
	assert.NoError(t, json.Unmarshal(got.Body, &fields), "%s: %s", name, got.Body)
	_, hasData := fields["data"]
	assert.Equal(t, executed, hasData, "%s for %s: %d with %v", name, accepts, status, slices.Collect(maps.Keys(fields)))
}

func TestStatusCodesOfGET(t *testing.T) {
	t.Parallel()
	compatible, drafted := run(t, nil), run(t, draft)
	const query = "query=%7B__typename%7D"
	for name, r := range map[string]struct {
		url               string
		compatible, draft int
	}{
		"a query":                         {query, 200, 200},
		"data and errors":                 {"query=" + url.QueryEscape(`{__typename note(id:"x"){id}}`), 200, 294},
		"empty parameters":                {query + "&operationName=&variables=&extensions=", 200, 200},
		"no query":                        {"", 400, 422},
		"escapes that are none":           {"query=%zz", 400, 400},
		"variables that are no JSON":      {query + "&variables=x", 400, 400},
		"variables of a wrong type":       {query + "&variables=[]", 400, 422},
		"extensions of a wrong type":      {query + "&extensions=1", 400, 422},
		"an operation whose name is null": {query + "&operationName=null", 200, 422},
		"a mutation":                      {"query=" + url.QueryEscape("mutation{signOut{clientMutationId}}"), 405, 405},
	} {
		got := request(t, compatible, http.MethodGet, "/graphql?"+r.url, "")
		assert.Equal(t, r.compatible, got.Status, "%s: %s", name, got.Body)
		got = request(t, drafted, http.MethodGet, "/graphql?"+r.url, "")
		assert.Equal(t, r.draft, got.Status, "%s by the draft: %s", name, got.Body)
	}
}

func TestTheAnswerHasTheTypeThatTheClientLikesBest(t *testing.T) {
	t.Parallel()
	c := run(t, nil)
	for accepts, want := range map[string]string{
		"": asJSON, "*/*": asJSON, "text/html": asJSON, "nonsense": asJSON,
		asResponse: asResponse, asResponse + ", " + asJSON: asResponse, asJSON + ", " + asResponse: asJSON,
		asJSON + ";q=0.9, " + asResponse:                   asResponse,
		asResponse + ";q=0.1, " + asJSON + ";q=0.2":        asJSON,
		asResponse + ";q=0, */*":                           asJSON,
		asResponse + "; charset=utf-8, " + asJSON + ";q=0": asResponse,
		"text/html, */*;q=0.1, " + asResponse + ";q=0.2":   asResponse,
	} {
		got := request(t, c, http.MethodPost, "/graphql", `{"query":"{__typename}"}`, "Content-Type", asJSON, "Accept", accepts)
		kind, _, _ := strings.Cut(got.Header.Get("Content-Type"), ";")
		assert.Equal(t, 200, got.Status, "%q: %d as %s, want %s", accepts, got.Status, kind, want)
		assert.Equal(t, want, kind, "%q: %d as %s, want %s", accepts, got.Status, kind, want)
	}
}
