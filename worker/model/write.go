package model

import (
	"context"
	"encoding/json"

	"parley/internal/jobspec"
	"parley/worker"
	"parley/worker/bundle"
	"parley/worker/chat"
	"parley/worker/pipeline"
	"parley/worker/pipeline/write"
)

// writing is the family of models that continue a text or a chat.
var writing = family{
	work:  jobspec.KindWrite,
	kinds: []bundle.Kind{bundle.KindCausal},
	open:  openWriters,
	verify: func(ctx context.Context, b *bundle.Bundle, o pipeline.Options, f *pipeline.Findings) error {
		return write.Verify(ctx, b, write.Options{Options: o}, f)
	},
}

func openWriters(ctx context.Context, all []*bundle.Bundle, o pipeline.Options, refuse func(*bundle.Bundle, error)) []Model {
	// Nothing that users can ask for needs them yet, so they take no memory before.
	o.OnUse = true
	var models []Model
	for _, b := range all {
		w, err := write.Open(ctx, b, write.Options{Options: o})
		if err != nil {
			refuse(b, err)
			continue
		}
		models = append(models, Model{Handlers: []worker.Handler{writer{w, b.Name}}, Close: w.Close})
	}
	return models
}

// writer is the handler of one language model.
type writer struct {
	*write.Writer
	name string
}

// textSoFar is what an attempt keeps of a text.
type textSoFar struct {
	Tokens []int64 `json:"tokens"`
}

// Bundle implements worker.Handler.
func (h writer) Bundle() jobspec.Bundle {
	return jobspec.Bundle{Name: h.name, Kind: jobspec.KindWrite, Pool: jobspec.Token(h.name)}
}

// Handle implements worker.Handler: a jobspec.Write becomes a jobspec.Written. A single
// text that is not searched with beams goes on behind the tokens that an earlier attempt
// kept; others begin anew. How far it is can't be told: a text ends where it ends.
func (h writer) Handle(ctx context.Context, t worker.Task, progress func(float64, string)) (json.RawMessage, error) {
	in, err := worker.Decode[jobspec.Write](t.Payload)
	if err != nil {
		return nil, err
	}
	job := write.Job{Prompt: in.Prompt, Settings: in.Settings, Seed: in.Seed}
	for _, m := range in.Messages {
		job.Messages = append(job.Messages, chat.Text(m.Role, m.Content))
	}
	var before textSoFar
	if json.Unmarshal(t.Recorded, &before) == nil {
		job.Recorded = before.Tokens
	}
	told := func(text string, tokens []int64) {
		t.Keep(textSoFar{tokens[:len(tokens):len(tokens)]})
		progress(0, text)
	}
	written, err := h.Write(ctx, job, told)
	if job.Recorded != nil && isRefused(err) {
		job.Recorded = nil
		written, err = h.Write(ctx, job, told)
	}
	if err != nil {
		return nil, withCode(err)
	}
	out := jobspec.Written{Model: h.name}
	for _, w := range written {
		out.Texts = append(out.Texts, jobspec.WrittenText{Text: w.Text, Tokens: len(w.Tokens), End: string(w.End)})
	}
	return worker.Encode(out)
}
