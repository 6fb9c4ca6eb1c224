package model

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode"

	"parley/internal/jobspec"
	"parley/worker"
	"parley/worker/bundle"
	"parley/worker/chat"
	"parley/worker/onnx"
	"parley/worker/pipeline"
	"parley/worker/pipeline/write"
)

// writing is the family of models that continue a text or a chat.
var writing = family{
	work:  jobspec.KindWrite,
	kinds: []bundle.Kind{bundle.KindCausal, bundle.KindT5Writer},
	open:  openWriters,
	verify: func(ctx context.Context, b *bundle.Bundle, o pipeline.Options, f *pipeline.Findings) error {
		return write.Verify(ctx, b, write.Options{Options: o}, f)
	},
}

func openWriters(ctx context.Context, all []*bundle.Bundle, o pipeline.Options, refuse func(*bundle.Bundle, error)) []Model {
	// They are large and not always wanted, so they take no memory before their first use.
	o.OnUse = true
	var models []Model
	for _, b := range all {
		w, err := write.Open(ctx, b, write.Options{Options: o})
		if err != nil {
			refuse(b, err)
			continue
		}
		digest, err := writerDigest(b)
		if err != nil {
			refuse(b, errors.Join(pipeline.ModelError(b.Name, err), w.Close()))
			continue
		}
		h := writer{Writer: w, name: b.Name, digest: digest, candidates: min(max(b.Card.Candidates, 1), bundle.MaxCandidates)}
		models = append(models, Model{Handlers: []worker.Handler{h}, Close: w.Close})
	}
	return models
}

// writerDigest is the identity of the bundle with the graphs that it is run with.
func writerDigest(b *bundle.Bundle) (string, error) {
	if b.Kind == bundle.KindT5Writer {
		return encoderDecoderDigest(b)
	}
	return b.Identity("model")
}

// writer is the handler of one language model.
type writer struct {
	*write.Writer
	name, digest string
	// candidates is how many texts are drawn where a task does not say.
	candidates int
}

// textSoFar is what an attempt keeps of a text.
type textSoFar struct {
	Tokens []int64 `json:"tokens"`
}

// Bundle implements worker.Handler.
func (h writer) Bundle() jobspec.Bundle {
	return jobspec.Bundle{Name: h.name, Kind: jobspec.KindWrite, Pool: jobspec.Token(h.name), Digest: h.digest}
}

// QuerySubject implements worker.Answerer.
func (h writer) QuerySubject() string { return jobspec.QuerySubject(jobspec.KindWrite, h.digest) }

// Answer implements worker.Answerer: a jobspec.PromptQuery becomes a jobspec.PromptAnswer.
// A language model reads a prompt whole or not at all.
func (h writer) Answer(_ context.Context, query json.RawMessage) (json.RawMessage, error) {
	in, err := worker.Decode[jobspec.PromptQuery](query)
	if err != nil {
		return nil, err
	}
	tokens, err := h.Tokens(write.Job{Ask: in.Prompt})
	if err != nil {
		return nil, withCode(err)
	}
	return worker.Encode(jobspec.PromptAnswer{Tokens: len(tokens), Most: h.Positions(), Kept: len(in.Prompt)})
}

// Handle implements worker.Handler: a jobspec.Write becomes a jobspec.Written. A single
// text that is not searched with beams goes on behind the tokens that an earlier attempt
// kept; others begin anew. How far it is can't be told: a text ends where it ends.
func (h writer) Handle(ctx context.Context, t worker.Task, progress func(float64, string)) (json.RawMessage, error) {
	in, err := worker.Decode[jobspec.Write](t.Payload)
	if err != nil {
		return nil, err
	}
	if err := sameDigest(in.Digest, h.digest); err != nil {
		return nil, err
	}
	job, candidates, err := h.job(in)
	if err != nil {
		return nil, withCode(err)
	}
	job.Stopped = t.Stopped
	var before textSoFar
	if candidates == 1 && json.Unmarshal(t.Recorded, &before) == nil {
		job.Recorded = before.Tokens
	}
	told := func(text string, tokens []int64) {
		t.Keep(textSoFar{tokens[:len(tokens):len(tokens)]})
		progress(0, trimmed(in, text))
	}
	written, err := h.Write(ctx, job, told)
	if job.Recorded != nil && isRefused(err) {
		job.Recorded = nil
		written, err = h.Write(ctx, job, told)
	}
	if err != nil {
		return nil, withCode(err)
	}
	return h.result(in, job, written, candidates)
}

// sameDigest refuses work that is to be done as another model did it.
func sameDigest(wanted, own string) error {
	if wanted == "" || wanted == own {
		return nil
	}
	return refused("The model has other files by now than those that are to do it.")
}

// trimmed leaves out the space between a user's wish and the text.
func trimmed(in jobspec.Write, text string) string {
	if in.Ask == "" {
		return text
	}
	return strings.TrimLeftFunc(text, unicode.IsSpace)
}

// job is the text that a task asks for, and of how many candidates the best is wanted.
func (h writer) job(in jobspec.Write) (job write.Job, candidates int, err error) {
	job = write.Job{Prompt: in.Prompt, Ask: in.Ask, Rendered: in.Rendered, Settings: in.Settings, Seed: in.Seed}
	for _, m := range in.Messages {
		job.Messages = append(job.Messages, chat.Text(m.Role, m.Content))
	}
	if in.Ask == "" {
		return job, 1, nil
	}
	if candidates = in.Candidates; candidates == 0 {
		candidates = h.candidates
	}
	if candidates == 1 {
		return job, 1, nil
	}
	settings, err := h.Settings(in.Settings)
	switch {
	case err != nil:
		return job, 0, err
	case !settings.DoSample:
		return job, 1, nil // they would all be the same
	case candidates < 1 || candidates > bundle.MaxCandidates:
		return job, 0, pipeline.NewError(jobspec.CodeInvalidInput, "%d candidates can't be drawn: 1 to %d can.", candidates, bundle.MaxCandidates)
	}
	job.Settings, err = withSequences(in.Settings, candidates)
	return job, candidates, err
}

// withSequences adds to settings how many texts are wanted.
func withSequences(settings json.RawMessage, n int) (json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	if len(settings) > 0 {
		if err := json.Unmarshal(settings, &all); err != nil {
			return nil, pipeline.NewError(jobspec.CodeInvalidInput, "The settings are no JSON object.")
		}
	}
	count, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	all["num_return_sequences"] = count
	return json.Marshal(all)
}

// result says what was written, how and of what. Of candidates only the best is told.
func (h writer) result(in jobspec.Write, job write.Job, written []write.Written, candidates int) (json.RawMessage, error) {
	settings, err := h.Settings(job.Settings)
	if err != nil {
		return nil, withCode(err)
	}
	prompt, rendered, err := h.Read(job)
	if err != nil {
		return nil, withCode(err)
	}
	tokens, err := h.Tokens(job)
	if err != nil {
		return nil, withCode(err)
	}
	if candidates > 1 {
		// Of texts that were stopped nobody knows where each was, whichever is taken.
		stopped := slices.ContainsFunc(written, func(w write.Written) bool { return w.End == write.EndStopped })
		written = []write.Written{mostWordsOf(in.Ask, written)}
		if stopped {
			written[0].End = write.EndStopped
		}
	}
	out := jobspec.Written{
		Model: h.name, Digest: h.digest, Runtime: onnx.Version(), Seed: in.Seed, Prompt: prompt, Rendered: rendered, Candidates: candidates,
		Settings: jobspec.WriteSettings{
			MaxNewTokens: h.Longest(settings, tokens), DoSample: settings.DoSample, Temperature: settings.Temperature,
			TopK: settings.TopK, TopP: settings.TopP, RepetitionPenalty: settings.RepetitionPenalty,
		},
	}
	for _, w := range written {
		out.Texts = append(out.Texts, jobspec.WrittenText{Text: trimmed(in, w.Text), Tokens: len(w.Tokens), End: string(w.End)})
	}
	return worker.Encode(out)
}
