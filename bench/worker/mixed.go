package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parley/bench/worker/llama"
	"parley/internal/jobspec"
	"parley/worker/bundle"
	"parley/worker/pipeline"
	"parley/worker/pipeline/draw"
	"parley/worker/pipeline/translate"
	"parley/worker/pipeline/write"
	"parley/worker/tokenizer"
)

// mixedRow is what callers see of one kind of work, alone or beside all others.
type mixedRow struct {
	what string
	// first is how long it takes to the first token or step, cancel how long from
	// cancelling until the call has ended.
	first, cancel []time.Duration
}

// studio is the families of models of one worker, which share the cores as there.
type studio struct {
	writer     *write.Writer
	translator *translate.Translator
	painter    *draw.Painter
	// short, long and longest are prompts of 32, 512 and 2,000 tokens.
	short, long, longest string
	stop                 context.CancelFunc
	wait                 sync.WaitGroup
}

// measureMixed writes with the model of a hundred million parameters, translates and draws,
// each alone, and then while the other two and a long prompt go on without a pause; and
// writes while prompts of 2,000 tokens are read, one after the other.
func measureMixed(ctx context.Context, o options, r *report) (err error) {
	s, err := openStudio(ctx, o, r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	measure := func(p probe, how string, rest time.Duration, beside ...probe) error {
		row := &mixedRow{what: p.what + ", " + how}
		halt := repeat(ctx, beside)
		defer halt()
		if err := row.measure(ctx, p, pick(o, 40, 12), rest); err != nil {
			return fmt.Errorf("%s: %w", row.what, err)
		}
		r.mixed = append(r.mixed, row)
		fmt.Println(row.line())
		return nil
	}
	for _, p := range s.probes() {
		if err := measure(p, "alone", 0); err != nil {
			return err
		}
	}
	if err := measure(s.probes()[0], "beside prompts of 2,000", 300*time.Millisecond, probe{"", s.writes(s.longest, 8)}); err != nil {
		return err
	}
	for _, p := range s.probes() {
		if err := measure(p, "beside the others", 0, s.others(p)...); err != nil {
			return err
		}
	}
	return nil
}

func openStudio(ctx context.Context, o options, r *report) (s *studio, err error) {
	s = &studio{}
	size := llama.Hundred
	size.Positions = 4096
	dir := filepath.Join(o.cache, fmt.Sprintf("llama-%s-%s-%d", llama.Shared, llama.Four, size.Positions))
	if err := llama.Write(dir, filepath.Join(o.root, "models", "caption-mini"), size, llama.Shared, llama.Four); err != nil {
		return nil, err
	}
	words, err := tokenizer.Open(dir)
	if err != nil {
		return nil, err
	}
	s.short, err = promptOf(words, 32, 0)
	if err == nil {
		s.long, err = promptOf(words, 512, 0)
	}
	if err == nil {
		s.longest, err = promptOf(words, 2000, 0)
	}
	if err != nil {
		return nil, err
	}
	all := pipeline.Options{Threads: o.threads}.WithDefaults()
	written, err := bundle.Open(dir)
	if err == nil {
		s.writer, err = write.Open(ctx, written, write.Options{Options: all})
	}
	if err != nil {
		return nil, err
	}
	translated, err := bundle.Open(filepath.Join(o.root, "models", "translate-mini"))
	if err == nil {
		s.translator, err = translate.Open(ctx, translated, translate.Options{Options: all})
	}
	if err != nil {
		return nil, errors.Join(err, s.writer.Close())
	}
	if path := o.shared("random", "lcm-random"); path == "" {
		r.lacks("drawing under mixed load: the shared test models are not here")
	} else if drawn, err := bundle.Open(path); err != nil {
		return nil, err
	} else if s.painter, err = draw.Open(ctx, drawn, all); err != nil {
		return nil, err
	}
	ctx, s.stop = context.WithCancel(ctx)
	s.wait.Go(func() { _ = s.writer.Run(ctx) })
	s.wait.Go(func() { _ = s.translator.Run(ctx) })
	if s.painter != nil {
		s.wait.Go(func() { _ = s.painter.Run(ctx) })
	}
	return s, nil
}

func (s *studio) close() error {
	s.stop()
	s.wait.Wait()
	err := errors.Join(s.writer.Close(), s.translator.Close())
	if s.painter != nil {
		err = errors.Join(err, s.painter.Close())
	}
	return err
}

// probe is one kind of work. do calls first at the first token, text or step.
type probe struct {
	what string
	do   func(ctx context.Context, first func()) error
}

// passage is a text of many sentences, which takes long enough to be cancelled.
const passage = "A child today would not do that. It rained all night. We will see each other at the station tomorrow. " +
	"The little girl has a doll in her hands. In the morning the river had left its bed. They burned all the documents. " +
	"Visitors may not feed the animals. He was late again. The man with the umbrella walks past the old station."

func (s *studio) writes(prompt string, tokens int) func(context.Context, func()) error {
	settings := fmt.Appendf(nil, `{"max_new_tokens": %d, "min_new_tokens": %d}`, tokens, tokens)
	return func(ctx context.Context, first func()) error {
		_, err := s.writer.Write(ctx, write.Job{Prompt: prompt, Settings: settings}, func(string, []int64) { first() })
		return err
	}
}

func (s *studio) translates(ctx context.Context, first func()) error {
	_, err := s.translator.Translate(ctx, jobspec.Translate{Text: passage, Source: "en", Target: "es"}, func(share float64, _ string) {
		if share > 0 {
			first()
		}
	})
	return err
}

func (s *studio) draws(ctx context.Context, first func()) error {
	_, err := s.painter.Draw(ctx, draw.Job{Prompt: "a cat", Width: 256, Height: 256, Steps: 8}, func(int, *draw.Latents) { first() })
	return err
}

func (s *studio) probes() []probe {
	all := []probe{{"write, prompt of 32", s.writes(s.short, 128)}, {"translate, 9 sentences", s.translates}}
	if s.painter != nil {
		all = append(all, probe{"draw, 256 x 256", s.draws})
	}
	return all
}

// others are all other kinds of work, and a long prompt beside those that write.
func (s *studio) others(but probe) []probe {
	return append(slices.DeleteFunc(s.probes(), func(p probe) bool { return p.what == but.what }), probe{"write, prompt of 512", s.writes(s.long, 128)})
}

// repeat keeps work under way, one caller for each kind, until halt is called.
func repeat(ctx context.Context, all []probe) (halt func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	for _, p := range all {
		wait.Go(func() {
			for ctx.Err() == nil {
				_ = p.do(ctx, func() {})
			}
		})
	}
	return func() {
		cancel()
		wait.Wait()
	}
}

// measure begins the work again and again, 0 to 9 rests apart, so that it meets what goes on
// beside it anywhere, and cancels it at the first sign of life.
func (m *mixedRow) measure(ctx context.Context, p probe, times int, rest time.Duration) error {
	for i := range times {
		select {
		case <-time.After(time.Duration(i*7%10) * rest):
		case <-ctx.Done():
			return ctx.Err()
		}
		ctx, cancel := context.WithCancel(ctx)
		begun := time.Now()
		var first, cancelled atomic.Int64
		err := p.do(ctx, func() {
			if first.CompareAndSwap(0, int64(time.Since(begun))) {
				// The work goes on for a moment before it is cut off, at another place
				// each time.
				time.AfterFunc(time.Duration(i%10)*3*time.Millisecond, func() {
					cancelled.Store(int64(time.Since(begun)))
					cancel()
				})
			}
		})
		ended := time.Since(begun)
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		m.first = append(m.first, time.Duration(first.Load()))
		if at := time.Duration(cancelled.Load()); err != nil && at > 0 {
			m.cancel = append(m.cancel, ended-at)
		}
	}
	return nil
}

func (m *mixedRow) line() string {
	return fmt.Sprintf("%s: first p50 %v, p99 %v; cancelled p50 %v, p99 %v (%d of %d were)", m.what, quantile(m.first, 0.5).Round(time.Millisecond), quantile(m.first, 0.99).Round(time.Millisecond),
		quantile(m.cancel, 0.5).Round(time.Microsecond), quantile(m.cancel, 0.99).Round(time.Microsecond), len(m.cancel), len(m.first))
}
