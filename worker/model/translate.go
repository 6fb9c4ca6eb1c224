package model

import (
	"context"
	"encoding/json"

	"parley/internal/jobspec"
	"parley/worker"
	"parley/worker/bundle"
	"parley/worker/pipeline"
	"parley/worker/pipeline/translate"
)

// translation is the family of models that turn a text of one language into another.
var translation = family{
	work:   jobspec.KindTranslate,
	kinds:  []bundle.Kind{bundle.KindMarian, bundle.KindNLLB, bundle.KindT5},
	open:   openTranslators,
	join:   linkTranslators,
	verify: verifyTranslator,
}

func openTranslators(ctx context.Context, all []*bundle.Bundle, o pipeline.Options, refuse func(*bundle.Bundle, error)) []Model {
	var models []Model
	for _, b := range all {
		t, err := translate.Open(ctx, b, translate.Options{Options: o})
		if err != nil {
			refuse(b, err)
			continue
		}
		models = append(models, Model{Handlers: []worker.Handler{translator{t}}, Close: t.Close})
	}
	return models
}

// linkTranslators links all translators, so that one goes on where another ends.
func linkTranslators(all []Model) {
	var linked []*translate.Translator
	for _, m := range all {
		for _, h := range m.Handlers {
			if t, ok := h.(translator); ok {
				linked = append(linked, t.Translator)
			}
		}
	}
	translate.Link(linked...)
}

func verifyTranslator(ctx context.Context, b *bundle.Bundle, o pipeline.Options, f *pipeline.Findings) error {
	return translate.Verify(ctx, b, translate.Options{Options: o}, f)
}

// translator is the handler of one translation model.
type translator struct{ *translate.Translator }

// Handle implements worker.Handler: a jobspec.Translate becomes a
// jobspec.Translated.
func (h translator) Handle(ctx context.Context, t worker.Task, progress func(float64, string)) (json.RawMessage, error) {
	in, err := worker.Decode[jobspec.Translate](t.Payload)
	if err != nil {
		return nil, err
	}
	var before []translate.Sentence
	_ = json.Unmarshal(t.Recorded, &before) // what can't be read is translated anew
	options := []translate.CallOption{translate.Keeping(before, func(all []translate.Sentence) { t.Keep(all) })}
	if t.Alone {
		options = append(options, translate.Alone())
	}
	out, err := h.Translate(ctx, in, progress, options...)
	if err != nil {
		return nil, withCode(err)
	}
	return worker.Encode(out)
}
