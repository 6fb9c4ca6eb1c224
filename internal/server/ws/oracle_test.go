package ws_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"parley/internal/server/ws"
)

// script starts a script of clients/oracle/ws, which ends with the test, and
// gives what it prints.
func script(t *testing.T, args ...string) *bufio.Reader {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "clients", "oracle", "ws")
	_, err := os.Stat(filepath.Join(dir, "node_modules"))
	node, lookup := exec.LookPath("node")
	if err := errors.Join(err, lookup); err != nil {
		if os.Getenv("CI") == "true" {
			require.NoError(t, err, "the reference is needed: npm ci in clients/oracle/ws")
		}
		t.Skipf("SKIPPED, NOT PROVEN: no reference (npm ci in clients/oracle/ws): %v", err)
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
	return bufio.NewReader(stdout)
}

// oracle starts the reference server and gives the URLs of its two doors.
func oracle(t *testing.T) (patient, hasty string) {
	t.Helper()
	line, err := script(t, "server.mjs").ReadString('\n')
	require.NoError(t, err)
	var ports struct{ Patient, Hasty int }
	require.NoError(t, json.Unmarshal([]byte(line), &ports))
	return fmt.Sprintf("ws://127.0.0.1:%d", ports.Patient), fmt.Sprintf("ws://127.0.0.1:%d", ports.Hasty)
}

// step sends a message and waits for one whose type and id are until, such as
// "next 1" or "complete 1|error 1"; empty waits for nothing.
type step struct{ send, until string }

const (
	hello   = `{"type":"connection_init"}`
	lastOne = `{"type":"ping","payload":{"last":true}}`
)

func op(id, query string) string {
	return string(encode(map[string]any{"id": id, "type": "subscribe", "payload": map[string]any{"query": query}}))
}

// shape is what must be equal of a message: texts of errors need not be.
func shape(f frame) string {
	words := []string{strings.TrimSpace(f.Type + " " + f.ID)}
	switch f.Type {
	case "error":
	case "next":
		var payload map[string]any
		_ = json.Unmarshal(f.Payload, &payload)
		if _, ok := payload["errors"]; ok {
			payload["errors"] = "some"
		}
		words = append(words, string(encode(payload)))
	default:
		words = append(words, string(f.Payload))
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

// play sends the steps and then a last ping, and gives all that came, up to the
// last pong or the close code.
func play(t *testing.T, url string, d *websocket.Dialer, binary bool, steps []step) []string {
	t.Helper()
	c := connect(t, url, d, nil)
	var seen []string
	// until reads up to a message or the end, and tells whether it goes on.
	until := func(want string) bool {
		for {
			f, err := c.read()
			var closed *websocket.CloseError
			if errors.As(err, &closed) {
				seen = append(seen, fmt.Sprintf("closed %d", closed.Code))
				return false
			}
			require.NoError(t, err, "%v then nothing", seen)
			if f.Type == "pong" && string(f.Payload) == `{"last":true}` {
				return false
			}
			seen = append(seen, shape(f))
			if slices.Contains(strings.Split(want, "|"), strings.TrimSpace(f.Type+" "+f.ID)) {
				return true
			}
		}
	}
	kind := websocket.TextMessage
	if binary {
		kind = websocket.BinaryMessage
	}
	for _, s := range steps {
		if err := c.conn.WriteMessage(kind, []byte(s.send)); err != nil {
			break // closed already; what came says why
		}
		if s.until != "" && !until(s.until) {
			return seen
		}
	}
	_ = c.conn.WriteMessage(websocket.TextMessage, []byte(lastOne))
	until("")
	return seen
}

// deliberate differences, as ours and the reference's last word.
var deliberate = map[string][2]string{
	// One bad document is no reason to take the other operations down.
	"syntax error": {"error 1", "closed 4500"},
	// The protocol: errors before execution come as an error message.
	"missing variable": {"error 1", "complete 1"},
	// The reference's first operation sends its own complete under the new one's
	// id, so that there are two.
	"id free after complete": {"complete 1", "complete 1"},
	// The fault is the client's: 4500 would count as ours.
	"next from the client": {"closed 4400", "closed 4500"},
	"ack from the client":  {"closed 4400", "closed 4500"},
}

func transcripts() map[string][]step {
	ack := step{hello, "connection_ack"}
	return map[string][]step{
		"query":                      {ack, {op("1", "{ hello nothing }"), "complete 1"}},
		"mutation":                   {ack, {op("1", "mutation { bump(by: 3) }"), "complete 1"}},
		"field error":                {ack, {op("1", "{ hello boom }"), "complete 1"}},
		"subscription":               {ack, {op("1", "subscription { count(to: 3) }"), "complete 1"}},
		"subscription without event": {ack, {op("1", "subscription { count(to: 0) }"), "complete 1"}},
		"id used again":              {ack, {op("1", "{ hello }"), "complete 1"}, {op("1", "{ hello }"), "complete 1"}},
		"odd ids":                    {ack, {op("__proto__", "{ hello }"), "complete __proto__"}, {op("é\"<\u2028x", "{ hello }"), "complete é\"<\u2028x"}},
		"variables": {ack, {`{"id":"1","type":"subscribe","payload":{"query":"query Q($t: String!) { echo(text: $t) }",
			"operationName":"Q","variables":{"t":"é\u2028"},"extensions":{"a":1}}}`, "complete 1"}},
		"null variables":       {ack, {`{"id":"1","type":"subscribe","payload":{"query":"{hello}","operationName":null,"variables":null,"extensions":null}}`, "complete 1"}},
		"unknown fields":       {ack, {`{"x":1,"id":"1","type":"subscribe","payload":{"y":2,"query":"{hello}"}}`, "complete 1"}},
		"last of doubles":      {ack, {`{"type":"complete","id":"1","type":"subscribe","payload":1,"payload":{"query":"{nope}","query":"{hello}"}}`, "complete 1"}},
		"validation error":     {ack, {op("1", "{ nope }"), "error 1"}},
		"unknown operation":    {ack, {`{"id":"1","type":"subscribe","payload":{"query":"query A {hello}","operationName":"B"}}`, "error 1"}},
		"syntax error":         {ack, {op("1", "{"), "error 1"}},
		"refused by resolver":  {ack, {op("1", "subscription { refused }"), "complete 1"}},
		"stream breaks":        {ack, {op("1", "subscription { breaks(after: 2) }"), "error 1"}},
		"client completes":     {ack, {op("1", "subscription { idle }"), ""}, {`{"type":"complete","id":"1"}`, ""}, {lastOne, ""}},
		"completes unknown id": {ack, {`{"type":"complete","id":"9"}`, ""}},
		"id free after complete": {
			ack, {op("1", "subscription { idle }"), ""}, {`{"type":"complete","id":"1"}`, ""},
			{op("1", "{ hello }"), "complete 1"},
		},
		"duplicate id":           {ack, {op("1", "subscription { idle }"), ""}, {op("1", "{ hello }"), "never"}},
		"missing variable":       {ack, {`{"id":"1","type":"subscribe","payload":{"query":"query Q($t: String!) { echo(text: $t) }","variables":{}}}`, "error 1|complete 1"}},
		"ping before init":       {{`{"type":"ping"}`, "pong"}},
		"ping payloads":          {{`{"type":"ping","payload":{}}`, "pong"}, {`{"type":"ping","payload":null}`, "pong"}, {`{"type":"ping","payload":{"a":[1,"b"]}}`, "pong"}},
		"unasked pong":           {{`{"type":"pong","payload":{"a":1}}`, ""}, ack, {`{"type":"pong"}`, ""}},
		"ping after ack":         {ack, {`{"type":"ping","payload":{"a":1}}`, "pong"}},
		"init with payload":      {{`{"type":"connection_init","payload":{"token":"good"}}`, "connection_ack"}},
		"init with null payload": {{`{"type":"connection_init","payload":null}`, "connection_ack"}},
		"init refused":           {{`{"type":"connection_init","payload":{"token":"bad"}}`, "never"}},
		"init twice":             {ack, {hello, "never"}},
		"init twice, no ack yet": {{`{"type":"connection_init","payload":{"token":"never"}}`, ""}, {hello, "never"}},
		"ping during init":       {{`{"type":"connection_init","payload":{"token":"never"}}`, ""}, {`{"type":"ping"}`, "pong"}},
		"subscribe during init":  {{`{"type":"connection_init","payload":{"token":"never"}}`, ""}, {op("1", "{ hello }"), "never"}},
		"subscribe before init":  {{op("1", "{ hello }"), "never"}},
		"complete before init":   {{`{"type":"complete","id":"1"}`, ""}},
		"malformed before init":  {{`{}`, "never"}},
		"next from the client":   {ack, {`{"type":"next","id":"1","payload":{}}`, "never"}},
		"ack from the client":    {ack, {`{"type":"connection_ack"}`, "never"}},
		"bad UTF-8":              {ack, {"{\"type\":\"ping\",\"payload\":{\"a\":\"\xff\"}}", "pong"}},
		"too big":                {ack, {`{"type":"ping","payload":{"a":"` + strings.Repeat("x", 1<<20) + `"}}`, "never"}},
		"close to too big":       {ack, {`{"type":"ping","payload":{"a":"` + strings.Repeat("x", 1<<19) + `"}}`, "pong"}},
	}
}

// malformed gives messages made by breaking good ones, the same each time.
func malformed() []string {
	good := []string{
		hello, `{"type":"ping","payload":{"a":1}}`, `{"type":"pong"}`, `{"type":"complete","id":"1"}`,
		`{"type":"subscribe","id":"1","payload":{"query":"{hello}","variables":{},"operationName":null,"extensions":{}}}`,
	}
	values := []string{`null`, `true`, `0`, `""`, `"x"`, `[]`, `{}`, `[{}]`}
	var all []string
	for _, message := range good {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(message), &fields); err != nil {
			panic(err)
		}
		for _, name := range []string{"type", "id", "payload"} {
			for _, value := range values {
				changed := map[string]json.RawMessage{}
				for k, v := range fields {
					changed[k] = v
				}
				changed[name] = json.RawMessage(value)
				all = append(all, string(encode(changed)))
			}
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		message := []byte(good[random.IntN(len(good))])
		at := random.IntN(len(message))
		if random.IntN(2) == 0 {
			message = append(message[:at], message[at+1:]...)
		} else {
			message[at] = byte(0x20 + random.IntN(0x5f))
		}
		all = append(all, string(message))
	}
	return all
}

// answer is what ends a message that is a subscribe after all.
func answer(message string) string {
	var fields map[string]any
	if json.Unmarshal([]byte(message), &fields) != nil || fields["type"] != "subscribe" {
		return ""
	}
	id, _ := fields["id"].(string)
	return "complete " + id + "|error " + id
}

func ours(t *testing.T, initTimeout time.Duration) string {
	return setup(t, ws.Config{
		InitTimeout: initTimeout,
		Init: func(ctx context.Context, payload ws.InitPayload) (context.Context, map[string]any, error) {
			switch payload["token"] {
			case "bad":
				return nil, nil, errors.New("bad token")
			case "never":
				<-ctx.Done()
				return nil, nil, ctx.Err()
			case "good":
				return ctx, map[string]any{"hi": true}, nil
			}
			return ctx, nil, nil
		},
	}).url()
}

func TestOracle(t *testing.T) {
	reference, hasty := oracle(t)
	own := ours(t, time.Minute)
	for name, steps := range transcripts() {
		for _, binary := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, binary %t", name, binary), func(t *testing.T) {
				want := play(t, reference, dialer(), binary, steps)
				got := play(t, own, dialer(), binary, steps)
				if last, ok := deliberate[name]; ok {
					require.Equal(t, last[0], got[len(got)-1])
					require.Equal(t, last[1], want[len(want)-1], "the reference has changed")
					return
				}
				require.Equal(t, want, got)
			})
		}
	}
	t.Run("malformed", func(t *testing.T) {
		for _, message := range malformed() {
			steps := []step{{hello, "connection_ack"}, {message, answer(message)}}
			want, got := play(t, reference, dialer(), false, steps), play(t, own, dialer(), false, steps)
			if want[len(want)-1] == deliberate["syntax error"][1] && strings.HasPrefix(got[len(got)-1], "error ") {
				continue
			}
			require.Equal(t, want, got, "%s", message)
		}
	})
	t.Run("subprotocols", func(t *testing.T) {
		for _, offered := range [][]string{nil, {"graphql-ws"}, {"x", ws.Protocol}} {
			d := &websocket.Dialer{Subprotocols: offered}
			steps := []step{{hello, "connection_ack"}}
			require.Equal(t, play(t, reference, d, false, steps), play(t, own, d, false, steps), "%v", offered)
		}
	})
	t.Run("init timeout", func(t *testing.T) {
		steps := []step{{`{"type":"ping"}`, "pong"}, {`{"type":"pong"}`, "never"}}
		require.Equal(t, play(t, hasty, dialer(), false, steps), play(t, ours(t, 300*time.Millisecond), dialer(), false, steps))
	})
}
