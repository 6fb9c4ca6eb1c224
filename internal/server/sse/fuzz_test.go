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
			if (params == nil) == (refused == nil) {
				t.Fatal("neither parameters nor an answer, or both")
			}
			if refused != nil {
				if refused.Status < 400 || refused.Status > 499 || !json.Valid(refused.Body) {
					t.Fatalf("answered %d %s", refused.Status, refused.Body)
				}
				continue
			}
			check(t, params)
		}
	})
}

func check(t *testing.T, params *graphql.RawParams) {
	t.Helper()
	if !utf8.ValidString(params.Query) || !utf8.ValidString(params.OperationName) {
		t.Fatalf("not UTF-8: %q %q", params.Query, params.OperationName)
	}
	id, refused := operationID(params.Extensions)
	if (id == "") == (refused == nil) {
		t.Fatalf("the id %q and the answer %v", id, refused)
	}
	raw, err := json.Marshal(command{Do: doExecute, waiting: waiting{ID: id, Params: params}})
	if err != nil {
		t.Fatal(err)
	}
	var back command
	if err := decode(raw, &back); err != nil || back.Params.Query != params.Query || back.ID != id {
		t.Fatalf("%s became %+v: %v", raw, back, err)
	}
}

// FuzzEvent encodes odd responses and demands one event of known lines.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"a":"b"}`), "1")
	f.Add([]byte("{\r\n\"a\"\n:\r1}\n\n"), "a\nb")
	f.Add([]byte("\"\xff\xc3\""), "\xff")
	f.Fuzz(func(t *testing.T, data []byte, operation string) {
		var buf bytes.Buffer
		if err := writeNext(&buf, "cursor", operation, &graphql.Response{Data: data}); err != nil {
			t.Fatal(err)
		}
		writeComplete(&buf, operation)
		if !utf8.Valid(buf.Bytes()) || strings.Contains(buf.String(), "\r") {
			t.Fatalf("%q", buf.Bytes())
		}
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
	if refused != nil || params.Variables["n"] != json.Number("9007199254740993") {
		t.Fatalf("%v %v", params, refused)
	}
}
