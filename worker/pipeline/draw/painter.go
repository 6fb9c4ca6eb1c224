// Package draw makes pictures of words: latent diffusion models in the layout of
// diffusers, as Optimum exports them.
package draw

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"

	"parley/worker/bundle"
	"parley/worker/pipeline"
	"parley/worker/scheduler"
	"parley/worker/tokenizer"
)

// Painter draws with one bundle.
type Painter struct {
	bundle    *bundle.Bundle
	gate      *pipeline.Gate
	tokenizer *tokenizer.Tokenizer
	scheduler *scheduler.Scheduler
	config    config
	kept      *pipeline.Kept[*loaded]
	// preview is fitted when the model is loaded first, nil before.
	preview atomic.Pointer[preview]
	// slots bound how many pictures are drawn at once: each has latents of its own.
	slots chan struct{}
	// bytes bounds what a run may take.
	bytes int64
}

// maxPictures is how many pictures are drawn at once; more wait.
const maxPictures = 4

// Bounds of what the files of a bundle may say: every prompt is padded to words, and
// channels are squared when the previews are fitted.
const (
	maxWords    = 4096
	maxChannels = 128
)

// config is what the files of a bundle say.
type config struct {
	// consistent tells a latent consistency model, which takes the guidance as an input,
	// from one whose guidance needs a second, unconditional run.
	consistent bool
	// channels are those of the latents, scale how many pixels one of their places is
	// wide, size the latents' own width and height.
	channels, scale, size int
	// planes are the most channels that the decoder has for each pixel.
	planes int
	// guidance is the width of the guidance's embedding, 0 for none.
	guidance int
	// factor is what latents are divided by before they are decoded, shift what is
	// added then.
	factor, shift float64
	// words is how many tokens every prompt is padded to.
	words int
}

// Open reads a bundle, and loads its model unless that is to wait for its use. The painter
// works while Run runs. Errors are of type *pipeline.Error, but for that of ctx.
func Open(ctx context.Context, b *bundle.Bundle, o pipeline.Options) (*Painter, error) {
	o = o.WithDefaults()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.StartRuntime(); err != nil {
		return nil, err
	}
	p := &Painter{bundle: b, gate: o.Gate, slots: make(chan struct{}, maxPictures), bytes: o.RunBytes}
	if err := p.load(ctx, o); err != nil {
		return nil, pipeline.ModelError(b.Name, errors.Join(err, p.Close()))
	}
	return p, nil
}

func (p *Painter) load(ctx context.Context, o pipeline.Options) error {
	summary, err := p.bundle.Summary()
	if err != nil {
		return err
	}
	if err := p.config.read(p.bundle); err != nil {
		return err
	}
	if p.tokenizer, err = tokenizer.Open(filepath.Join(p.bundle.Dir, "tokenizer")); err != nil {
		return fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	if p.config.words = p.tokenizer.MaxLength(); p.config.words <= 0 || p.config.words > maxWords {
		return fmt.Errorf("%w: nothing tells how long a prompt may be, up to %d tokens", bundle.ErrBroken, maxWords)
	}
	if p.scheduler, err = scheduler.Open(filepath.Join(p.bundle.Dir, "scheduler", "scheduler_config.json")); err != nil {
		return fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	p.kept = pipeline.Keep(o.Keeper, p.bundle.Name, summary.Memory, func() (*loaded, error) { return p.open(o) })
	if o.OnUse {
		return nil
	}
	return p.kept.Load(ctx)
}

// read takes the files of the parts.
func (c *config) read(b *bundle.Bundle) error {
	var index struct {
		Class string `json:"_class_name"`
	}
	var unet struct {
		Channels int `json:"in_channels"`
		Size     int `json:"sample_size"`
		Guidance int `json:"time_cond_proj_dim"`
	}
	vae := struct {
		Blocks  []int   `json:"block_out_channels"`
		Factor  float64 `json:"scaling_factor"`
		Shift   float64 `json:"shift_factor"`
		Latents int     `json:"latent_channels"`
	}{Factor: 0.18215}
	if err := errors.Join(b.ReadJSON("model_index.json", &index), b.ReadJSON("unet/config.json", &unet), b.ReadJSON("vae_decoder/config.json", &vae)); err != nil {
		return err
	}
	switch index.Class {
	case "LatentConsistencyModelPipeline", "OnnxLatentConsistencyModelPipeline", "ORTLatentConsistencyModelPipeline":
		c.consistent = true
	case "StableDiffusionPipeline", "OnnxStableDiffusionPipeline", "ORTStableDiffusionPipeline":
	default:
		return fmt.Errorf("%w: model_index.json: %q is not supported", bundle.ErrBroken, index.Class)
	}
	c.channels, c.size, c.guidance, c.factor, c.shift = unet.Channels, unet.Size, unet.Guidance, vae.Factor, vae.Shift
	if c.channels <= 0 || c.channels > maxChannels || c.channels != vae.Latents || c.size <= 0 || c.size > 1<<10 || len(vae.Blocks) < 1 || len(vae.Blocks) > 8 || !(c.factor > 0) || c.guidance < 0 || c.guidance > 1<<16 {
		return fmt.Errorf("%w: the configurations of unet and vae_decoder don't fit together", bundle.ErrBroken)
	}
	c.scale = 1 << (len(vae.Blocks) - 1)
	if c.planes = slices.Max(vae.Blocks[:min(2, len(vae.Blocks))]); c.planes <= 0 || c.planes > 1<<16 {
		return fmt.Errorf("%w: vae_decoder/config.json: no decoder has %v channels", bundle.ErrBroken, vae.Blocks)
	}
	return nil
}

// Size is the width and height that the model was made for, in pixels.
func (p *Painter) Size() int { return p.config.size * p.config.scale }

// Run works until ctx ends and then returns nil, after the pictures under way have
// stopped. Calls of Draw that are not done fail. It may be called once.
func (p *Painter) Run(ctx context.Context) error { return p.kept.Run(ctx) }

// Close releases the model. Run must have returned, or never have been called, and no
// Draw may be under way.
func (p *Painter) Close() error {
	if p.kept == nil {
		return nil
	}
	return p.kept.Close()
}
