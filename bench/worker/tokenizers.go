package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"parley/bench/paper"
	"parley/worker/tokenizer"
)

// tokenizerRow is one vocabulary.
type tokenizerRow struct {
	name string
	// series are of words that were seen before, fresh of the first pass over the texts
	// with a tokenizer that was just read.
	series, fresh []series
	// equal of total documents have the same ids.
	equal, total int
}

// rust is the Rust library.
const rust = "Rust tokenizers"

// document is how long the texts are that are measured, in bytes. What it costs to bring
// them into another language is small beside them.
const document = 4 << 10

// measureTokenizers encodes documents of many languages, on one core, with the vocabularies of
// the bundles and of the tokenizer's tests.
func measureTokenizers(ctx context.Context, o options, r *report) (err error) {
	texts, err := documents(o)
	if err != nil {
		return err
	}
	families, err := vocabularies(o)
	if err != nil {
		return err
	}
	other, err := startRemote(ctx, o.node, "node", "runner.mjs")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.close()) }()
	// One core for us too, the garbage collector included.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, dir := range families {
		row := &tokenizerRow{name: filepath.Base(dir), series: []series{{system: parley}, {system: rust}}, fresh: []series{{system: parley}, {system: rust}}}
		if err := row.measure(other, dir, texts, pick(o, 5, 3)); err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		r.tokenizers = append(r.tokenizers, row)
		fmt.Println(row.line())
	}
	loaded, err := other.do(order{Do: "rust", Texts: []string{"a"}})
	if err == nil {
		r.versions[rust] = loaded.Version
	}
	return err
}

// documents are the strings of the shared test data joined, or of the tokenizer's own
// tests where that is not here.
func documents(o options) ([]string, error) {
	var all []string
	if path := o.shared("tokenizers", "strings.jsonl.zst"); path != "" {
		text, err := unpack(path)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			var s string
			if err := json.Unmarshal([]byte(line), &s); err != nil {
				return nil, err
			}
			all = append(all, s)
		}
	} else {
		text, err := os.ReadFile(filepath.Join(o.root, "worker", "tokenizer", "testdata", "fragments.json")) //nolint:gosec // ours
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &all); err != nil {
			return nil, err
		}
		all = slices.Repeat(all, 8)
	}
	return join(all, document), nil
}

// join makes documents of at least so many bytes of lines.
func join(lines []string, bytes int) []string {
	var all []string
	var one strings.Builder
	for _, s := range lines {
		one.WriteString(strings.ToValidUTF8(s, ""))
		one.WriteByte('\n')
		if one.Len() >= bytes {
			all = append(all, one.String())
			one.Reset()
		}
	}
	if one.Len() > 0 {
		all = append(all, one.String())
	}
	return all
}

func unpack(path string) ([]byte, error) {
	data, err := os.ReadFile(path) //nolint:gosec // test data
	if err != nil {
		return nil, err
	}
	reader, err := zstd.NewReader(nil)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return reader.DecodeAll(data, nil)
}

// vocabularies are folders with a tokenizer.json alone, so that both read the same file.
func vocabularies(o options) ([]string, error) {
	var dirs []string
	put := func(name string, text []byte, err error) error {
		dir := filepath.Join(o.cache, "tokenizers", name)
		if err == nil {
			err = os.MkdirAll(dir, 0o750)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "tokenizer.json"), text, 0o600)
		}
		dirs = append(dirs, dir)
		return err
	}
	for _, name := range []string{"translate-mini", "caption-mini", "sticker-mini"} {
		text, err := os.ReadFile(filepath.Join(o.root, "models", name, "tokenizer.json")) //nolint:gosec // ours
		if err := put(name, text, err); err != nil {
			return nil, err
		}
	}
	if o.quick {
		return dirs, nil
	}
	testdata := filepath.Join(o.root, "worker", "tokenizer", "testdata")
	charsmap, err := unpack(filepath.Join(testdata, "charsmap.zst"))
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"gpt2", "llama3", "o200k", "llama2", "gemma", "nllb", "t5", "bert", "clip"} {
		text, err := unpack(filepath.Join(testdata, name, "tokenizer.json.zst"))
		text = bytes.ReplaceAll(text, []byte("@charsmap"), charsmap)
		if err := put(name, text, err); err != nil {
			return nil, err
		}
	}
	return dirs, nil
}

// measure lets both read the file anew in every round, so that the first pass finds empty
// caches and the passes behind it full ones.
func (t *tokenizerRow) measure(other *remote, dir string, texts []string, rounds int) error {
	const passes = 4
	many := slices.Repeat(texts, passes)
	for round := -1; round < rounds; round++ {
		mine, err := tokenizer.Open(dir)
		if err != nil {
			return err
		}
		ids := make([][]int64, len(many))
		fresh, warm := encode(mine, texts, ids), encode(mine, many, ids)
		first, err := other.do(order{Do: "rust", File: filepath.Join(dir, "tokenizer.json"), Texts: texts, IDs: true})
		if err != nil {
			return err
		}
		second, err := other.do(order{Do: "rust", Texts: many})
		if err != nil {
			return err
		}
		if t.equal, t.total = equalRows(ids[:len(texts)], first.Outputs); round >= 0 {
			t.series[0].runs = append(t.series[0].runs, warm)
			t.series[1].runs = append(t.series[1].runs, second.run(warm.units))
			t.fresh[0].runs = append(t.fresh[0].runs, fresh)
			t.fresh[1].runs = append(t.fresh[1].runs, first.run(fresh.units))
		}
	}
	return nil
}

// encode encodes texts one after the other; a unit is a byte.
func encode(t *tokenizer.Tokenizer, texts []string, ids [][]int64) run {
	begun, cpu := time.Now(), paper.OwnCPU()
	var r run
	for i, s := range texts {
		ids[i] = t.Encode(s)
		r.units += len(s)
	}
	r.took, r.cpu = time.Since(begun), paper.OwnCPU()-cpu
	return r
}

// megabytes is the rate where units are bytes.
func megabytes(r run) float64 { return r.rate() / 1e6 }

func (t *tokenizerRow) line() string {
	return fmt.Sprintf("%s: %.2f MB/s, Rust %.2f, ratio %.2f, at first %.2f; equal %d of %d", t.name, t.series[0].median(megabytes), t.series[1].median(megabytes), ratio(t.series[0], t.series[1], megabytes), ratio(t.fresh[0], t.fresh[1], megabytes), t.equal, t.total)
}
