package translate

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"parley/internal/jobspec"
	"parley/worker/pipeline"
	"parley/worker/pipeline/document"
)

// maxText is the longest text of a translation, in bytes.
const maxText = 64 << 10

// CallOption changes one call of Translate.
type CallOption func(*callOptions)

type callOptions struct {
	alone  bool
	first  bool
	record *record
}

// Alone keeps the call's sentences from sharing a batch with any other: for
// work that may have brought a worker down before.
func Alone() CallOption { return func(o *callOptions) { o.alone = true } }

// First puts the call in front of all that wait: for what somebody waits for. It takes no
// pivot, makes no alternatives, and is not counted among the calls that may be under way:
// its caller bounds how many there are.
func First() CallOption { return func(o *callOptions) { o.first = true } }

// Translate translates a text, sentence by sentence; line breaks, lists,
// indentation and the space between sentences stay, and so do addresses and
// placeholders. Texts of up to 4 KiB come with alternatives where the model searches with
// beams. It may be called concurrently, and sentences of all calls run together. progress, which may be
// nil, is called on this goroutine with the share of the text that is done (0
// to 1) and the text so far, up to the first sentence that is not; both only
// grow. When ctx ends, the sentences of this call stop and its error is
// returned; other errors are of type *pipeline.Error.
func (t *Translator) Translate(ctx context.Context, job jobspec.Translate, progress func(share float64, partial string), options ...CallOption) (jobspec.Translated, error) {
	var o callOptions
	for _, set := range options {
		set(&o)
	}
	if err := checkText(job.Text); err != nil {
		return jobspec.Translated{}, err
	}
	if err := checkTerms(job.Terms); err != nil {
		return jobspec.Translated{}, err
	}
	hops, err := t.route(job.Source, job.Target)
	if err != nil {
		return jobspec.Translated{}, err
	}
	leave, err := t.enter(ctx, o, hops)
	if err != nil {
		return jobspec.Translated{}, err
	}
	defer leave()
	source := read(job, hops[0].pair.source)
	terms := source.hideTerms(job)
	var p *passage
	segments, shown := source.segments, shown{standIns: &source.standIns}
	for i, h := range hops {
		p = &passage{hop: h, number: i, alone: o.alone, first: o.first, record: o.record}
		if len(hops) == 1 {
			p.terms = terms
		}
		last := i == len(hops)-1
		if last && !o.first && len(job.Text) <= maxVariedText {
			p.beams = 1 + jobspec.MaxAlternatives
		}
		p.progress = func(share float64) {
			if progress == nil {
				return
			}
			partial := ""
			if last {
				partial = shown.of(p.soFar())
			}
			progress((float64(i)+share)/float64(len(hops)), partial)
		}
		if segments, err = p.translate(ctx, segments); err != nil {
			return jobspec.Translated{}, err
		}
	}
	show := func(all []document.Segment) string { return source.show(document.Join(all)) }
	done := jobspec.Translated{Text: show(segments), Model: modelName(hops)}
	done.Alternatives = p.alternatives(done.Text, show)
	return done, nil
}

// enter waits until the call may begin.
func (t *Translator) enter(ctx context.Context, o callOptions, hops []hop) (leave func(), err error) {
	if o.first {
		if len(hops) > 1 {
			return nil, pipeline.NewError(jobspec.CodeUnsupportedLanguage, "The model %s does not translate directly.", t.bundle.Name)
		}
		return func() {}, nil
	}
	select {
	case t.slots <- struct{}{}:
		return func() { <-t.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func checkText(text string) error {
	switch {
	case len(text) > maxText:
		return pipeline.NewError(jobspec.CodeInvalidInput, "The text has %d bytes; at most %d can be translated.", len(text), maxText)
	case !utf8.ValidString(text):
		return pipeline.NewError(jobspec.CodeInvalidInput, "The text is not valid UTF-8.")
	}
	return nil
}

func modelName(hops []hop) string {
	var names []string
	for _, h := range hops {
		names = append(names, h.by.bundle.Name)
	}
	return strings.Join(slices.Compact(names), "+")
}
