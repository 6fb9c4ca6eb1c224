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
	first  bool
	record *record
	// beams is how many ways to say a sentence are wanted, where there are so many.
	beams int
	// terms are those that stand-ins hide; where there are none, they only pass through.
	terms hiddenTerms
	// lone is what the model makes of each term alone.
	lone map[*hiddenTerm]string
	// progress is told the share of the hop that is done.
	progress func(share float64)

	segments []document.Segment
	// done tells for each segment that its text is final; the first complete
	// ones of them are.
	done     []bool
	complete int
	prefix   strings.Builder
	// total and finished are the sizes of all sentences and of those that are done.
	total, finished int
	// varied are the sentences that can be said in other ways, as they were finished.
	varied []varied
}

// pending is a sentence in the engine's hands.
type pending struct {
	index, segment int
	// terms are those of it that are hidden, readings the ways to read it that are left.
	terms    map[*hiddenTerm]int
	readings []reading
	size     int
}

// translate gives the segments with their sentences translated.
func (p *passage) translate(ctx context.Context, segments []document.Segment) ([]document.Segment, error) {
	sentences, err := p.prepare(ctx, segments)
	if err != nil {
		return nil, err
	}
	if len(sentences) == 0 {
		p.progress(1)
		return p.segments, nil
	}
	for _, s := range sentences {
		p.total += s.size
	}
	sentences = slices.DeleteFunc(sentences, p.recall)
	model, release, err := p.hop.by.kept.Use(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := p.translateTerms(ctx, model, sentences); err != nil {
		return nil, err
	}
	for len(sentences) > 0 {
		if sentences, err = p.pass(ctx, model, sentences); err != nil {
			return nil, err
		}
	}
	return p.segments, nil
}

// recall finishes a sentence that an earlier attempt translated.
func (p *passage) recall(s *pending) bool {
	known, ok := p.record.recall(p.number, s.index)
	if !ok {
		return false
	}
	at := slices.IndexFunc(s.readings, func(r reading) bool { return r.way == way(known.Way) })
	if at < 0 {
		return false
	}
	p.finish(s, s.readings[at], known.Text, known.Others)
	return true
}

// pass translates sentences, each in the first of its ways, and gives those that need
// another pass.
func (p *passage) pass(ctx context.Context, model *loaded, sentences []*pending) (left []*pending, err error) {
	settings := p.hop.settings
	settings.NumReturnSequences = max(1, min(p.beams, settings.NumBeams))
	var requests []*pipeline.Request
	for _, s := range sentences {
		if p.hopeless(s) {
			s.readings = s.readings[1:]
		}
		r := s.readings[0]
		write := func(tokens []int64) string { return p.place(s, r, p.hop.by.tokenizer.Decode(tokens)) }
		requests = append(requests, &pipeline.Request{Input: r.ids, Settings: settings, Done: func(outputs []pipeline.Output) {
			text := write(outputs[0].Tokens)
			if text == "" && r.way != carriedOver {
				s.readings = s.readings[1:]
				left = append(left, s)
				return
			}
			p.finish(s, r, text, variants(outputs, text, write))
		}})
	}
	if p.first {
		err = model.GenerateFirst(ctx, requests)
		return left, err
	}
	err = model.Generate(ctx, requests, p.alone)
	return left, err
}

// prepare cuts what is too long, takes out what the vocabulary can't write, and
// gives the sentences that are left.
func (p *passage) prepare(ctx context.Context, segments []document.Segment) ([]*pending, error) {
	for _, s := range segments {
		if !s.Sentence {
			p.segments = append(p.segments, s)
			continue
		}
		p.segments = append(p.segments, document.SplitLong(s.Text, p.fits)...)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	p.done = make([]bool, len(p.segments))
	var sentences []*pending
	for i, s := range p.segments {
		p.done[i] = true
		if !s.Sentence {
			continue
		}
		over := p.read(carriedOver, s.Text)
		if over.rest == "" {
			continue
		}
		p.done[i] = false
		sentences = append(sentences, &pending{
			index: len(sentences), segment: i, terms: p.terms.in(s.Text), readings: p.readings(s.Text, over), size: len(over.rest),
		})
	}
	return sentences, nil
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

func (p *passage) finish(s *pending, r reading, text string, others []Variant) {
	whole := r.whole(text)
	p.vary(s.segment, r, whole, others)
	p.segments[s.segment].Text = whole
	p.done[s.segment] = true
	for p.complete < len(p.segments) && p.done[p.complete] {
		p.prefix.WriteString(p.segments[p.complete].Text)
		p.complete++
	}
	p.finished += s.size
	p.record.add(Sentence{p.number, s.index, string(r.way), text, others})
	p.progress(float64(p.finished) / float64(p.total))
}

// soFar is the text up to the first sentence that is not done.
func (p *passage) soFar() string { return p.prefix.String() }
