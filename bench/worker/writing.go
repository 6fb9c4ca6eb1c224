package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"

	"parley/bench/worker/llama"
	"parley/worker/tokenizer"
)

// writingCase is how much is written at once.
type writingCase struct {
	prompt, batch, tokens, rounds int
}

// writingCases are prompts of 32 and 512 tokens by 1, 8 and 32 at once. What takes long
// is done in fewer rounds, and with one layout.
func writingCases(o options, l llama.Layout, p llama.Precision) []writingCase {
	if o.quick {
		cases := []writingCase{{32, 1, 32, 3}, {512, 1, 32, 3}}
		if p == llama.Four {
			cases = append(cases, writingCase{32, 8, 16, 3})
		}
		return cases
	}
	if p == llama.Full {
		return []writingCase{{32, 1, 64, 3}, {512, 1, 64, 3}}
	}
	cases := []writingCase{{32, 1, 64, 5}, {512, 1, 64, 5}, {32, 8, 32, 3}, {32, 32, 16, 3}}
	if l == llama.Concatenated {
		return cases
	}
	return append(cases, writingCase{512, 8, 32, 3}, writingCase{512, 32, 16, 1})
}

// measureWriting lets a model of a hundred million parameters write, in both layouts and
// precisions, beside transformers.js with threads that spin, its default, and without.
func measureWriting(ctx context.Context, o options, r *report) error {
	for _, layout := range []llama.Layout{llama.Shared, llama.Concatenated} {
		for _, precision := range []llama.Precision{llama.Four, llama.Full} {
			if o.quick && layout == llama.Concatenated && precision == llama.Full {
				continue
			}
			if err := writeWith(ctx, o, r, layout, precision); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeWith(ctx context.Context, o options, r *report, layout llama.Layout, precision llama.Precision) (err error) {
	dir := filepath.Join(o.cache, fmt.Sprintf("llama-%s-%s", layout, precision))
	vocabulary := filepath.Join(o.root, "models", "caption-mini")
	if err := llama.Write(dir, vocabulary, llama.Hundred, layout, precision); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	words, err := tokenizer.Open(dir)
	if err != nil {
		return err
	}
	systems, err := openWriters(ctx, o, r, dir)
	defer func() { err = errors.Join(err, closeAll(systems)) }()
	if err != nil {
		return err
	}
	for _, c := range writingCases(o, layout, precision) {
		w := &writingRow{layout: layout, precision: precision, writingCase: c}
		if err := w.measure(ctx, systems, words); err != nil {
			return err
		}
		r.writing = append(r.writing, w)
		fmt.Println(w.line())
	}
	return nil
}

// named is a generator with the name of its column.
type named struct {
	name string
	generator
}

func openWriters(ctx context.Context, o options, r *report, dir string) (systems []named, err error) {
	mine, err := openOurs(ctx, dir, true, o.threads)
	if err != nil {
		return nil, err
	}
	systems = append(systems, named{parley, mine})
	for _, spinning := range []bool{true, false} {
		if o.quick && !spinning {
			continue
		}
		other, err := openTheirs(ctx, o, dir, true, spinning)
		if err != nil {
			return systems, err
		}
		r.versions["transformers.js"] = other.version
		name := transformers
		if !spinning {
			name = transformersCalm
		}
		systems = append(systems, named{name, other})
	}
	return systems, nil
}

// The names of systems.
const (
	parley           = "parley"
	transformers     = "transformers.js"
	transformersCalm = "transformers.js without spinning"
)

func closeAll(systems []named) error {
	var errs []error
	for _, s := range systems {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// writingRow is one case with what came out.
type writingRow struct {
	writingCase
	layout    llama.Layout
	precision llama.Precision
	series    []series
	// equal of total texts have the same tokens in parley and transformers.js.
	equal, total int
}

func (w *writingRow) measure(ctx context.Context, systems []named, words *tokenizer.Tokenizer) error {
	texts := make([]string, w.batch)
	for i := range texts {
		var err error
		if texts[i], err = promptOf(words, w.prompt, uint64(i)); err != nil {
			return err
		}
	}
	fixed := func(tokens int) string {
		return fmt.Sprintf(`{"do_sample": false, "num_beams": 1, "max_new_tokens": %d, "min_new_tokens": %d}`, tokens, tokens)
	}
	if w.batch > 1 {
		// How threads wait matters less, the longer a run is.
		systems = systems[:2]
	}
	w.series = make([]series, len(systems))
	for round := -1; round < w.rounds; round++ {
		outputs := make([][][]int64, len(systems))
		for i, s := range systems {
			tokens, texts := w.tokens, texts
			if round < 0 { // the warm-up
				tokens = 2
				if w.prompt > 32 {
					texts = texts[:1]
				}
			}
			out, err := s.generate(ctx, texts, fixed(tokens))
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if out.run.units != tokens*len(texts) {
				return fmt.Errorf("%s wrote %d tokens, not %d", s.name, out.run.units, tokens*len(texts))
			}
			outputs[i], w.series[i].system = out.outputs, s.name
			if round >= 0 {
				w.series[i].runs = append(w.series[i].runs, out.run)
			}
		}
		w.equal, w.total = equalRows(outputs[0], outputs[1])
	}
	return nil
}

// line is the row for who watches.
func (w *writingRow) line() string {
	a, b := w.series[0], w.series[1]
	return fmt.Sprintf("%s %s, prompt %d, batch %d: %.1f tokens/s, transformers.js %.1f, ratio %.2f (behind the first token %.2f); CPU ms a token %.1f and %.1f; equal %d of %d", w.layout, w.precision, w.prompt, w.batch,
		a.median(run.rate), b.median(run.rate), ratio(a, b, run.rate), ratio(a, b, run.later), a.median(run.each), b.median(run.each), w.equal, w.total)
}

// equalRows counts texts of which two systems wrote the same.
func equalRows(a, b [][]int64) (equal, total int) {
	for i := range a {
		if i < len(b) && fmt.Sprint(a[i]) == fmt.Sprint(b[i]) {
			equal++
		}
	}
	return equal, max(len(a), len(b))
}

// promptOf makes a text of exactly so many tokens. Prompts of one length need no padding,
// which GroupQueryAttention would take for text.
func promptOf(words *tokenizer.Tokenizer, tokens int, seed uint64) (string, error) {
	draw := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // no secret
	list := strings.Fields(prose)
	var text strings.Builder
	for tries := 0; tries < 100*tokens; tries++ {
		next := list[draw.IntN(len(list))]
		if text.Len() > 0 {
			next = " " + next
		}
		switch n := len(words.Encode(text.String() + next)); {
		case n > tokens:
		case n == tokens:
			return text.String() + next, nil
		default:
			text.WriteString(next)
		}
	}
	return "", fmt.Errorf("no prompt of %d tokens was found", tokens)
}

// prose is what texts are made of.
const prose = "a little girl has two dolls in her hands and a man with an umbrella walks past the old station while it rains " +
	"in the morning the river had left its bed so we will see each other at the bridge tomorrow if nobody closes the road " +
	"children who live near the sea learn to swim before they can read and their parents seldom worry about the waves"
