// Package write is the family of language models, which continue texts and chats, or
// answer what they are asked.
package write

import (
	"context"
	"errors"
	"fmt"

	"parley/worker/bundle"
	"parley/worker/chat"
	"parley/worker/pipeline"
	"parley/worker/pipeline/decoder"
	"parley/worker/tokenizer"
)

// Writer writes with one bundle.
type Writer struct {
	bundle    *bundle.Bundle
	tokenizer *tokenizer.Tokenizer
	// template makes a prompt of a chat, nil where the bundle has none.
	template *chat.Template
	kept     *pipeline.Kept[*loaded]
}

// answers tells that the model reads a prompt with an encoder, and does not continue it.
func (w *Writer) answers() bool { return w.bundle.Kind == bundle.KindT5Writer }

// loaded is the model in memory.
type loaded struct {
	model decoder.Model
	*pipeline.Engine
}

// Close releases the model.
func (l *loaded) Close() error { return l.model.Close() }

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

// Open reads a bundle, and loads its model unless that is to wait for its use. The writer
// works while Run runs. Errors are of type *pipeline.Error, but for that of ctx.
func Open(ctx context.Context, b *bundle.Bundle, o Options) (*Writer, error) {
	o = o.withDefaults()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.StartRuntime(); err != nil {
		return nil, err
	}
	w := &Writer{bundle: b}
	if err := w.load(ctx, o); err != nil {
		return nil, pipeline.ModelError(b.Name, errors.Join(err, w.Close()))
	}
	return w, nil
}

func (w *Writer) load(ctx context.Context, o Options) error {
	summary, err := w.bundle.Summary()
	if err != nil {
		return err
	}
	if w.tokenizer, err = tokenizer.Open(w.bundle.Dir); err != nil {
		return fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	w.template, err = chat.Open(w.bundle.Dir)
	if err != nil && !errors.Is(err, chat.ErrNone) {
		return fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	w.kept = pipeline.Keep(o.Keeper, w.bundle.Name, summary.Memory, func() (*loaded, error) { return w.open(o) })
	if o.OnUse {
		return nil
	}
	return w.kept.Load(ctx)
}

func (w *Writer) open(o Options) (*loaded, error) {
	var m decoder.Model
	var err error
	if w.answers() {
		m, err = decoder.OpenSeq2seq(w.bundle, o.Threads)
	} else {
		m, err = decoder.OpenCausal(w.bundle, o.Threads)
	}
	if err != nil {
		return nil, pipeline.ModelError(w.bundle.Name, err)
	}
	return &loaded{model: m, Engine: pipeline.NewEngine(pipeline.EngineConfig{
		Model: w.bundle.Name, Generator: pipeline.NewGenerator(m, o.Gate), Rows: o.BatchRows, Tokens: o.BatchTokens,
		Bytes: o.RunBytes,
	})}, nil
}

// Run works until ctx ends and then returns nil, after the model's run under way has
// stopped. Calls of Write that still wait fail. It may be called once.
func (w *Writer) Run(ctx context.Context) error { return w.kept.Run(ctx) }

// Close releases the model. Run must have returned, or never have been called.
func (w *Writer) Close() error {
	if w.kept == nil {
		return nil
	}
	return w.kept.Close()
}
