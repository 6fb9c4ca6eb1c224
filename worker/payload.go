package worker

import (
	"encoding/json"
	"fmt"

	"parley/internal/jobspec"
)

// Decode reads a task's payload; one that can't be read is the sender's fault, and
// the error says so to the owner.
func Decode[T any](payload json.RawMessage) (T, error) {
	var v T
	if err := json.Unmarshal(payload, &v); err != nil {
		return v, &Error{Code: jobspec.CodeInvalidInput, Message: "The work's input can't be read.", Cause: err}
	}
	return v, nil
}

// Encode writes a handler's output.
func Encode(v any) (json.RawMessage, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode the output: %w", err)
	}
	return data, nil
}
