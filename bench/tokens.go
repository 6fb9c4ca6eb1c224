package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"parley/bench/paper"
	"parley/internal/jobspec"
	"parley/worker/bundle"
	"parley/worker/pipeline/translate"
	"parley/worker/tokenizer"
)

// measureTokens translates sentences with the model that ships, with the
// pipeline that the worker runs, in this process.
func measureTokens(ctx context.Context, o options, r *report) error {
	dir := filepath.Join(o.root, "models", "translate-mini")
	sentences, err := referenceSentences(filepath.Join(dir, "reference.json"))
	if err != nil {
		return err
	}
	for _, size := range []int{1, 2, 4, 8, 16, 32} {
		if o.quick && size != 1 && size != 8 && size != 32 {
			continue
		}
		t := tokenRow{batch: size}
		if err := tokensBy(ctx, o, &t, dir, sentences); err != nil {
			return err
		}
		r.addTokens(t)
	}
	return nil
}

// referenceSentences are the inputs of the bundle's reference, each once and
// without the token that names the language.
func referenceSentences(file string) ([]jobspec.Translate, error) {
	data, err := os.ReadFile(file) //nolint:gosec // beside the model
	if err != nil {
		return nil, err
	}
	var reference struct{ Cases []struct{ Input string } }
	if err := json.Unmarshal(data, &reference); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var all []jobspec.Translate
	for _, c := range reference.Cases {
		text, ok := strings.CutPrefix(c.Input, ">>spa<< ")
		if ok && !seen[text] {
			seen[text] = true
			all = append(all, jobspec.Translate{Text: text, Source: "en", Target: "es"})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no English sentence in %s", file)
	}
	return all, nil
}

func tokensBy(ctx context.Context, o options, t *tokenRow, dir string, sentences []jobspec.Translate) (err error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return err
	}
	translator, err := translate.Open(ctx, b, translate.Options{BatchRows: t.batch})
	if err != nil {
		return err
	}
	t.model = translator.Bundle().Name
	words, err := tokenizer.Open(dir)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- translator.Run(running) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended, translator.Close())
	}()
	for n := range 1 + pick(o, 3, 1) {
		s, err := tokenRun(ctx, translator, words, t.batch, sentences, pick(o, 5*time.Second, 3*time.Second))
		if err != nil {
			return err
		}
		if n > 0 { // the first is the warm-up
			t.runs = append(t.runs, s)
		}
	}
	return nil
}

// tokenRun keeps twice as many sentences waiting as a batch takes, so that
// every batch is full.
func tokenRun(ctx context.Context, t *translate.Translator, words *tokenizer.Tokenizer, batch int, sentences []jobspec.Translate, d time.Duration) (sample, error) {
	run, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var next, written atomic.Int64
	failed := make(chan error, 2*batch)
	load, cpu, began := paper.LoadAverage(), paper.OwnCPU(), time.Now()
	var wg sync.WaitGroup
	for range 2 * batch {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for run.Err() == nil {
				in := sentences[int(next.Add(1))%len(sentences)]
				out, err := t.Translate(ctx, in, func(float64, string) {})
				if err != nil {
					failed <- err
					return
				}
				written.Add(int64(len(words.EncodeText(out.Text))))
			}
		}()
	}
	wg.Wait()
	select {
	case err := <-failed:
		return sample{}, err
	default:
	}
	s := sample{ops: int(written.Load()), took: time.Since(began), load: load}
	if s.ops > 0 {
		s.server = (paper.OwnCPU() - cpu) / time.Duration(s.ops)
	}
	return s, nil
}
