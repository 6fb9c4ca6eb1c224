package model

import (
	"context"
	"encoding/json"
	"errors"
	"unicode/utf8"

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
		digest, err := encoderDecoderDigest(b)
		if err != nil {
			refuse(b, errors.Join(pipeline.ModelError(b.Name, err), t.Close()))
			continue
		}
		models = append(models, Model{Handlers: []worker.Handler{translator{t, digest}}, Close: t.Close})
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
type translator struct {
	*translate.Translator
	// digest is that of all files that its translations depend on.
	digest string
}

// encoderDecoderDigest is the identity of the bundle with the graphs that it is run with.
func encoderDecoderDigest(b *bundle.Bundle) (string, error) {
	digest, err := b.Identity("encoder_model", "decoder_model_merged")
	if errors.Is(err, bundle.ErrMissing) {
		return b.Identity("encoder_model", "decoder_model", "decoder_with_past_model")
	}
	return digest, err
}

// Bundle implements worker.Handler.
func (h translator) Bundle() jobspec.Bundle {
	b := h.Translator.Bundle()
	b.Digest = h.digest
	return b
}

// QuerySubject implements worker.Answerer.
func (h translator) QuerySubject() string {
	return jobspec.QuerySubject(jobspec.KindTranslate, h.digest)
}

// Answer implements worker.Answerer: a jobspec.TranslateQuery becomes a
// jobspec.TranslateAnswer. It goes before the sentences of jobs that wait, into the next
// batch.
func (h translator) Answer(ctx context.Context, query json.RawMessage) (json.RawMessage, error) {
	in, err := decode[jobspec.TranslateQuery](query)
	if err != nil {
		return nil, err
	}
	if n := utf8.RuneCountInString(in.Text); n > jobspec.MaxQueryRunes {
		return nil, refused("The text has %d characters; at most %d can be translated while somebody waits.", n, jobspec.MaxQueryRunes)
	}
	out, err := h.Translate(ctx, jobspec.Translate{Text: in.Text, Source: in.Source, Target: in.Target}, nil, translate.First())
	if err != nil {
		return nil, withCode(err)
	}
	return worker.Encode(jobspec.TranslateAnswer{Model: h.Translator.Bundle().Name, Digest: h.digest, Text: out.Text})
}

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
