package ws

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func FuzzParseMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"connection_init","payload":{"token":"x"}}`, `{"type":"ping","payload":null}`, `{"type":"pong","payload":{}}`,
		`{"type":"complete","id":"\ud800"}`, `{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":{"a":1e999}}}`,
		`{"type":"subscribe","id":"1","payload":{"query":"{a}","operationName":null,"extensions":{"persistedQuery":{}}}}`,
		`null`, `[]`, `"`, "\xff", ``,
	} {
		f.Add([]byte(seed))
	}
	kinds := []string{typeInit, typePing, typePong, typeSubscribe, typeComplete}
	f.Fuzz(func(t *testing.T, data []byte) {
		data = bytes.ToValidUTF8(data, []byte("\uFFFD")) // as receive hands it over
		m, err := parseMessage(data)
		if err != nil {
			return
		}
		require.True(t, json.Valid(data), "accepted as %q", m.kind)
		require.Contains(t, kinds, m.kind, "accepted as %q", m.kind)
		require.Equal(t, m.id != "", m.kind == typeSubscribe || m.kind == typeComplete, "%s with id %q", m.kind, m.id)
		require.Equal(t, m.params != nil, m.kind == typeSubscribe, "%s with parameters %v", m.kind, m.params)
		var buf bytes.Buffer
		writeMessage(&buf, typePong, m.id, m.payload)
		require.True(t, json.Valid(buf.Bytes()), "answered %q", buf.Bytes())
		require.True(t, utf8.Valid(buf.Bytes()), "answered %q", buf.Bytes())
	})
}
