package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/tokenizer"
)

// Report is what Verify found out about one bundle.
type Report struct {
	Dir  string `json:"dir"`
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Runnable is false for a kind without a pipeline, of which the files are
	// checked alone.
	Runnable bool               `json:"runnable"`
	Files    []bundle.FileCheck `json:"files"`
	// Loaded and LoadMillis tell whether and how fast the model loaded.
	Loaded     bool  `json:"loaded"`
	LoadMillis int64 `json:"loadMillis"`
	// Reference is false when no reference.json stands beside the model.
	Reference bool  `json:"reference"`
	Cases     Tally `json:"cases"`
	Batch     Tally `json:"batch"`
	Tokens    Tally `json:"tokens"`
	// Problems are sentences, the worst first; Differences tell the cases that
	// came out otherwise, at most maxDifferences of them.
	Problems    []string `json:"problems"`
	Differences []string `json:"differences"`
	OK          bool     `json:"ok"`
}

// Tally counts compared cases.
type Tally struct {
	Total int `json:"total"`
	Equal int `json:"equal"`
}

const maxDifferences = 10

// Digests sums up the files: "ok", "not recorded", or how many are bad.
func (r *Report) Digests() string {
	bad, recorded := 0, 0
	for _, f := range r.Files {
		if !f.OK {
			bad++
		}
		if f.Digest == "ok" {
			recorded++
		}
	}
	switch {
	case bad > 0:
		return fmt.Sprintf("%d bad", bad)
	case recorded == 0:
		return "not recorded"
	case recorded < len(r.Files):
		return fmt.Sprintf("%d ok, %d not recorded", recorded, len(r.Files)-recorded)
	}
	return "ok"
}

// Verify checks a bundle as one would want before trusting it: its files and
// digests, that it loads, and that every case of its reference.json comes out
// equal, the tokenizer and the generation alone. What is wrong stands in the
// report; the error is that of ctx.
func Verify(ctx context.Context, dir string, o Options) (*Report, error) {
	r := &Report{Dir: dir, Name: filepath.Base(dir)}
	b, err := bundle.Open(dir)
	if err != nil {
		r.problem(err)
		return r, ctx.Err()
	}
	r.Name, r.Kind, r.Runnable = b.Name, string(b.Kind), b.Kind.Runnable()
	if r.Files, err = b.Check(); err != nil {
		r.problem(err)
	}
	if r.Runnable && err == nil {
		if err := r.run(ctx, b, o.withDefaults()); err != nil {
			r.problem(err)
		}
	}
	r.OK = len(r.Problems) == 0 && len(r.Differences) == 0
	return r, ctx.Err()
}

func (r *Report) problem(err error) { r.Problems = append(r.Problems, err.Error()) }

// run loads the model and compares it with its reference.
func (r *Report) run(ctx context.Context, b *bundle.Bundle, o Options) (err error) {
	if err := onnx.Start(o.Library); err != nil {
		return err
	}
	begun := time.Now()
	tok, err := tokenizer.Open(b.Dir)
	if err != nil {
		return err
	}
	m, err := openSeq2seq(b, o.Threads)
	if err != nil {
		return err
	}
	g := newGenerator(m)
	defer func() {
		g.close()
		err = errors.Join(err, m.close())
	}()
	r.Loaded, r.LoadMillis = true, time.Since(begun).Milliseconds()
	ref, err := readReference(b.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r.Reference = true
	c := comparison{report: r, bundle: b, tokenizer: tok, generator: g}
	c.tokens(ref.Tokens)
	if err := c.cases(ctx, ref.Cases); err != nil {
		return err
	}
	return c.batch(ctx, ref.Batch)
}

// reference is reference.json: what the reference library gives for a bundle.
type reference struct {
	Cases  []referenceCase  `json:"cases"`
	Batch  referenceBatch   `json:"batch"`
	Tokens []referenceToken `json:"tokens"`
}

type referenceCase struct {
	Input    string          `json:"input"`
	InputIDs []int64         `json:"input_ids"`
	Settings json.RawMessage `json:"settings"`
	Output   []int64         `json:"output_ids"`
	Text     string          `json:"output_text"`
}

type referenceBatch struct {
	Inputs   []string        `json:"inputs"`
	Settings json.RawMessage `json:"settings"`
	Output   []string        `json:"output_text"`
}

type referenceToken struct {
	Input   string  `json:"input"`
	IDs     []int64 `json:"ids"`
	Decoded string  `json:"decoded"`
}

func readReference(dir string) (*reference, error) {
	path := filepath.Join(dir, "reference.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var ref reference
	if err := json.Unmarshal(data, &ref); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", bundle.ErrBroken, path, err)
	}
	return &ref, nil
}

// comparison holds what the cases are run with.
type comparison struct {
	report    *Report
	bundle    *bundle.Bundle
	tokenizer *tokenizer.Tokenizer
	generator *generator
}

func (c *comparison) count(t *Tally, equal bool, format string, args ...any) {
	t.Total++
	if equal {
		t.Equal++
	} else if len(c.report.Differences) < maxDifferences {
		c.report.Differences = append(c.report.Differences, fmt.Sprintf(format, args...))
	}
}

func (c *comparison) tokens(tokens []referenceToken) {
	for _, k := range tokens {
		ids := c.tokenizer.Encode(k.Input)
		decoded := c.tokenizer.Decode(ids)
		c.count(&c.report.Tokens, slices.Equal(ids, k.IDs) && decoded == k.Decoded,
			"tokens of %q: %v %q, reference %v %q", k.Input, ids, decoded, k.IDs, k.Decoded)
	}
}

func (c *comparison) cases(ctx context.Context, cases []referenceCase) error {
	for _, k := range cases {
		ids := c.tokenizer.Encode(k.Input)
		outputs, err := c.generate(ctx, k.Settings, ids)
		if err != nil {
			return err
		}
		text := c.tokenizer.Decode(outputs[0])
		c.count(&c.report.Cases, slices.Equal(ids, k.InputIDs) && slices.Equal(outputs[0], k.Output) && text == k.Text,
			"%q with %s: %v %q, reference %v %q", k.Input, k.Settings, outputs[0], text, k.Output, k.Text)
	}
	return nil
}

func (c *comparison) batch(ctx context.Context, b referenceBatch) error {
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
		c.count(&c.report.Batch, text == b.Output[i], "%q in the batch: %q, reference %q", b.Inputs[i], text, b.Output[i])
	}
	return nil
}

func (c *comparison) generate(ctx context.Context, raw json.RawMessage, inputs ...[]int64) ([][]int64, error) {
	settings, err := c.bundle.Generation.With(raw)
	if err != nil {
		return nil, fmt.Errorf("reference.json: %w", err)
	}
	if names := settings.Unsupported(); len(names) > 0 {
		return nil, fmt.Errorf("reference.json: settings that are not supported: %v", names)
	}
	outputs := make([][]int64, len(inputs))
	err = c.generator.run(ctx, batch{inputs: inputs, settings: settings, done: func(i int, ids []int64) { outputs[i] = ids }})
	return outputs, err
}
