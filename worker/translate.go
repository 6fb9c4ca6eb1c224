package worker

import (
	"context"
	"encoding/json"

	"parley/internal/jobspec"
	"parley/worker/pipeline"
)

// Translate is the Handler of one translation model.
type Translate struct{ *pipeline.Translator }

// Handle implements Handler: a jobspec.Translate becomes a jobspec.Translated.
func (h Translate) Handle(ctx context.Context, t Task, report func(float64, string)) (json.RawMessage, error) {
	in, err := decode[jobspec.Translate](t.Payload)
	if err != nil {
		return nil, err
	}
	var options []pipeline.CallOption
	if t.Alone {
		options = append(options, pipeline.Alone())
	}
	out, err := h.Translator.Translate(ctx, in, report, options...)
	if err != nil {
		if f, ok := pipeline.FailureOf(err); ok {
			return nil, &Error{Code: f.Code, Message: f.Message, Cause: err}
		}
		return nil, err
	}
	return encode(out)
}
