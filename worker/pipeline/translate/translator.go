// Package translate is the family of translation models (Marian, M2M100, NLLB, T5),
// with sentences, layout and what a vocabulary lacks kept where they were, and pivots
// between bundles.
package translate

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync/atomic"

	"parley/internal/jobspec"
	"parley/worker/bundle"
	"parley/worker/pipeline"
	"parley/worker/pipeline/decoder"
	"parley/worker/tokenizer"
)

// Options are the settings of a Translator. The zero value is usable.
type Options struct {
	pipeline.Options
	// BatchRows is the greatest number of sentences that run together, 32 when
	// 0. BatchTokens bounds sentences times beams times padded length, 16384
	// when 0; a single sentence always runs.
	BatchRows, BatchTokens int
	// MaxCalls is how many calls of Translate may be under way; more wait. 0
	// means 256.
	MaxCalls int
}

func (o Options) withDefaults() Options {
	o.Options = o.WithDefaults()
	if o.BatchRows <= 0 {
		o.BatchRows = 32
	}
	if o.BatchTokens <= 0 {
		o.BatchTokens = 16384
	}
	if o.MaxCalls <= 0 {
		o.MaxCalls = 256
	}
	return o
}

// Translator translates with one bundle, and where Link joined it to others
// with theirs for the second half of a pivot.
type Translator struct {
	bundle    *bundle.Bundle
	tokenizer *tokenizer.Tokenizer
	carrier   *carrier
	kept      *pipeline.Kept[*loaded]
	direct    map[pair]hop
	// mesh has the tokens of languages, by tag, of which every pair is direct; nil where
	// direct has all of them.
	mesh map[string]string
	// pivots are exchanged as a whole by Link.
	pivots atomic.Pointer[map[pair][]hop]
	slots  chan struct{}
}

// Open loads a bundle, which takes well under a second for a small model. The
// translator works while Run runs. Errors are of type *pipeline.Error, but for
// that of ctx.
func Open(ctx context.Context, b *bundle.Bundle, o Options) (*Translator, error) {
	o = o.withDefaults()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.StartRuntime(); err != nil {
		return nil, err
	}
	t := &Translator{bundle: b, slots: make(chan struct{}, o.MaxCalls)}
	if err := t.load(ctx, o); err != nil {
		return nil, pipeline.ModelError(b.Name, errors.Join(err, t.Close()))
	}
	return t, nil
}

// loaded is the model in memory.
type loaded struct {
	model *decoder.Seq2seq
	*pipeline.Engine
}

// Close releases the model.
func (l *loaded) Close() error { return l.model.Close() }

func (t *Translator) open(o Options) (*loaded, error) {
	m, err := decoder.OpenSeq2seq(t.bundle, o.Threads)
	if err != nil {
		return nil, pipeline.ModelError(t.bundle.Name, err)
	}
	return &loaded{model: m, Engine: pipeline.NewEngine(pipeline.EngineConfig{
		Model: t.bundle.Name, Generator: pipeline.NewGenerator(m, o.Gate), Rows: o.BatchRows, Tokens: o.BatchTokens,
	})}, nil
}

func (t *Translator) load(ctx context.Context, o Options) error {
	summary, err := t.bundle.Summary()
	if err != nil {
		return err
	}
	if t.tokenizer, err = tokenizer.Open(t.bundle.Dir); err != nil {
		return fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	t.carrier = &carrier{knows: t.tokenizer.Knows}
	if t.direct, err = t.directions(); err != nil {
		return err
	}
	Link(t)
	t.kept = pipeline.Keep(o.Keeper, t.bundle.Name, summary.Memory, func() (*loaded, error) { return t.open(o) })
	if o.OnUse {
		return nil
	}
	_, release, err := t.kept.Use(ctx)
	if err == nil {
		release()
	}
	return err
}

// directions are what the bundle translates by itself.
func (t *Translator) directions() (map[pair]hop, error) {
	directions, err := t.bundle.Directions(t.tokenizer.LanguageTokens())
	if err != nil {
		return nil, err
	}
	t.mesh = t.bundle.Mesh(t.tokenizer.LanguageTokens())
	direct := map[pair]hop{}
	for _, d := range directions {
		h, err := t.hop(d)
		if err != nil {
			return nil, err
		}
		direct[h.pair] = h
	}
	return direct, nil
}

// hop is how the bundle is asked for a direction.
func (t *Translator) hop(d bundle.Direction) (hop, error) {
	h := hop{by: t, pair: pair{d.Source, d.Target}, settings: t.bundle.Generation}
	token := func(text string) (int64, error) {
		id, ok := t.tokenizer.ID(text)
		if !ok {
			return 0, fmt.Errorf("%w: the vocabulary has no %q", bundle.ErrBroken, text)
		}
		return id, nil
	}
	switch {
	case t.bundle.Kind == bundle.KindNLLB:
		from, err := token(d.From)
		if err != nil {
			return hop{}, err
		}
		to, err := token(d.To)
		h.prefix, h.settings.ForcedBOS = []int64{from}, &to
		return h, err
	case t.bundle.Kind == bundle.KindT5:
		h.words = d.Prefix
	case d.Prefix != "":
		id, err := token(d.Prefix)
		h.prefix = []int64{id}
		return h, err
	}
	return h, nil
}

// Bundle is what the worker announces.
func (t *Translator) Bundle() jobspec.Bundle {
	b := jobspec.Bundle{Name: t.bundle.Name, Kind: jobspec.KindTranslate, Pool: jobspec.Token(t.bundle.Name)}
	for p := range t.direct {
		b.Directions = append(b.Directions, jobspec.Direction{Source: p.source, Target: p.target})
	}
	for tag := range t.mesh {
		b.Mesh = append(b.Mesh, tag)
	}
	sort.Strings(b.Mesh)
	for p := range *t.pivots.Load() {
		b.Directions = append(b.Directions, jobspec.Direction{Source: p.source, Target: p.target, Pivot: true})
	}
	sort.Slice(b.Directions, func(i, j int) bool {
		x, y := b.Directions[i], b.Directions[j]
		return x.Source < y.Source || x.Source == y.Source && x.Target < y.Target
	})
	return b
}

// Run works until ctx ends and then returns nil, after the model's run under
// way has stopped. Calls of Translate that still wait fail. It may be called
// once.
func (t *Translator) Run(ctx context.Context) error { return t.kept.Run(ctx) }

// Close releases the model. Run must have returned, or never have been called.
func (t *Translator) Close() error {
	if t.kept == nil {
		return nil
	}
	return t.kept.Close()
}
