package draw

import (
	"context"
	"errors"
	"math"
	"time"

	"parley/worker/bundle"
	"parley/worker/pipeline"
)

// tolerance is by how many levels of 255 a pixel may differ from the reference.
const tolerance = 2

// reference is reference.json of a bundle that draws.
type reference struct {
	Cases []struct {
		Prompt   string      `json:"prompt"`
		Negative string      `json:"negative_prompt"`
		Steps    int         `json:"steps"`
		Guidance float64     `json:"guidance_scale"`
		Height   int         `json:"height"`
		Width    int         `json:"width"`
		Latents  []float32   `json:"latents"`
		Noise    [][]float32 `json:"step_noise"`
		Image    []float64   `json:"image"`
	} `json:"cases"`
}

// Verify loads the bundle and compares it with its reference, into f: the pictures of
// the reference's own noise. The error says that it does not load or that a case could
// not be run.
func Verify(ctx context.Context, b *bundle.Bundle, o pipeline.Options, f *pipeline.Findings) (err error) {
	begun := time.Now()
	o.OnUse = false
	p, err := Open(ctx, b, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	model, release, err := p.kept.Use(ctx)
	if err != nil {
		return err
	}
	defer release()
	f.Loaded, f.LoadMillis = true, time.Since(begun).Milliseconds()
	var ref reference
	if err := f.ReadReference(b.Dir, &ref); err != nil {
		return err
	}
	for _, k := range ref.Cases {
		job := Job{Prompt: k.Prompt, Negative: k.Negative, Steps: k.Steps, Guidance: &k.Guidance, Width: k.Width, Height: k.Height}
		if err := p.Complete(&job); err != nil {
			return err
		}
		noises := append([][]float32{k.Latents}, k.Noise...)
		c := canvas{loaded: model, job: job, noise: func(step int, into []float32) {
			if step < len(noises) {
				copy(into, noises[step])
			}
		}}
		image, err := c.draw(ctx)
		if err != nil {
			return err
		}
		worst := 256.0
		if len(image.RGB) == len(k.Image) {
			worst = 0
			for i, level := range image.RGB {
				worst = max(worst, math.Abs(float64(level)-255*k.Image[i]))
			}
		}
		f.Count(&f.Pictures, worst <= tolerance, "%q in %d steps: a pixel differs by %.1f of 255", k.Prompt, k.Steps, worst)
	}
	return nil
}
