package worker

import (
	"encoding/json"
	"fmt"

	"parley/internal/jobspec"
)

// decode reads a payload; one that can't be read is the sender's fault.
func decode[T any](payload json.RawMessage) (T, error) {
	var v T
	if err := json.Unmarshal(payload, &v); err != nil {
		return v, &Error{Code: jobspec.CodeInvalidInput, Message: "The work's input can't be read.", Cause: err}
	}
	return v, nil
}

func encode(v any) (json.RawMessage, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode the output: %w", err)
	}
	return data, nil
}
