package ws

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"unicode/utf8"
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
		if !json.Valid(data) || !slices.Contains(kinds, m.kind) {
			t.Fatalf("accepted as %q", m.kind)
		}
		if named := m.kind == typeSubscribe || m.kind == typeComplete; named != (m.id != "") {
			t.Fatalf("%s with id %q", m.kind, m.id)
		}
		if (m.kind == typeSubscribe) != (m.params != nil) {
			t.Fatalf("%s with parameters %v", m.kind, m.params)
		}
		var buf bytes.Buffer
		writeMessage(&buf, typePong, m.id, m.payload)
		if !json.Valid(buf.Bytes()) || !utf8.Valid(buf.Bytes()) {
			t.Fatalf("answered %q", buf.Bytes())
		}
	})
}
