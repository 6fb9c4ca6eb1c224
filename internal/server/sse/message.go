package sse

import (
	"bytes"
	"encoding/json"
	"sync"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// maxPooled is the capacity in bytes up to which buffers are used again.
const maxPooled = 64 << 10

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func release(buf *bytes.Buffer) {
	if buf.Cap() <= maxPooled {
		buf.Reset()
		buffers.Put(buf)
	}
}

const heartbeat = ":\n\n"

// writeNext encodes a response as an event. id is its place, empty for none;
// operation is empty on a connection of one operation.
func writeNext(buf *bytes.Buffer, id, operation string, resp *graphql.Response) error {
	buf.WriteString("event: next\n")
	if id != "" {
		buf.WriteString("id: ")
		buf.WriteString(id)
		buf.WriteByte('\n')
	}
	buf.WriteString("data: ")
	if operation != "" {
		openData(buf, operation)
		buf.WriteString(`,"payload":`)
	}
	if err := writeResponse(buf, resp); err != nil {
		return err
	}
	if operation != "" {
		buf.WriteByte('}')
	}
	buf.WriteString("\n\n")
	return nil
}

// writeComplete encodes the end of an operation. The field data is there even
// when it is empty, or an EventSource would not notice the event.
func writeComplete(buf *bytes.Buffer, operation string) {
	buf.WriteString("event: complete\ndata:")
	if operation != "" {
		buf.WriteByte(' ')
		openData(buf, operation)
		buf.WriteByte('}')
	}
	buf.WriteString("\n\n")
}

func openData(buf *bytes.Buffer, operation string) {
	quoted, _ := json.Marshal(operation) // a text always encodes
	buf.WriteString(`{"id":`)
	buf.Write(quoted)
}

// writeResponse encodes a response on one line. Its data is written as gqlgen
// made it, and is left out where execution never began, which graphql.Response
// can't.
func writeResponse(buf *bytes.Buffer, resp *graphql.Response) error {
	rest := struct {
		Errors     gqlerror.List  `json:"errors,omitempty"`
		Label      string         `json:"label,omitempty"`
		Path       any            `json:"path,omitempty"`
		HasNext    *bool          `json:"hasNext,omitempty"`
		Extensions map[string]any `json:"extensions,omitempty"`
	}{resp.Errors, resp.Label, nil, resp.HasNext, resp.Extensions}
	if len(resp.Path) > 0 {
		rest.Path = resp.Path
	}
	tail, err := json.Marshal(rest)
	if err != nil {
		return err
	}
	data := []byte(resp.Data)
	if len(data) == 0 && len(resp.Errors) == 0 {
		data = []byte("null")
	}
	buf.WriteByte('{')
	if len(data) > 0 {
		buf.WriteString(`"data":`)
		buf.Write(oneLine(data))
		if len(tail) > len("{}") {
			buf.WriteByte(',')
		}
	}
	buf.Write(tail[1:]) // without its opening brace
	return nil
}

// oneLine gives JSON as it can stand in an event: without the ends of lines
// that may be between its tokens, and in UTF-8, which one column may not be.
func oneLine(data []byte) []byte {
	if bytes.ContainsAny(data, "\r\n") {
		data = bytes.Map(func(r rune) rune {
			if r == '\r' || r == '\n' {
				return ' '
			}
			return r
		}, data)
	}
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
	}
	return data
}
