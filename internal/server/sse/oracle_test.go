package sse_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/server/sse"
	"parley/internal/testkit"
)

// script starts a script of clients/sse, which ends with the test, and gives its
// input and what it prints.
func script(t *testing.T, args ...string) (io.Writer, *bufio.Reader) {
	t.Helper()
	dir := filepath.Join(testkit.Root(), "clients", "sse")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		testkit.Missing(t, "the reference: npm ci in clients/sse: %v", err)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		testkit.Missing(t, "node: %v", err)
	}
	cmd := exec.Command(node, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	return stdin, bufio.NewReader(stdout)
}

func line(t *testing.T, lines *bufio.Reader) string {
	t.Helper()
	text, err := lines.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(text)
}

// call is one request of a transcript. TOKEN stands for what the last PUT gave.
type call struct {
	method, path, body string
	header             http.Header
	// stay leaves a stream open, of which later calls read with until.
	stay bool
	// until reads the open stream up to an event with these data.
	until string
}

// oracle compares two servers.
type oracle struct {
	t     *testing.T
	url   string
	token string
	open  *stream
	seen  []string
}

func (o *oracle) say(words ...string) { o.seen = append(o.seen, strings.Join(words, " ")) }

// shape is what must be equal of JSON: texts of errors need not be.
func shape(raw string) string {
	var v map[string]any
	if json.Unmarshal([]byte(raw), &v) != nil {
		return raw
	}
	for _, part := range []any{v, v["payload"]} {
		if m, ok := part.(map[string]any); ok && m["errors"] != nil {
			m["errors"] = "some"
		}
	}
	return string(encode(v))
}

func (o *oracle) event(s *stream) (f frame, ok bool) {
	f, err := s.read()
	if err != nil {
		o.say("the end")
		return f, false
	}
	o.say(f.event, f.id, shape(f.data))
	return f, true
}

func (o *oracle) play(c call) {
	fill := func(s string) string { return strings.ReplaceAll(s, "TOKEN", o.token) }
	if c.method != "" {
		h := http.Header{}
		for name, values := range c.header {
			h.Set(name, fill(values[0]))
		}
		resp := send(o.t, http.DefaultClient, c.method, o.url+fill(c.path), fill(c.body), h)
		kind := resp.Header.Get("Content-Type")
		switch {
		case strings.HasPrefix(kind, events):
			o.say("200 stream")
			s := follow(o.t, resp)
			for !c.stay {
				if _, ok := o.event(s); !ok {
					break
				}
			}
			if c.stay {
				o.open = s
			}
		default:
			raw, err := io.ReadAll(resp.Body)
			require.NoError(o.t, err)
			body := string(raw)
			if resp.StatusCode == http.StatusCreated {
				o.token, body = body, "token"
			}
			if resp.StatusCode == http.StatusMethodNotAllowed && resp.Header.Get("Allow") == "" {
				o.say("no Allow")
			}
			if kind == "" || len(raw) == 0 || resp.StatusCode >= 400 {
				// We have a coded error where the reference says nothing.
				body, kind = "", ""
			}
			o.say(resp.Status[:3], kind, shape(body), resp.Header.Get("Allow"))
		}
	}
	for c.until != "" {
		if f, ok := o.event(o.open); !ok || f.data == c.until {
			break
		}
	}
}

func transcript(t *testing.T, at string, calls []call) []string {
	t.Helper()
	o := &oracle{t: t, url: at}
	for _, c := range calls {
		o.play(c)
	}
	return o.seen
}

func request(query string) string { return string(encode(map[string]any{"query": query})) }

func identified(id any, query string) string {
	return string(encode(map[string]any{"query": query, "extensions": map[string]any{"operationId": id}}))
}

var (
	streamed = header("Accept", events)
	named    = header(sse.TokenHeader, "TOKEN")
	reserve  = call{method: "PUT"}
	attach   = call{method: "GET", header: header(sse.TokenHeader, "TOKEN", "Accept", events), stay: true}
)

func distinctCalls() map[string][]call {
	post := func(body string) []call { return []call{{method: "POST", body: body, header: streamed}} }
	get := func(pairs ...string) []call {
		q := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return []call{{method: "GET", path: "?" + q.Encode(), header: streamed}}
	}
	return map[string][]call{
		"query":                      post(request("{ hello nothing }")),
		"mutation":                   post(request("mutation { bump(by: 3) }")),
		"subscription":               post(request("subscription { count(to: 3) }")),
		"empty subscription":         post(request("subscription { count(to: 0) }")),
		"field error":                post(request("{ hello boom }")),
		"refused by resolver":        post(request("subscription { refused }")),
		"validation error":           post(request("{ nope }")),
		"syntax error":               post(request("{")),
		"empty query":                post(request("")),
		"only a fragment":            post(request("fragment F on Query { hello }")),
		"unknown operation":          post(`{"query":"query A { hello }","operationName":"B"}`),
		"which operation":            post(`{"query":"query A { hello } query B { hello }"}`),
		"named operation":            post(`{"query":"query A { hello } query B { nothing }","operationName":"B"}`),
		"variables":                  post(`{"query":"query Q($t: String!) { echo(text: $t) }","variables":{"t":"é\u2028\n"},"extensions":{"a":1}}`),
		"missing variable":           post(`{"query":"query Q($t: String!) { echo(text: $t) }"}`),
		"nulls":                      post(`{"query":"{ hello }","variables":null,"operationName":null,"extensions":null}`),
		"unknown fields":             post(`{"query":"{ hello }","x":[]}`),
		"last of doubles":            post(`{"query":"{ nope }","query":"{ hello }"}`),
		"field in another case":      post(`{"Query":"{ hello }"}`),
		"no query":                   post(`{}`),
		"query no text":              post(`{"query":1}`),
		"variables a list":           post(`{"query":"{ hello }","variables":[]}`),
		"extensions a text":          post(`{"query":"{ hello }","extensions":"x"}`),
		"a list":                     post(`[]`),
		"null":                       post(`null`),
		"no JSON":                    post(`{`),
		"two values":                 post(`{"query":"{ hello }"} {}`),
		"bad UTF-8":                  post("{\"query\":\"{ echo(text: \\\"\xff\\\") }\"}"),
		"another type":               {{method: "POST", body: request("{ hello }"), header: header("Accept", events, "Content-Type", "text/plain")}},
		"GET query":                  get("query", "{ hello }"),
		"GET subscription":           get("query", "subscription { count(to: 2) }"),
		"GET variables":              get("query", "query Q($t: String!) { echo(text: $t) }", "variables", `{"t":"x"}`, "operationName", "Q", "extensions", `{}`),
		"GET mutation":               get("query", "mutation { bump(by: 3) }"),
		"GET mutation that is wrong": get("query", "mutation { nope }"),
		"GET nothing":                get("x", "y"),
		"GET broken variables":       get("query", "{ hello }", "variables", "{"),
		"GET variables a list":       get("query", "{ hello }", "variables", "[]"),
		"GET broken extensions":      get("query", "{ hello }", "extensions", "x"),
		"GET validation error":       get("query", "{ nope }"),
		"GET syntax error":           get("query", "{"),
		"PUT another type":           {{method: "PUT", header: header("Accept", "application/json")}},
		"PUT of a text":              {{method: "PUT", header: header("Accept", "text/plain")}},
		"DELETE of nothing":          {{method: "DELETE"}},
		"DELETE of nobody's":         {{method: "DELETE", path: "?operationId=1", header: header(sse.TokenHeader, "x")}},
		"POST with nobody's":         {{method: "POST", body: identified("1", "{ hello }"), header: header(sse.TokenHeader, "x")}},
	}
}

func singleCalls() map[string][]call {
	post := func(body string) call { return call{method: "POST", body: body, header: named} }
	done := func(id string) call { return call{until: `{"id":"` + id + `"}`} }
	run := func(calls ...call) []call { return append([]call{reserve, attach}, calls...) }
	hello := post(identified("h", "{ hello }"))
	return map[string][]call{
		"query":                  run(post(identified("1", "{ hello nothing }")), done("1")),
		"mutation":               run(post(identified("1", "mutation { bump(by: 3) }")), done("1")),
		"subscription":           run(post(identified("1", "subscription { count(to: 3) }")), done("1")),
		"empty subscription":     run(post(identified("1", "subscription { count(to: 0) }")), done("1")),
		"id used again":          run(post(identified("1", "{ hello }")), done("1"), post(identified("1", "{ hello }")), done("1")),
		"a number as id":         run(post(identified(5, "{ hello }")), done("5")),
		"odd id":                 run(post(identified("__proto__x", "{ hello }")), done("__proto__x")),
		"field error":            run(post(identified("1", "{ boom }")), done("1")),
		"refused by resolver":    run(post(identified("1", "subscription { refused }")), done("1")),
		"missing variable":       run(post(identified("1", "query Q($t: String!) { echo(text: $t) }")), done("1")),
		"validation error":       run(post(identified("1", "{ nope }")), hello, done("h")),
		"syntax error":           run(post(identified("1", "{")), hello, done("h")),
		"unknown operation":      run(post(`{"query":"query A { hello }","operationName":"B","extensions":{"operationId":"1"}}`), hello, done("h")),
		"no id":                  run(post(request("{ hello }")), hello, done("h")),
		"empty id":               run(post(identified("", "{ hello }")), hello, done("h")),
		"no query":               run(post(`{"extensions":{"operationId":"1"}}`), hello, done("h")),
		"no JSON":                run(post(`{`), hello, done("h")),
		"duplicate id":           run(post(identified("1", "subscription { idle }")), post(identified("1", "{ hello }")), hello, done("h")),
		"ended by the client":    run(post(identified("1", "subscription { idle }")), call{method: "DELETE", path: "?operationId=1", header: named}, done("1"), hello, done("h")),
		"unknown one ended":      run(call{method: "DELETE", path: "?operationId=9", header: named}, hello, done("h")),
		"DELETE without id":      run(call{method: "DELETE", header: named}, hello, done("h")),
		"second stream":          run(attach, hello, done("h")),
		"second reservation":     run(call{method: "PUT", header: named}, hello, done("h")),
		"token in the URL":       {reserve, {method: "GET", path: "?token=TOKEN", header: streamed, stay: true}, {method: "POST", path: "?token=TOKEN", body: identified("1", "{ hello }")}, done("1")},
		"POST opens":             {reserve, {method: "POST", body: request("{ hello }"), header: attach.header, stay: true}, hello, done("h")},
		"before the stream":      {reserve, hello, attach, done("h")},
		"GET query":              run(call{method: "GET", path: "?query={hello}&extensions=%7B%22operationId%22:%221%22%7D", header: named}, done("1")),
		"GET mutation":           run(call{method: "GET", path: "?query=mutation%7Bbump(by:1)%7D&extensions=%7B%22operationId%22:%221%22%7D", header: named}, hello, done("h")),
		"another answer wanted":  run(call{method: "POST", body: identified("1", "{ hello }"), header: header(sse.TokenHeader, "TOKEN", "Accept", "text/html")}, hello, done("h")),
		"another type":           run(call{method: "POST", body: identified("1", "{ hello }"), header: header(sse.TokenHeader, "TOKEN", "Content-Type", "text/plain")}, hello, done("h")),
		"stream of nobody's":     {{method: "GET", header: header(sse.TokenHeader, "x", "Accept", events)}},
		"id after refusal":       run(post(identified("1", "{ nope }")), post(identified("1", "{ hello }"))),
		"token of the client's":  {{method: "PUT", header: header(sse.TokenHeader, "mine")}, {method: "PUT", header: header(sse.TokenHeader, "mine")}},
		"another type and no id": run(call{method: "POST", body: "x", header: header(sse.TokenHeader, "TOKEN", "Content-Type", "text/plain")}, hello, done("h")),
	}
}

// deliberate differences: what the reference answers, and we.
var deliberate = map[string][2][]string{
	// A token that is not known is never taken for none.
	"single stream of nobody's": {{"400   "}, {"404   "}},
	// The id of an operation that was refused is free again.
	"single id after refusal": {
		{"201 text/plain; charset=utf-8 token ", "200 stream", "400   ", "409   "},
		{"201 text/plain; charset=utf-8 token ", "200 stream", "400   ", "202   "},
	},
	// Tokens are ours to choose.
	"single token of the client's": {{"201 text/plain; charset=utf-8 token ", "409   "}, {"201 text/plain; charset=utf-8 token ", "201 text/plain; charset=utf-8 token "}},
	// What is wrong comes before what is forbidden.
	"distinct GET mutation that is wrong": {{"405   POST"}, {"200 stream", `next  {"errors":"some"}`, "complete  ", "the end"}},
}

func TestOracle(t *testing.T) {
	t.Parallel()
	_, lines := script(t, "server.mjs")
	reference := "http://127.0.0.1:" + line(t, lines)
	own := setup(t, sse.Config{}).server.URL
	for mode, all := range map[string]map[string][]call{"distinct": distinctCalls(), "single": singleCalls()} {
		for name, calls := range all {
			t.Run(mode+" "+name, func(t *testing.T) {
				want, got := transcript(t, reference, calls), transcript(t, own, calls)
				if known, ok := deliberate[mode+" "+name]; ok {
					require.Equal(t, known[0], want, "the reference has changed")
					require.Equal(t, known[1], got)
					return
				}
				require.Equal(t, want, got)
			})
		}
	}
}
