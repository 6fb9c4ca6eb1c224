package content

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"

	"parley/ent/gen"
	"parley/ent/gen/contentpart"
	"parley/internal/apperr"
	"parley/internal/jobspec"
)

// newSeed chooses what is drawn, in 31 bits, which every client's Int holds.
func newSeed(given *int) uint64 {
	if given != nil {
		return uint64(*given) //nolint:gosec // checked to be positive
	}
	return uint64(rand.Int32N(math.MaxInt32)) //nolint:gosec // neither secret nor negative
}

// plan is a part that is to be made.
type plan struct {
	craft
	// payload is a jobspec.Write or jobspec.Draw.
	payload any
}

// textPlan is a text as its options want it.
func textPlan(model, prompt string, o *TextOptions) (plan, error) {
	settings, err := o.settings()
	if err != nil {
		return plan{}, fmt.Errorf("encode settings: %w", err)
	}
	if o == nil {
		o = &TextOptions{}
	}
	w := jobspec.Write{Model: model, Ask: prompt, Settings: settings, Seed: newSeed(o.Seed)}
	if o.Candidates != nil {
		w.Candidates = *o.Candidates
	}
	return plan{writing, w}, nil
}

// imagePlan is a picture as its options want it.
func imagePlan(model, prompt string, o *ImageOptions) plan {
	if o == nil {
		o = &ImageOptions{}
	}
	d := jobspec.Draw{Model: model, Prompt: prompt, Guidance: o.Guidance, Seed: newSeed(o.Seed)}
	for _, n := range []struct {
		into *int
		of   *int
	}{{&d.Steps, o.Steps}, {&d.Width, o.Width}, {&d.Height, o.Height}} {
		if n.of != nil {
			*n.into = *n.of
		}
	}
	if o.NegativePrompt != nil {
		d.Negative = *o.NegativePrompt
	}
	return plan{drawing, d}
}

// encoded is the payload of the job that makes a part of the request. A text that its owner
// stops must not end for others who asked for the same.
func (p plan) encoded(request string) (json.RawMessage, error) {
	payload := p.payload
	if w, ok := payload.(jobspec.Write); ok {
		w.Apart = request
		payload = w
	}
	data, err := json.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("encode the work: %w", err)
	}
	return data, nil
}

// anew is the work of a part with another seed and a model that is there.
func anew(p *gen.ContentPart, model string) (plan, error) {
	if p.Kind == contentpart.KindIMAGE {
		d, err := decoded[jobspec.Draw](p)
		d.Model, d.Digest, d.Seed = model, "", newSeed(nil)
		return plan{drawing, d}, err
	}
	w, err := decoded[jobspec.Write](p)
	w.Model, w.Digest, w.Rendered, w.Seed = model, "", "", newSeed(nil)
	return plan{writing, w}, err
}

func decoded[T any](p *gen.ContentPart) (v T, err error) {
	if err := json.Unmarshal(p.Work, &v); err != nil {
		return v, fmt.Errorf("read the work of %s: %w", p.ID, err)
	}
	return v, nil
}

// again is the work that makes a part as its recipe says.
func again(p *gen.ContentPart, r *Recipe) (plan, error) {
	if r.Image != nil {
		d := jobspec.Draw{
			Model: r.Model, Digest: r.Digest, Prompt: r.Prompt, Steps: r.Image.Steps, Guidance: &r.Image.Guidance,
			Width: r.Image.Width, Height: r.Image.Height, Seed: uint64(r.Seed), //nolint:gosec // a seed of ours, see newSeed
		}
		if r.Image.NegativePrompt != nil {
			d.Negative = *r.Image.NegativePrompt
		}
		return plan{drawing, d}, nil
	}
	w, err := decoded[jobspec.Write](p)
	if err != nil {
		return plan{}, err
	}
	t := r.Text
	if p.State == contentpart.StateSTOPPED && t.Candidates > 1 {
		return plan{}, apperr.New(apperr.Conflict, "The text was stopped while several were being written: where each was then is not known.")
	}
	settings := map[string]any{
		"max_new_tokens": t.MaxTokens, "do_sample": t.Temperature > 0, "top_k": t.TopK, "top_p": t.TopP, "repetition_penalty": t.RepetitionPenalty,
	}
	if t.Temperature > 0 {
		settings["temperature"] = t.Temperature
	}
	w.Model, w.Digest, w.Candidates, w.Seed, w.Rendered = r.Model, r.Digest, t.Candidates, uint64(r.Seed), "" //nolint:gosec // as above
	if r.Rendered {
		w.Rendered = r.Prompt
	}
	if w.Settings, err = json.Marshal(settings); err != nil {
		return plan{}, fmt.Errorf("encode settings: %w", err)
	}
	return plan{writing, w}, nil
}
