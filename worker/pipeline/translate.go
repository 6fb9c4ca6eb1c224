package pipeline

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"parley/internal/jobspec"
)

// maxText is the longest text of a translation, in bytes.
const maxText = 64 << 10

// CallOption changes one call of Translate.
type CallOption func(*callOptions)

type callOptions struct{ alone bool }

// Alone keeps the call's sentences from sharing a batch with any other: for
// work that may have brought a worker down before.
func Alone() CallOption { return func(o *callOptions) { o.alone = true } }

// Translate translates a text, sentence by sentence; line breaks, lists,
// indentation and the space between sentences stay. It may be called
// concurrently, and sentences of all calls run together. report, which may be
// nil, is called on this goroutine with the share of the text that is done (0
// to 1) and the text so far, up to the first sentence that is not; both only
// grow. When ctx ends, the sentences of this call stop and its error is
// returned; other errors are of type *Error.
func (t *Translator) Translate(ctx context.Context, job jobspec.Translate, report func(progress float64, partial string), options ...CallOption) (jobspec.Translated, error) {
	var o callOptions
	for _, set := range options {
		set(&o)
	}
	if err := checkText(job.Text); err != nil {
		return jobspec.Translated{}, err
	}
	hops, err := t.route(job.Source, job.Target)
	if err != nil {
		return jobspec.Translated{}, err
	}
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return jobspec.Translated{}, ctx.Err()
	}
	segments := splitDocument(job.Text, hops[0].pair.source)
	for i, h := range hops {
		p := &passage{hop: h, alone: o.alone}
		last := i == len(hops)-1
		p.report = func(progress float64) {
			if report == nil {
				return
			}
			partial := ""
			if last {
				partial = p.soFar()
			}
			report((float64(i)+progress)/float64(len(hops)), partial)
		}
		if segments, err = p.translate(ctx, segments); err != nil {
			return jobspec.Translated{}, err
		}
	}
	return jobspec.Translated{Text: joinSegments(segments), Model: modelName(hops)}, nil
}

func checkText(text string) error {
	switch {
	case len(text) > maxText:
		return newError(jobspec.CodeInvalidInput, "The text has %d bytes; at most %d can be translated.", len(text), maxText)
	case !utf8.ValidString(text):
		return newError(jobspec.CodeInvalidInput, "The text is not valid UTF-8.")
	}
	return nil
}

func joinSegments(segments []segment) string {
	var out strings.Builder
	for _, s := range segments {
		out.WriteString(s.text)
	}
	return out.String()
}

func modelName(hops []hop) string {
	var names []string
	for _, h := range hops {
		names = append(names, h.by.bundle.Name)
	}
	return strings.Join(slices.Compact(names), "+")
}

// passage is one text on one hop.
type passage struct {
	hop    hop
	alone  bool
	report func(progress float64)

	segments []segment
	// done tells for each segment that its text is final; the first complete
	// ones of them are.
	done     []bool
	complete int
	prefix   strings.Builder
}

// pending is a sentence in the engine's hands.
type pending struct {
	segment int
	rest    string
	carried []carried
}

// translate gives the segments with their sentences translated.
func (p *passage) translate(ctx context.Context, segments []segment) ([]segment, error) {
	inputs, sentences, err := p.prepare(ctx, segments)
	if err != nil {
		return nil, err
	}
	total, finished := 0, 0
	for _, s := range sentences {
		total += len(s.rest)
	}
	if len(sentences) == 0 {
		p.report(1)
		return p.segments, nil
	}
	e := p.hop.by.engine
	c := e.submit(ctx, inputs, p.alone)
	defer e.withdraw(c)
	for range sentences {
		select {
		case out := <-c.outcomes:
			if out.err != nil {
				return nil, out.err
			}
			s := sentences[out.index]
			p.finish(s, p.hop.by.tokenizer.Decode(out.output))
			finished += len(s.rest)
			p.report(float64(finished) / float64(total))
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-e.ended:
			return nil, newError(jobspec.CodeInternal, "The worker is stopping.")
		}
	}
	return p.segments, nil
}

// prepare cuts what is too long, takes out what the vocabulary can't write, and
// gives the ids of the sentences that are left.
func (p *passage) prepare(ctx context.Context, segments []segment) ([][]int64, []pending, error) {
	for _, s := range segments {
		if !s.sentence {
			p.segments = append(p.segments, s)
			continue
		}
		p.segments = append(p.segments, splitLong(s.text, p.fits)...)
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
	}
	p.done = make([]bool, len(p.segments))
	var inputs [][]int64
	var sentences []pending
	for i, s := range p.segments {
		p.done[i] = true
		if !s.sentence {
			continue
		}
		rest, out := p.hop.by.carrier.prepare(s.text)
		if rest == "" {
			continue
		}
		ids := p.encode(rest)
		p.done[i] = false
		inputs = append(inputs, ids)
		sentences = append(sentences, pending{segment: i, rest: rest, carried: out})
	}
	return inputs, sentences, nil
}

func (p *passage) encode(text string) []int64 {
	tok := p.hop.by.tokenizer
	ids := append(slices.Clone(p.hop.prefix), tok.EncodeText(text)...)
	return append(ids, tok.EOS())
}

// fits leaves a third of the positions free: a translation may be longer than
// its source.
func (p *passage) fits(text string) bool {
	rest, _ := p.hop.by.carrier.prepare(text)
	limit := p.hop.by.bundle.Generation.Limit(p.hop.by.model.positions)
	return len(p.encode(rest)) <= max(limit*2/3, 4)
}

func (p *passage) finish(s pending, text string) {
	if len(s.carried) > 0 {
		text = restore(text, s.rest, s.carried)
	}
	p.segments[s.segment].text = text
	p.done[s.segment] = true
	for p.complete < len(p.segments) && p.done[p.complete] {
		p.prefix.WriteString(p.segments[p.complete].text)
		p.complete++
	}
}

// soFar is the text up to the first sentence that is not done.
func (p *passage) soFar() string { return p.prefix.String() }
