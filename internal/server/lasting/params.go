package lasting

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/99designs/gqlgen/graphql"
)

// Params reads a GraphQL request from the fields of a JSON object. wrong names the
// first that is not what it must be, empty for none.
func Params(fields map[string]json.RawMessage) (params *graphql.RawParams, wrong string) {
	params, ok := &graphql.RawParams{}, false
	if params.Query, ok = Text(fields["query"]); !ok {
		return nil, "query"
	}
	if name := fields["operationName"]; !Nullish(name) {
		if params.OperationName, ok = Text(name); !ok {
			return nil, "operationName"
		}
	}
	if params.Variables, ok = Values(fields["variables"]); !ok {
		return nil, "variables"
	}
	if params.Extensions, ok = Values(fields["extensions"]); !ok {
		return nil, "extensions"
	}
	return params, ""
}

// Object reads one level of a JSON object: names of fields are exact, which those
// of struct fields are not to encoding/json, and one given twice counts with its
// last value.
func Object(raw []byte) (fields map[string]json.RawMessage, ok bool) {
	if json.Unmarshal(raw, &fields) != nil {
		return nil, false
	}
	return fields, fields != nil
}

// Text reads a JSON text.
func Text(raw json.RawMessage) (s string, ok bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// Values reads a JSON object whole; null and nothing are none. Numbers keep their
// digits, since gqlgen's scalars decide what they are.
func Values(raw []byte) (m map[string]any, ok bool) {
	raw = bytes.TrimSpace(raw)
	if Nullish(raw) {
		return nil, true
	}
	if raw[0] != '{' {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if decoder.Decode(&m) != nil {
		return nil, false
	}
	_, err := decoder.Token()
	return m, errors.Is(err, io.EOF)
}

// Nullish tells whether a field is left out or null.
func Nullish(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }
