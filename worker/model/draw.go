package model

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"

	"parley/internal/jobspec"
	"parley/worker"
	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/picture"
	"parley/worker/pipeline"
	"parley/worker/pipeline/draw"
)

// drawing is the family of models that make pictures of words.
var drawing = family{work: jobspec.KindDraw, kinds: []bundle.Kind{bundle.KindDiffusion}, open: openPainters, verify: draw.Verify}

func openPainters(ctx context.Context, all []*bundle.Bundle, o pipeline.Options, refuse func(*bundle.Bundle, error)) []Model {
	// They are large and not always wanted, so they take no memory before their first use.
	o.OnUse = true
	var models []Model
	for _, b := range all {
		p, err := draw.Open(ctx, b, o)
		if err != nil {
			refuse(b, err)
			continue
		}
		digest, err := b.Identity("text_encoder", "unet", "vae_decoder")
		if err != nil {
			refuse(b, errors.Join(pipeline.ModelError(b.Name, err), p.Close()))
			continue
		}
		models = append(models, Model{Handlers: []worker.Handler{painter{p, b.Name, digest}}, Close: p.Close})
	}
	return models
}

// painter is the handler of one model that draws.
type painter struct {
	*draw.Painter
	name, digest string
}

// pictureSoFar is what an attempt keeps of a picture: numbers as little-endian float32.
type pictureSoFar struct {
	Step     int    `json:"step"`
	Values   []byte `json:"values"`
	Denoised []byte `json:"denoised,omitempty"`
}

// Bundle implements worker.Handler.
func (h painter) Bundle() jobspec.Bundle {
	return jobspec.Bundle{Name: h.name, Kind: jobspec.KindDraw, Pool: jobspec.Token(h.name), Digest: h.digest}
}

// QuerySubject implements worker.Answerer.
func (h painter) QuerySubject() string { return jobspec.QuerySubject(jobspec.KindDraw, h.digest) }

// Answer implements worker.Answerer: a jobspec.PromptQuery becomes a jobspec.PromptAnswer.
// A picture that can't be drawn is refused as its task would be.
func (h painter) Answer(_ context.Context, query json.RawMessage) (json.RawMessage, error) {
	in, err := worker.Decode[jobspec.PromptQuery](query)
	if err != nil {
		return nil, err
	}
	if in.Draw != nil {
		if err := h.Check(drawJob(*in.Draw)); err != nil {
			return nil, withCode(err)
		}
	}
	tokens, most, kept, err := h.Reads(in.Prompt)
	if err != nil {
		return nil, withCode(err)
	}
	return worker.Encode(jobspec.PromptAnswer{Tokens: tokens, Most: most, Kept: kept})
}

// Handle implements worker.Handler: a jobspec.Draw becomes a jobspec.Drawn. A picture
// goes on behind the step that an earlier attempt kept.
func (h painter) Handle(ctx context.Context, t worker.Task, progress func(float64, string)) (json.RawMessage, error) {
	in, err := worker.Decode[jobspec.Draw](t.Payload)
	if err != nil {
		return nil, err
	}
	if err := sameDigest(in.Digest, h.digest); err != nil {
		return nil, err
	}
	job := drawJob(in)
	if err := h.Complete(&job); err != nil {
		return nil, withCode(err)
	}
	job.Recorded = latentsOf(t.Recorded)
	told := func(total int, l *draw.Latents) {
		t.Keep(pictureSoFar{Step: l.Step, Values: bytesOf(l.Values), Denoised: bytesOf(l.Denoised)})
		if preview, err := h.preview(l, job.Width); err == nil {
			t.Show(preview)
		}
		progress(float64(l.Step)/float64(total+1), "")
	}
	p, err := h.Draw(ctx, job, told)
	if job.Recorded != nil && isRefused(err) {
		job.Recorded = nil
		p, err = h.Draw(ctx, job, told)
	}
	if err != nil {
		return nil, withCode(err)
	}
	file, err := picture.EncodePNG(p)
	if err != nil {
		return nil, err
	}
	return worker.Encode(jobspec.Drawn{
		PNG: file, Width: p.Width, Height: p.Height, Model: h.name, Digest: h.digest, Runtime: onnx.Version(),
		Prompt: in.Prompt, Negative: in.Negative, Seed: in.Seed, Steps: job.Steps, Guidance: *job.Guidance,
	})
}

func drawJob(in jobspec.Draw) draw.Job {
	return draw.Job{
		Prompt: in.Prompt, Negative: in.Negative, Steps: in.Steps, Guidance: in.Guidance, Width: in.Width, Height: in.Height, Seed: in.Seed,
	}
}

// preview is what the latents of a picture so many pixels wide show already, as a file.
func (h painter) preview(l *draw.Latents, width int) ([]byte, error) {
	p, err := h.Preview(l, width)
	if err != nil {
		return nil, err
	}
	return picture.EncodePNG(p)
}

// latentsOf reads what was kept, nil where that is nothing that can be used.
func latentsOf(record json.RawMessage) *draw.Latents {
	var before pictureSoFar
	if json.Unmarshal(record, &before) != nil || before.Step == 0 {
		return nil
	}
	return &draw.Latents{Step: before.Step, Values: floatsOf(before.Values), Denoised: floatsOf(before.Denoised)}
}

func bytesOf(values []float32) []byte {
	data := make([]byte, 0, 4*len(values))
	data, _ = binary.Append(data, binary.LittleEndian, values)
	return data
}

func floatsOf(data []byte) []float32 {
	values := make([]float32, len(data)/4)
	_, _ = binary.Decode(data, binary.LittleEndian, values)
	return values
}
