package translate

import (
	"context"
	"slices"
	"strings"

	"parley/worker/pipeline"
	"parley/worker/pipeline/document"
)

// passage is one text on one hop.
type passage struct {
	hop hop
	// number is the hop's place on the way.
	number int
	alone  bool
	record *record
	// beams is how many ways to say a sentence are wanted, where there are so many.
	beams int
	// progress is told the share of the hop that is done.
	progress func(share float64)

	segments []document.Segment
	// done tells for each segment that its text is final; the first complete
	// ones of them are.
	done     []bool
	complete int
	prefix   strings.Builder
	// varied are the sentences that can be said in other ways, as they were finished.
	varied []varied
}

// pending is a sentence in the engine's hands.
type pending struct {
	segment int
	rest    string
	carried []carried
}

// translate gives the segments with their sentences translated.
func (p *passage) translate(ctx context.Context, segments []document.Segment) ([]document.Segment, error) {
	inputs, sentences, err := p.prepare(ctx, segments)
	if err != nil {
		return nil, err
	}
	total, finished := 0, 0
	for _, s := range sentences {
		total += len(s.rest)
	}
	if len(sentences) == 0 {
		p.progress(1)
		return p.segments, nil
	}
	by := p.hop.by
	finish := func(i int, text string, others []Variant) {
		s := sentences[i]
		p.finish(s, text, others)
		finished += len(s.rest)
		p.record.add(Sentence{p.number, i, text, others})
		p.progress(float64(finished) / float64(total))
	}
	settings := p.hop.settings
	settings.NumReturnSequences = max(1, min(p.beams, settings.NumBeams))
	var requests []*pipeline.Request
	for i, ids := range inputs {
		if s, ok := p.record.recall(p.number, i); ok {
			finish(i, s.Text, s.Others)
			continue
		}
		requests = append(requests, &pipeline.Request{Input: ids, Settings: settings, Done: func(outputs []pipeline.Output) {
			text := by.tokenizer.Decode(outputs[0].Tokens)
			finish(i, text, variants(outputs, text, by.tokenizer.Decode))
		}})
	}
	model, release, err := by.kept.Use(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := model.Generate(ctx, requests, p.alone); err != nil {
		return nil, err
	}
	return p.segments, nil
}

// prepare cuts what is too long, takes out what the vocabulary can't write, and
// gives the ids of the sentences that are left.
func (p *passage) prepare(ctx context.Context, segments []document.Segment) ([][]int64, []pending, error) {
	for _, s := range segments {
		if !s.Sentence {
			p.segments = append(p.segments, s)
			continue
		}
		p.segments = append(p.segments, document.SplitLong(s.Text, p.fits)...)
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
	}
	p.done = make([]bool, len(p.segments))
	var inputs [][]int64
	var sentences []pending
	for i, s := range p.segments {
		p.done[i] = true
		if !s.Sentence {
			continue
		}
		rest, out := p.hop.by.carrier.prepare(s.Text)
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
	ids := append(slices.Clone(p.hop.prefix), tok.EncodeText(p.hop.words+text)...)
	return append(ids, tok.EOS())
}

// fits leaves a third of the positions free: a translation may be longer than
// its source.
func (p *passage) fits(text string) bool {
	rest, _ := p.hop.by.carrier.prepare(text)
	limit := p.hop.settings.Limit(1, p.hop.by.bundle.Config.Positions)
	return len(p.encode(rest)) <= max(limit*2/3, 4)
}

// whole puts what was taken out of the sentence into its translation.
func (s pending) whole(text string) string {
	if len(s.carried) == 0 {
		return text
	}
	return restore(text, s.rest, s.carried)
}

func (p *passage) finish(s pending, text string, others []Variant) {
	text = s.whole(text)
	p.vary(s, text, others)
	p.segments[s.segment].Text = text
	p.done[s.segment] = true
	for p.complete < len(p.segments) && p.done[p.complete] {
		p.prefix.WriteString(p.segments[p.complete].Text)
		p.complete++
	}
}

// soFar is the text up to the first sentence that is not done.
func (p *passage) soFar() string { return p.prefix.String() }
