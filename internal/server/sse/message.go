package sse

import (
	"bytes"
	"encoding/json"

	"github.com/99designs/gqlgen/graphql"

	"parley/internal/server/lasting"
)

const heartbeat = ":\n\n"

// writeNext encodes a response as an event. id is its position, empty for none;
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

// writeResponse encodes a response on one line.
func writeResponse(buf *bytes.Buffer, resp *graphql.Response) error {
	one := *resp
	one.Data = oneLine(resp.Data)
	return lasting.WriteResponse(buf, &one)
}

// oneLine gives JSON as it can stand in an event: without the ends of lines
// that may be between its tokens.
func oneLine(data []byte) []byte {
	if !bytes.ContainsAny(data, "\r\n") {
		return data
	}
	return bytes.Map(func(r rune) rune {
		if r == '\r' || r == '\n' {
			return ' '
		}
		return r
	}, data)
}
