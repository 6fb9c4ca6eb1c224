package sse

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
)

// FuzzRequest reads bytes as a body, as a URL and as headers.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`{"query":"{a}","variables":{"a":1e999},"operationName":null,"extensions":{"operationId":5}}`,
		`{"query":"{a}","extensions":{"operationId":"\ud800"}}`, `{"query":"\u0000"}`, `null`, `[]`, `"`, "\xff", ``,
		`query={a}&variables={}&extensions={"operationId":"1"}`, `query=%ff&token=x&operationId=%zz`, "text/event-stream;q=1e9, */*",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			r := httptest.NewRequest(method, "/", bytes.NewReader(data))
			r.URL.RawQuery = string(data)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", string(data))
			_, _, _ = tokenOf(r), wantsEvents(r), accepts(r, "text/plain")
			params, _, refused := readParams(r)
			require.NotEqual(t, refused == nil, params == nil, "neither parameters nor an answer, or both")
			if refused != nil {
				require.GreaterOrEqual(t, refused.Status, 400, "%s", refused.Body)
				require.LessOrEqual(t, refused.Status, 499, "%s", refused.Body)
				require.True(t, json.Valid(refused.Body), "answered %d %s", refused.Status, refused.Body)
				continue
			}
			check(t, params)
		}
	})
}

func check(t *testing.T, params *graphql.RawParams) {
	t.Helper()
	require.True(t, utf8.ValidString(params.Query), "not UTF-8: %q %q", params.Query, params.OperationName)
	require.True(t, utf8.ValidString(params.OperationName), "not UTF-8: %q %q", params.Query, params.OperationName)
	id, refused := operationID(params.Extensions)
	require.NotEqual(t, refused == nil, id == "", "the id %q and the answer %v", id, refused)
	raw, err := json.Marshal(command{Do: doExecute, waiting: waiting{ID: id, Params: params}})
	require.NoError(t, err)
	var back command
	require.NoError(t, decode(raw, &back), "%s", raw)
	require.True(t, back.Params.Query == params.Query && back.ID == id, "%s became %+v", raw, back)
}

// FuzzEvent encodes odd responses and demands one event of known lines.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"a":"b"}`), "1")
	f.Add([]byte("{\r\n\"a\"\n:\r1}\n\n"), "a\nb")
	f.Add([]byte("\"\xff\xc3\""), "\xff")
	f.Fuzz(func(t *testing.T, data []byte, operation string) {
		var buf bytes.Buffer
		require.NoError(t, writeNext(&buf, "cursor", operation, &graphql.Response{Data: data}))
		writeComplete(&buf, operation)
		require.True(t, utf8.Valid(buf.Bytes()), "%q", buf.Bytes())
		require.NotContains(t, buf.String(), "\r", "%q", buf.Bytes())
		lines := strings.Split(buf.String(), "\n")
		for i, want := range []string{"event: next", "id: cursor", "data: {", "", "event: complete", "data:", "", ""} {
			if i >= len(lines) || !strings.HasPrefix(lines[i], want) || want == "" && lines[i] != "" {
				t.Fatalf("line %d of %q", i, buf.Bytes())
			}
		}
	})
}

func TestAQueryInAURLIsWhatParsesThere(t *testing.T) {
	t.Parallel()
	params, refused := paramsOfURL(url.Values{"query": {"{a}"}, "variables": {`{"n":9007199254740993}`}})
	require.Nil(t, refused, "%v %v", params, refused)
	require.Equal(t, json.Number("9007199254740993"), params.Variables["n"], "%v %v", params, refused)
}
