package ws

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"parley/internal/apperr"
	"parley/internal/server/lasting"
)

// The types of messages.
const (
	typeInit      = "connection_init"
	typeAck       = "connection_ack"
	typePing      = "ping"
	typePong      = "pong"
	typeSubscribe = "subscribe"
	typeNext      = "next"
	typeError     = "error"
	typeComplete  = "complete"
)

// message is one that a client sent.
type message struct {
	kind    string
	id      string             // of subscribe and complete, never empty there
	payload json.RawMessage    // of init, ping and pong: an object, or nil
	params  *graphql.RawParams // of subscribe
}

var errInvalid = errors.New("invalid message")

// parseMessage reads a client's message and refuses what the reference server
// refuses: names of fields are exact, a field given twice counts with its last
// value, unknown fields are ignored.
func parseMessage(data []byte) (message, error) {
	fields, ok := lasting.Object(data)
	if !ok {
		return message{}, errInvalid
	}
	m := message{}
	if m.kind, ok = lasting.Text(fields["type"]); !ok {
		return message{}, errInvalid
	}
	switch m.kind {
	case typeInit, typePing, typePong:
		if raw := fields["payload"]; !lasting.Nullish(raw) {
			if raw[0] != '{' {
				return message{}, errInvalid
			}
			m.payload = raw
		}
		return m, nil
	case typeSubscribe, typeComplete:
		if m.id, ok = lasting.Text(fields["id"]); !ok || m.id == "" {
			return message{}, errInvalid
		}
		if m.kind == typeComplete {
			return m, nil
		}
		request, ok := lasting.Object(fields["payload"])
		if !ok {
			return message{}, errInvalid
		}
		var wrong string
		if m.params, wrong = lasting.Params(request); wrong != "" {
			return message{}, errInvalid
		}
		return m, nil
	default: // also what only servers may send
		return message{}, errInvalid
	}
}

// writeMessage encodes a message; id and payload are left out when empty.
func writeMessage(buf *bytes.Buffer, kind, id string, payload []byte) {
	openMessage(buf, kind, id)
	if len(payload) > 0 {
		buf.WriteString(`,"payload":`)
		buf.Write(payload)
	}
	buf.WriteByte('}')
}

func openMessage(buf *bytes.Buffer, kind, id string) {
	buf.WriteByte('{')
	if id != "" {
		quoted, _ := json.Marshal(id) // a string always encodes
		buf.WriteString(`"id":`)
		buf.Write(quoted)
		buf.WriteByte(',')
	}
	buf.WriteString(`"type":"`)
	buf.WriteString(kind)
	buf.WriteByte('"')
}

// writeNext encodes a response.
func writeNext(buf *bytes.Buffer, id string, resp *graphql.Response) error {
	openMessage(buf, typeNext, id)
	buf.WriteString(`,"payload":`)
	if err := lasting.WriteResponse(buf, resp); err != nil {
		return err
	}
	buf.WriteByte('}')
	return nil
}

// errorList encodes our own refusals, which go past the error presenter:
// without an operation there is no context that it could rely on.
func errorList(e *apperr.Error) []byte {
	extensions := map[string]any{"code": e.Code}
	if e.RetryAfter > 0 {
		extensions["retryAfter"] = e.RetryAfter.Seconds()
	}
	list, _ := json.Marshal(gqlerror.List{{Message: e.Message, Extensions: extensions}}) // words and numbers only
	return list
}
