package ws_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"parley/internal/server/ws"
	"parley/internal/testkit"
)

// script starts a script of clients/oracle/ws, which ends with the test, and
// gives what it prints.
func script(t *testing.T, args ...string) *bufio.Reader {
	t.Helper()
	dir := filepath.Join(testkit.Root(), "clients", "oracle", "ws")
	node, err := exec.LookPath("node")
	if err != nil {
		testkit.Missing(t, "node: install Node.js")
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		testkit.Missing(t, "the npm packages of clients/oracle/ws: run `make test-deps`")
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

// step sends a message, or ends the socket where it is made by closing, and waits
// for a message whose type and id are until, such as "next 1" or
// "complete 1|error 1"; empty waits for nothing.|error 1"; empty waits for nothing.
type step struct{ send, until string }

const (
	hello   = `{"type":"connection_init"}`
	lastOne = `{"type":"ping","payload":{"last":true}}`
)

// closing is a close frame of the client's, without a code when that is 1005.
func closing(code int) step { return step{fmt.Sprintf("%s%d", closeFrame, code), "never"} }

const closeFrame = "\x00close "

// perform does what the step says.
func (s step) perform(c *client, kind int) error {
	if text, ok := strings.CutPrefix(s.send, closeFrame); ok {
		code, err := strconv.Atoi(text)
		require.NoError(c.t, err)
		return c.conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""))
	}
	return c.conn.WriteMessage(kind, []byte(s.send))
}

func op(id, query string) string {
	return string(encode(map[string]any{"id": id, "type": "subscribe", "payload": map[string]any{"query": query}}))
}

// shape is what must be equal of a message: texts of errors need not be.
func shape(f frame) string {
	words := []string{strings.TrimSpace(f.Type + " " + f.ID)}
	switch f.Type {
	case "error":
		var list []struct{ Message string }
		if json.Unmarshal(f.Payload, &list) == nil && len(list) > 0 && list[0].Message != "" {
			words = append(words, "with messages")
		}
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

// ending gives a close code, with the reason where it is the protocol's.
func ending(closed *websocket.CloseError) string {
	if closed.Code < 4000 {
		return fmt.Sprintf("closed %d", closed.Code)
	}
	return strings.TrimSpace(fmt.Sprintf("closed %d %s", closed.Code, closed.Text))
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
				seen = append(seen, ending(closed))
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
		if err := s.perform(c, kind); err != nil {
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
			case "panics":
				panic("on purpose")
			case "unwritable":
				return ctx, map[string]any{"n": make(chan int)}, nil
			case "good":
				return ctx, map[string]any{"hi": true}, nil
			}
			return ctx, nil, nil
		},
	}).url()
}

// heard collects what occurred in the transcripts, to prove that nothing of the
// protocol was left out.
type heard map[string]bool

// note takes the first words of what came: a type, or "closed" and its code.
func (h heard) note(steps []step, seen []string) {
	for _, s := range steps {
		var m struct{ Type string }
		if json.Unmarshal([]byte(s.send), &m) == nil {
			h["sent "+m.Type] = true
		}
	}
	for _, line := range seen {
		words := strings.Fields(line)
		if words[0] == "closed" {
			words[0] += " " + words[1]
		}
		h[words[0]] = true
	}
}

// protocol is all that the protocol has, but for a server's ping: the reference
// has those of RFC 6455 only. TestOracleClientAnswersPings is about ours.
var protocol = []string{
	"sent connection_init", "sent ping", "sent pong", "sent subscribe", "sent complete",
	"connection_ack", "pong", "next", "error", "complete",
	"closed 1000", "closed 1001", "closed 1005", "closed 1007", "closed 1009",
	"closed 4400", "closed 4401", "closed 4403", "closed 4406", "closed 4408", "closed 4409", "closed 4429", "closed 4500",
}

func TestOracle(t *testing.T) {
	reference, hasty := oracle(t)
	own := ours(t, time.Minute)
	theirs, mine := heard{}, heard{}
	// compare plays to both doors and gives what came from ours and from theirs.
	compare := func(t *testing.T, ownURL, url string, d *websocket.Dialer, binary bool, steps []step) (got, want []string) {
		t.Helper()
		want, got = play(t, url, d, binary, steps), play(t, ownURL, d, binary, steps)
		theirs.note(steps, want)
		mine.note(steps, got)
		return got, want
	}
	for name, steps := range transcripts() {
		for _, binary := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, binary %t", name, binary), func(t *testing.T) {
				got, want := compare(t, own, reference, dialer(), binary, steps)
				if d, ok := deliberate[name]; ok {
					require.Equal(t, d.ours, got, d.why)
					require.Equal(t, d.theirs, want[len(want)-1], "the reference has changed")
					return
				}
				require.Equal(t, want, got)
			})
		}
	}
	t.Run("malformed", func(t *testing.T) {
		for _, message := range malformed() {
			got, want := compare(t, own, reference, dialer(), false, []step{{hello, "connection_ack"}, {message, answer(message)}})
			if want[len(want)-1] == internalError && strings.HasPrefix(got[len(got)-1], "error ") {
				continue // as with "syntax error"
			}
			require.Equal(t, want, got, "%s", message)
		}
	})
	t.Run("subprotocols", func(t *testing.T) {
		for _, offered := range [][]string{nil, {"graphql-ws"}, {"x", ws.Protocol}} {
			got, want := compare(t, own, reference, &websocket.Dialer{Subprotocols: offered}, false, []step{{hello, "connection_ack"}})
			require.Equal(t, want, got, "%v", offered)
		}
	})
	t.Run("init timeout", func(t *testing.T) {
		for _, steps := range [][]step{
			{{`{"type":"ping"}`, "pong"}, {`{"type":"pong"}`, "never"}}, {{`{"type":"complete","id":"1"}`, "never"}},
		} {
			got, want := compare(t, ours(t, 300*time.Millisecond), hasty, dialer(), false, steps)
			require.Equal(t, want, got)
		}
	})
	for _, word := range protocol {
		require.True(t, theirs[word] && mine[word], "no transcript has %s: the reference %t, ours %t", word, theirs[word], mine[word])
	}
}
