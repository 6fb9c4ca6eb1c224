// Package write is the family of causal language models, which continue texts and chats.
package write

import (
	"errors"
	"fmt"

	"parley/worker/bundle"
	"parley/worker/chat"
	"parley/worker/pipeline"
	"parley/worker/pipeline/decoder"
	"parley/worker/tokenizer"
)

// Writer writes with one bundle. It works while Run runs.
type Writer struct {
	bundle    *bundle.Bundle
	tokenizer *tokenizer.Tokenizer
	// template makes a prompt of a chat, nil where the bundle has none.
	template *chat.Template
	model    decoder.Model
	*pipeline.Engine
}

// Options are the settings of a Writer. The zero value is usable.
type Options struct {
	pipeline.Options
	// BatchRows is the greatest number of texts that are written together, 16 when 0;
	// BatchTokens bounds them times beams times their greatest length, 16384 when 0. A
	// single text is always written, see pipeline.EngineConfig.
	BatchRows, BatchTokens int
}

func (o Options) withDefaults() Options {
	o.Options = o.WithDefaults()
	if o.BatchRows <= 0 {
		o.BatchRows = 16
	}
	if o.BatchTokens <= 0 {
		o.BatchTokens = 16384
	}
	return o
}

// Open loads a bundle. Errors are of type *pipeline.Error.
func Open(b *bundle.Bundle, o Options) (*Writer, error) {
	o = o.withDefaults()
	if err := o.StartRuntime(); err != nil {
		return nil, err
	}
	w := &Writer{bundle: b}
	if err := w.load(o); err != nil {
		return nil, pipeline.ModelError(b.Name, errors.Join(err, w.Close()))
	}
	return w, nil
}

func (w *Writer) load(o Options) (err error) {
	if w.tokenizer, err = tokenizer.Open(w.bundle.Dir); err != nil {
		return fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	w.template, err = chat.Open(w.bundle.Dir)
	if err != nil && !errors.Is(err, chat.ErrNone) {
		return fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	if w.model, err = decoder.OpenCausal(w.bundle, o.Threads); err != nil {
		return err
	}
	w.Engine = pipeline.NewEngine(pipeline.EngineConfig{
		Model: w.bundle.Name, Generator: pipeline.NewGenerator(w.model, o.Gate), Rows: o.BatchRows, Tokens: o.BatchTokens,
	})
	return nil
}

// Close releases the model. Run must have returned, or never have been called.
func (w *Writer) Close() error {
	if w.model == nil {
		return nil
	}
	return w.model.Close()
}
