package ws_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/server/ws"
)

func TestMalformedMessagesCloseWith4400(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	for name, message := range map[string]string{
		"empty": ``, "no JSON": `{"type":`, "trailing": `{"type":"ping"} x`, "byte order mark": "\ufeff" + `{"type":"ping"}`,
		"null": `null`, "list": `[{"type":"ping"}]`, "text": `"ping"`,
		"no type": `{"id":"1"}`, "empty type": `{"type":""}`, "number type": `{"type":1}`,
		"type in another case": `{"Type":"ping"}`, "unknown type": `{"type":"start","id":"1"}`,
		"ping payload list": `{"type":"ping","payload":[]}`, "pong payload text": `{"type":"pong","payload":"x"}`,
		"no id":             `{"type":"subscribe","payload":{"query":"{hello}"}}`,
		"empty id":          `{"type":"subscribe","id":"","payload":{"query":"{hello}"}}`,
		"number id":         `{"type":"subscribe","id":1,"payload":{"query":"{hello}"}}`,
		"no payload":        `{"type":"subscribe","id":"1"}`,
		"null payload":      `{"type":"subscribe","id":"1","payload":null}`,
		"no query":          `{"type":"subscribe","id":"1","payload":{}}`,
		"number query":      `{"type":"subscribe","id":"1","payload":{"query":1}}`,
		"variables list":    `{"type":"subscribe","id":"1","payload":{"query":"{hello}","variables":[]}}`,
		"extensions text":   `{"type":"subscribe","id":"1","payload":{"query":"{hello}","extensions":"x"}}`,
		"operation number":  `{"type":"subscribe","id":"1","payload":{"query":"{hello}","operationName":1}}`,
		"complete, no id":   `{"type":"complete"}`,
		"next from client":  `{"type":"next","id":"1","payload":{"data":{}}}`,
		"init payload text": `{"type":"connection_init","payload":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := b.ready(t)
			c.send(message)
			code, reason := c.closes()
			require.Equal(t, ws.CloseBadRequest, code)
			require.Equal(t, "Invalid message received", reason)
		})
	}
}

func TestHandshakeCloseCodes(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{MaxMessage: 1000, InitTimeout: time.Minute})
	tests := map[string]struct {
		act    func(c *client)
		code   int
		reason string
	}{
		"subscribe before init": {func(c *client) { c.subscribe("1", "{hello}", "") }, ws.CloseUnauthorized, "Unauthorized"},
		"second init": {func(c *client) {
			c.send(`{"type":"connection_init"}`)
			c.send(`{"type":"connection_init"}`)
		}, ws.CloseTooManyInits, "Too many initialisation requests"},
		"too big":     {func(c *client) { c.send(`{"type":"ping","payload":{"x":"` + strings.Repeat("x", 1000) + `"}}`) }, ws.CloseTooBig, "Message too big"},
		"far too big": {func(c *client) { c.send(strings.Repeat("x", 10<<20)) }, ws.CloseTooBig, "Message too big"},
		"bad UTF-8": {func(c *client) {
			require.NoError(c.t, c.conn.WriteMessage(websocket.TextMessage, []byte("{\"type\":\"ping\xff\"}")))
		}, ws.CloseInvalidText, "Invalid UTF-8"},
		"unmasked frame": {func(c *client) {
			_, err := c.conn.NetConn().Write([]byte{0x81, 0x02, '{', '}'})
			require.NoError(c.t, err)
		}, ws.CloseProtocolError, "bad MASK"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := b.dial(t)
			test.act(c)
			code, reason := c.closes()
			require.Equal(t, test.code, code)
			require.Equal(t, test.reason, reason)
		})
	}
}

func TestInitTimeoutClosesWith4408(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{InitTimeout: 20 * time.Millisecond})
	c := b.dial(t)
	code, reason := c.closes()
	require.Equal(t, ws.CloseTimeout, code)
	require.Equal(t, "Connection initialisation timeout", reason)
	require.Equal(t, ws.CloseTimeout, receive(t, b.closed))
}

func TestOtherSubprotocolsCloseWith4406(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	for _, offered := range [][]string{nil, {"graphql-ws"}, {"mqtt", "graphql-ws"}} {
		c := connect(t, b.url(), &websocket.Dialer{Subprotocols: offered}, nil)
		code, reason := c.closes()
		require.Equal(t, ws.CloseSubprotocol, code)
		require.Equal(t, "Subprotocol not acceptable", reason)
	}
	c := connect(t, b.url(), &websocket.Dialer{Subprotocols: []string{"graphql-ws", ws.Protocol}}, nil)
	require.Equal(t, ws.Protocol, c.conn.Subprotocol())
}

func TestForeignOriginIsRefusedBeforeTheUpgrade(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	_, resp, err := dialer().Dial(b.url(), http.Header{"Origin": {"https://evil.example"}})
	require.Error(t, err)
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
	require.NoError(t, resp.Body.Close())
	own := connect(t, b.url(), dialer(), http.Header{"Origin": {b.server.URL}})
	own.send(`{"type":"ping"}`)
	own.expect("pong", "")

	open := setup(t, ws.Config{CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "https://app.example" }})
	connect(t, open.url(), dialer(), http.Header{"Origin": {"https://app.example"}})
}

func TestPingIsAnsweredAtAnyTimeWithItsPayload(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	c := b.dial(t)
	c.send(`{"type":"ping"}`)
	require.Nil(t, c.expect("pong", "").Payload)
	c.send(`{"type":"ping","payload":null}`)
	require.Nil(t, c.expect("pong", "").Payload)
	c.send(`{"payload":{"a":[1, 2.50]},"type":"ping"}`)
	require.JSONEq(t, `{"a":[1,2.50]}`, string(c.expect("pong", "").Payload))
	c.send(`{"type":"pong","payload":{}}`)
	c.send(`{"type":"connection_init","payload":{"a":1}}`)
	require.Nil(t, c.expect("connection_ack", "").Payload)
	c.silent()
}

func TestBinaryFramesAreReadAsText(t *testing.T) {
	t.Parallel()
	b := setup(t, ws.Config{})
	c := b.dial(t)
	binary := []byte("{\"type\":\"ping\",\"payload\":{\"a\":\"\xff\"}}")
	require.NoError(t, c.conn.WriteMessage(websocket.BinaryMessage, binary))
	require.JSONEq(t, `{"a":"\ufffd"}`, string(c.expect("pong", "").Payload))
}

func TestInitDecidesWhoComesIn(t *testing.T) {
	t.Parallel()
	type key struct{}
	b := setup(t, ws.Config{Init: func(ctx context.Context, payload ws.InitPayload) (context.Context, map[string]any, error) {
		c, ok := ws.FromContext(ctx)
		if !ok || c.ID() == "" || c.RemoteAddr() == "" || c.Header().Get("Upgrade") == "" {
			return nil, nil, errors.New("no handle")
		}
		switch payload.Bearer() {
		case "good":
			return context.WithValue(ctx, key{}, "viewer"), map[string]any{"hi": true}, nil
		case "own":
			return nil, nil, &ws.CloseError{Code: 4321, Reason: strings.Repeat("é", 100)}
		case "unsendable":
			return nil, nil, &ws.CloseError{Code: 1006}
		case "down":
			return nil, nil, apperr.New(apperr.Unavailable, "database")
		case "panic":
			panic("on purpose")
		}
		return nil, nil, apperr.New(apperr.Unauthenticated, "who?")
	}})
	for token, want := range map[string]struct {
		code   int
		reason string
	}{
		"bad":        {ws.CloseForbidden, "Forbidden"},
		"own":        {4321, strings.Repeat("é", 61)},
		"unsendable": {ws.CloseInternal, "Internal server error"},
		"down":       {ws.CloseTryAgain, "Try again later"},
		"panic":      {ws.CloseInternal, "Internal server error"},
	} {
		c := b.dial(t)
		c.send(`{"type":"connection_init","payload":{"token":"` + token + `"}}`)
		code, reason := c.closes()
		require.Equal(t, want.code, code, token)
		require.Equal(t, want.reason, reason, token)
		receive(t, b.opened)
	}
	c := b.dial(t)
	handle := receive(t, b.opened)
	c.send(`{"type":"connection_init","payload":{"headers":{"Authorization":"Bearer good"}}}`)
	require.JSONEq(t, `{"hi":true}`, string(c.expect("connection_ack", "").Payload))
	require.Equal(t, "viewer", handle.Context().Value(key{}))
	require.NoError(t, c.conn.Close())
	<-handle.Context().Done()
}

func TestWhileInitRunsTheProtocolGoesOn(t *testing.T) {
	t.Parallel()
	left := make(chan error, 2)
	b := setup(t, ws.Config{AuthTimeout: 500 * time.Millisecond, Init: func(ctx context.Context, _ ws.InitPayload) (context.Context, map[string]any, error) {
		<-ctx.Done()
		left <- ctx.Err()
		return nil, nil, ctx.Err()
	}})
	early := b.dial(t)
	early.send(`{"type":"connection_init"}`)
	early.silent()
	early.subscribe("1", "{hello}", "")
	code, _ := early.closes()
	require.Equal(t, ws.CloseUnauthorized, code)
	require.ErrorIs(t, receive(t, left), context.Canceled)

	slow := b.dial(t)
	slow.send(`{"type":"connection_init"}`)
	code, _ = slow.closes()
	require.Equal(t, ws.CloseTryAgain, code)
	require.ErrorIs(t, receive(t, left), context.Canceled)
}

func TestBearerLooksWhereClientsPutTokens(t *testing.T) {
	t.Parallel()
	for _, p := range []ws.InitPayload{
		{"authorization": "Bearer abc"}, {"Authorization": "bearer abc"}, {"Authorization": "abc"}, {"token": "abc"},
		{"headers": map[string]any{"Authorization": "Bearer  abc"}},
		{"authorization": 1, "token": "abc"},
	} {
		require.Equal(t, "abc", p.Bearer(), "%v", p)
	}
	require.Empty(t, ws.InitPayload(nil).Bearer())
	require.Empty(t, ws.InitPayload{"headers": "x"}.Bearer())
}
