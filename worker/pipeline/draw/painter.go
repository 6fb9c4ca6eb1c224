// Package draw makes pictures of words: latent diffusion models in the layout of
// diffusers, as Optimum exports them.
package draw

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
	"parley/worker/scheduler"
	"parley/worker/tokenizer"
)

// Painter draws with one bundle.
type Painter struct {
	bundle    *bundle.Bundle
	gate      *pipeline.Gate
	tokenizer *tokenizer.Tokenizer
	text      *onnx.Session
	unet      *onnx.Session
	decoder   *onnx.Session
	scheduler *scheduler.Scheduler
	config    config
	preview   preview
	// slots bound how many pictures are drawn at once: each has latents of its own.
	slots chan struct{}
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
	// guidance is the width of the guidance's embedding, 0 for none.
	guidance int
	// factor is what latents are divided by before they are decoded, shift what is
	// added then.
	factor, shift float64
	// words is how many tokens every prompt is padded to.
	words int
}

// Open loads a bundle. Errors are of type *pipeline.Error.
func Open(b *bundle.Bundle, o pipeline.Options) (*Painter, error) {
	o = o.WithDefaults()
	if err := o.StartRuntime(); err != nil {
		return nil, err
	}
	p := &Painter{bundle: b, gate: o.Gate, slots: make(chan struct{}, maxPictures)}
	if err := p.load(o); err != nil {
		return nil, pipeline.ModelError(b.Name, errors.Join(err, p.Close()))
	}
	return p, nil
}

func (p *Painter) load(o pipeline.Options) (err error) {
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
	for _, part := range []struct {
		session **onnx.Session
		name    string
		inputs  []string
		taken   string
	}{
		{&p.text, "text_encoder", []string{"input_ids"}, "last_hidden_state"},
		{&p.unet, "unet", []string{"sample", "timestep", "encoder_hidden_states", "timestep_cond"}, "out_sample"},
		{&p.decoder, "vae_decoder", []string{"latent_sample"}, "sample"},
	} {
		if *part.session, err = openPart(p.bundle, part.name, part.inputs, part.taken, o.Threads); err != nil {
			return err
		}
	}
	return p.preview.fit(p)
}

// openPart loads the model of a folder, which may have the inputs that are known and
// gives one output.
func openPart(b *bundle.Bundle, name string, known []string, output string, threads int) (*onnx.Session, error) {
	path, err := b.Part(name)
	if err != nil {
		return nil, err
	}
	s, err := onnx.Open(path, onnx.Options{Threads: threads, Outputs: func(all []onnx.Port) []onnx.Port {
		return slices.DeleteFunc(all, func(p onnx.Port) bool { return p.Name != output })
	}})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	for _, in := range s.Inputs() {
		if !slices.Contains(known, in.Name) {
			err = fmt.Errorf("%w: %s: the input %q is not known", bundle.ErrBroken, path, in.Name)
		}
	}
	if len(s.Inputs()) == 0 {
		err = fmt.Errorf("%w: %s takes no %q", bundle.ErrBroken, path, known[0])
	}
	if len(s.Outputs()) != 1 || s.Outputs()[0].Type != onnx.Float32 {
		err = fmt.Errorf("%w: %s gives no %q of float32", bundle.ErrBroken, path, output)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
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
	return nil
}

// Size is the width and height that the model was made for, in pixels.
func (p *Painter) Size() int { return p.config.size * p.config.scale }

// Close releases the model. No Draw may be under way.
func (p *Painter) Close() error {
	var errs []error
	for _, s := range []*onnx.Session{p.text, p.unet, p.decoder} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}
