// Package pipeline does the work of a worker: it turns a job's payload into its
// result with a loaded model.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"sort"

	"golang.org/x/text/language"

	"parley/internal/jobspec"
	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/tokenizer"
)

// pivotLanguage is what texts go through where no direct way exists.
const pivotLanguage = "en"

// Options are the settings of a Translator. The zero value is usable.
type Options struct {
	// Library is the path of ONNX Runtime's shared library, "" to look for it.
	Library string
	// Threads is how many threads a run may use; 0 means one for each core.
	Threads int
	// Gate keeps several models from running at once; nil means one of its own.
	Gate *Gate
	// BatchRows is the greatest number of sentences that run together, 32 when
	// 0. BatchTokens bounds sentences times beams times padded length, 16384
	// when 0; a single sentence always runs.
	BatchRows, BatchTokens int
	// MaxCalls is how many calls of Translate may be under way; more wait. 0
	// means 256.
	MaxCalls int
}

func (o Options) withDefaults() Options {
	if o.Threads <= 0 {
		o.Threads = goruntime.NumCPU()
	}
	if o.Gate == nil {
		o.Gate = NewGate(1)
	}
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
	model     *seq2seq
	engine    *engine
	direct    map[pair]hop
	pivots    map[pair][]hop
	slots     chan struct{}
}

type pair struct{ source, target string }

// hop is one translation on the way.
type hop struct {
	by     *Translator
	pair   pair
	prefix []int64
}

// Open loads the bundle in dir, which takes well under a second for a small
// model. The translator works while Run runs. Errors are of type *Error.
func Open(ctx context.Context, dir string, o Options) (*Translator, error) {
	o = o.withDefaults()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b, err := bundle.Open(dir)
	if err != nil {
		return nil, modelError(dir, err)
	}
	if !b.Kind.Runnable() {
		return nil, newError(jobspec.CodeModelBroken, "The model %s is of a kind that can't run yet (%s).", b.Name, b.Kind)
	}
	if err := onnx.Start(o.Library); err != nil {
		return nil, &Error{Code: jobspec.CodeInternal, Message: "The worker has no ONNX Runtime.", cause: err}
	}
	t := &Translator{bundle: b, slots: make(chan struct{}, o.MaxCalls)}
	if err := t.load(o); err != nil {
		return nil, modelError(b.Name, errors.Join(err, t.closeModel()))
	}
	if names := b.Generation.Unsupported(); len(names) > 0 {
		slog.Warn("generation settings without effect", "model", b.Name, "settings", names)
	}
	return t, nil
}

func (t *Translator) load(o Options) error {
	var err error
	if t.tokenizer, err = tokenizer.Open(t.bundle.Dir); err != nil {
		return fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	t.carrier = &carrier{knows: t.tokenizer.Knows}
	if t.model, err = openSeq2seq(t.bundle, o.Threads); err != nil {
		return err
	}
	directions, err := t.bundle.Directions(t.tokenizer.LanguageTokens())
	if err != nil {
		return err
	}
	t.direct = map[pair]hop{}
	for _, d := range directions {
		h := hop{by: t, pair: pair{d.Source, d.Target}}
		if d.Prefix != "" {
			id, ok := t.tokenizer.ID(d.Prefix)
			if !ok {
				return fmt.Errorf("%w: the vocabulary has no %q", bundle.ErrBroken, d.Prefix)
			}
			h.prefix = []int64{id}
		}
		t.direct[h.pair] = h
	}
	t.engine = newEngine(t.bundle.Name, t.model, t.bundle.Generation, o)
	Link(t)
	return nil
}

// Link lets each translator go on through any of the others where that joins
// two languages by way of English that none of them joins directly. The
// translator that knows the source announces the pivot, and the other one must
// run too. Link must be called before the translators run.
func Link(all ...*Translator) {
	for _, t := range all {
		t.pivots = map[pair][]hop{}
		for first := range t.direct {
			if first.target != pivotLanguage {
				continue
			}
			for _, u := range append([]*Translator{t}, all...) {
				t.addPivots(first, u, all)
			}
		}
	}
}

func (t *Translator) addPivots(first pair, u *Translator, all []*Translator) {
	for second, h := range u.direct {
		whole := pair{first.source, second.target}
		if second.source != pivotLanguage || whole.source == whole.target || t.pivots[whole] != nil {
			continue
		}
		known := false
		for _, other := range all {
			_, ok := other.direct[whole]
			known = known || ok
		}
		if !known {
			t.pivots[whole] = []hop{t.direct[first], h}
		}
	}
}

// Bundle is what the worker announces.
func (t *Translator) Bundle() jobspec.Bundle {
	b := jobspec.Bundle{Name: t.bundle.Name, Kind: jobspec.KindTranslate, Pool: jobspec.Token(t.bundle.Name)}
	for p := range t.direct {
		b.Directions = append(b.Directions, jobspec.Direction{Source: p.source, Target: p.target})
	}
	for p := range t.pivots {
		b.Directions = append(b.Directions, jobspec.Direction{Source: p.source, Target: p.target, Pivot: true})
	}
	sort.Slice(b.Directions, func(i, j int) bool {
		x, y := b.Directions[i], b.Directions[j]
		return x.Source < y.Source || x.Source == y.Source && x.Target < y.Target
	})
	return b
}

// route finds the way from one language to another; a tag that is more precise
// than the bundle's ("en-GB") is served by the wider one ("en").
func (t *Translator) route(source, target string) ([]hop, error) {
	for _, s := range widening(source) {
		for _, g := range widening(target) {
			if h, ok := t.direct[pair{s, g}]; ok {
				return []hop{h}, nil
			}
		}
	}
	for _, s := range widening(source) {
		for _, g := range widening(target) {
			if hops, ok := t.pivots[pair{s, g}]; ok {
				return hops, nil
			}
		}
	}
	return nil, newError(jobspec.CodeUnsupportedLanguage, "The model %s does not translate from %q to %q.", t.bundle.Name, source, target)
}

// widening gives a tag and what it falls back to.
func widening(tag string) []string {
	all := []string{tag}
	parsed, err := language.Parse(tag)
	for err == nil && !parsed.IsRoot() {
		if s := parsed.String(); s != all[len(all)-1] {
			all = append(all, s)
		}
		parsed = parsed.Parent()
	}
	return all
}

// Run works until ctx ends and then returns nil, after the model's run under
// way has stopped. Calls of Translate that still wait fail. It may be called
// once.
func (t *Translator) Run(ctx context.Context) error { return t.engine.run(ctx) }

// Close releases the model. Run must have returned, or never have been called.
func (t *Translator) Close() error {
	t.engine.generator.close()
	return t.closeModel()
}

func (t *Translator) closeModel() error {
	if t.model == nil {
		return nil
	}
	return t.model.close()
}
