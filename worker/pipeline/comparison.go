package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"parley/worker/bundle"
	"parley/worker/tokenizer"
)

// Compare runs every case of the bundle's reference.json, if it has one, and counts
// what comes out equal: the tokenizer and the generation, alone and in a batch. The
// error says that a case could not be run.
func (f *Findings) Compare(ctx context.Context, b *bundle.Bundle, t *tokenizer.Tokenizer, g *Generator) error {
	var ref Reference
	if err := f.ReadReference(b.Dir, &ref); err != nil {
		return err
	}
	c := comparison{findings: f, settings: b.Generation, tokenizer: t, generator: g}
	f.CompareTokens(t, ref.Tokens)
	if err := c.cases(ctx, ref.Cases); err != nil {
		return err
	}
	return c.batch(ctx, ref.Batch)
}

// CompareTokens counts the texts that a tokenizer reads and writes as the reference.
func (f *Findings) CompareTokens(t *tokenizer.Tokenizer, tokens []ReferenceToken) {
	for _, k := range tokens {
		ids := t.Encode(k.Input)
		decoded := t.Decode(ids)
		f.Count(&f.Tokens, slices.Equal(ids, k.IDs) && decoded == k.Decoded,
			"tokens of %q: %v %q, reference %v %q", k.Input, ids, decoded, k.IDs, k.Decoded)
	}
}

// comparison holds what the cases are run with.
type comparison struct {
	findings  *Findings
	settings  bundle.Generation
	tokenizer *tokenizer.Tokenizer
	generator *Generator
}

func (c *comparison) cases(ctx context.Context, cases []ReferenceCase) error {
	for _, k := range cases {
		ids := c.tokenizer.Encode(k.Input)
		outputs, err := c.generate(ctx, k.Settings, ids)
		if err != nil {
			return err
		}
		text := c.tokenizer.Decode(outputs[0])
		c.findings.Count(&c.findings.Cases, slices.Equal(ids, k.InputIDs) && slices.Equal(outputs[0], k.Output) && text == k.Text,
			"%q with %s: %v %q, reference %v %q", k.Input, k.Settings, outputs[0], text, k.Output, k.Text)
	}
	return nil
}

func (c *comparison) batch(ctx context.Context, b ReferenceBatch) error {
	if len(b.Inputs) == 0 || len(b.Inputs) != len(b.Output) {
		return nil
	}
	var inputs [][]int64
	for _, text := range b.Inputs {
		inputs = append(inputs, c.tokenizer.Encode(text))
	}
	outputs, err := c.generate(ctx, b.Settings, inputs...)
	if err != nil {
		return err
	}
	for i, ids := range outputs {
		text := c.tokenizer.Decode(ids)
		c.findings.Count(&c.findings.Batch, text == b.Output[i], "%q in the batch: %q, reference %q", b.Inputs[i], text, b.Output[i])
	}
	return nil
}

func (c *comparison) generate(ctx context.Context, raw json.RawMessage, inputs ...[]int64) ([][]int64, error) {
	settings, err := c.settings.With(raw)
	if err != nil {
		return nil, fmt.Errorf("reference.json: %w", err)
	}
	outputs := make([][]int64, len(inputs))
	requests := make([]*Request, len(inputs))
	for i, ids := range inputs {
		requests[i] = &Request{Input: ids, Settings: settings, Done: func(best []Output) { outputs[i] = best[0].Tokens }}
	}
	together := len(requests)
	if c.generator.Dimensions().Single {
		together = 1
	}
	for part := range slices.Chunk(requests, max(1, together)) {
		if err := c.generator.Run(ctx, part, nil); err != nil {
			return nil, err
		}
	}
	return outputs, nil
}
