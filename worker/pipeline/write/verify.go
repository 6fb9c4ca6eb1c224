package write

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/worker/bundle"
	"parley/worker/chat"
	"parley/worker/pipeline"
)

// Verify loads the bundle and compares it with its reference, into f. The error says
// that it does not load or that a case could not be run.
func Verify(ctx context.Context, b *bundle.Bundle, o Options, f *pipeline.Findings) (err error) {
	begun := time.Now()
	o.OnUse = false
	w, err := Open(ctx, b, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	model, release, err := w.kept.Use(ctx)
	if err != nil {
		return err
	}
	defer release()
	f.Loaded, f.LoadMillis = true, time.Since(begun).Milliseconds()
	// Nobody else asks, so that the generator is not in use.
	if err := f.Compare(ctx, b, w.tokenizer, model.Generator); err != nil || !f.Reference {
		return err
	}
	ref, err := pipeline.ReadReference(b.Dir)
	if err != nil {
		return err
	}
	for _, c := range ref.Chats {
		if err := w.compare(ctx, model.Generator, c, f); err != nil {
			return err
		}
	}
	return nil
}

// compare runs a chat of the reference: the prompt, its tokens and how it goes on.
func (w *Writer) compare(ctx context.Context, g *pipeline.Generator, c pipeline.ReferenceChat, f *pipeline.Findings) error {
	var messages []chat.Message
	if err := json.Unmarshal(c.Messages, &messages); err != nil {
		return fmt.Errorf("%w: reference.json: %w", bundle.ErrBroken, err)
	}
	settings, err := w.bundle.Generation.With(c.Settings)
	if err != nil {
		return fmt.Errorf("reference.json: %w", err)
	}
	prompt, err := w.Prompt(messages, time.Time{})
	if err != nil {
		return err
	}
	ids := w.tokenizer.EncodePrompt(prompt)
	var output []int64
	r := &pipeline.Request{Input: ids, Settings: settings, Done: func(outputs []pipeline.Output) { output = outputs[0].Tokens }}
	if err := g.Run(ctx, []*pipeline.Request{r}, nil); err != nil {
		return err
	}
	f.Count(&f.Chats, prompt == c.Prompt && slices.Equal(ids, c.InputIDs) && slices.Equal(output, c.Output),
		"chat %s: prompt %q, tokens %v, output %v, reference %q, %v, %v", c.Messages, prompt, ids, output, c.Prompt, c.InputIDs, c.Output)
	return nil
}
