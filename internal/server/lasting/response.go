package lasting

import (
	"bytes"
	"encoding/json"
	"errors"
	"sync"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// maxPooled is the capacity in bytes up to which buffers are used again.
const maxPooled = 64 << 10

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Buffer gives an empty buffer; Release takes it back.
func Buffer() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) }

// Release takes a buffer of Buffer back, whose bytes nobody uses any more.
func Release(buf *bytes.Buffer) {
	if buf.Cap() <= maxPooled {
		buf.Reset()
		buffers.Put(buf)
	}
}

// WriteResponse encodes a response as JSON, in UTF-8. Its data is written as
// gqlgen made it, and is left out where execution never began, which
// graphql.Response can't.
func WriteResponse(buf *bytes.Buffer, resp *graphql.Response) error {
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
		if !utf8.Valid(data) { // one column may not be
			data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
		}
		buf.WriteString(`"data":`)
		buf.Write(data)
		if len(tail) > len("{}") {
			buf.WriteByte(',')
		}
	}
	buf.Write(tail[1:]) // without its opening brace
	return nil
}

// Errors gives an error as GraphQL has it, nil for none.
func Errors(err error) gqlerror.List {
	if err == nil {
		return nil
	}
	var e *gqlerror.Error
	if errors.As(err, &e) {
		return gqlerror.List{e}
	}
	return gqlerror.List{gqlerror.Wrap(err)}
}
