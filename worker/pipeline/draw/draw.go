package draw

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"parley/internal/jobspec"
	"parley/worker/noise"
	"parley/worker/picture"
	"parley/worker/pipeline"
	"parley/worker/scheduler"
)

// Bounds of a job.
const (
	maxPrompt = 16 << 10
	maxSteps  = 150
	// largest is how many times the model's own area a picture may have, and smallArea
	// an area in pixels that any model may draw.
	largest   = 4
	smallArea = 1 << 16
	// ownArea is the greatest area of its own for which a model is trusted to fit.
	ownArea = 1 << 20
)

// Job is a picture to draw.
type Job struct {
	// Prompt is what it shows, Negative what it shall not show.
	Prompt, Negative string
	// Steps is how many steps are taken, 0 for 4 with a latent consistency model and 25
	// otherwise.
	Steps int
	// Guidance is how much the prompt counts, nil for 8.5 and 7.5.
	Guidance *float64
	// Width and Height are in pixels, 0 for the model's own.
	Width, Height int
	// Seed chooses the noise.
	Seed uint64
	// Recorded is how an earlier attempt left the picture, nil to begin.
	Recorded *Latents
}

// Latents are a picture on its way, channel by channel.
type Latents struct {
	// Step is how many steps were taken.
	Step   int       `json:"step"`
	Values []float32 `json:"values"`
	// Denoised is where the picture is heading, by the last step.
	Denoised []float32 `json:"denoised,omitempty"`
}

// Draw draws a picture. progress, which may be nil, is called on this goroutine after
// each step with how many are to be taken and the latents, which it must not change. It
// may be called concurrently. It fails with the error of ctx, or with a
// *pipeline.Error.
func (p *Painter) Draw(ctx context.Context, job Job, progress func(total int, l *Latents)) (*picture.Picture, error) {
	if err := p.Complete(&job); err != nil {
		return nil, err
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	model, release, err := p.kept.Use(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	ctx, done, err := model.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	source := noise.Source{Seed: job.Seed}
	c := canvas{loaded: model, job: job, progress: progress, noise: func(step int, into []float32) { source.Normal(uint32(step), into) }}
	image, err := c.draw(ctx)
	switch {
	case err == nil:
		return image, nil
	case errors.Is(context.Cause(ctx), errStopping):
		return nil, errStopping
	}
	return nil, pipeline.ModelError(p.bundle.Name, err)
}

// Complete fills in what a job leaves open. It fails with a *pipeline.Error for what can't be
// drawn.
func (p *Painter) Complete(job *Job) error {
	steps, guidance := 25, 7.5
	if p.config.consistent {
		steps, guidance = 4, 8.5
	}
	if job.Steps == 0 {
		job.Steps = steps
	}
	if job.Guidance == nil {
		job.Guidance = &guidance
	}
	for _, side := range []*int{&job.Width, &job.Height} {
		if *side == 0 {
			*side = p.Size()
		}
		if most := p.area() / p.config.scale; *side < p.config.scale || *side > most || *side%p.config.scale != 0 {
			return pipeline.NewError(jobspec.CodeInvalidInput, "A side of %d pixels can't be drawn: it has to be a multiple of %d and at most %d.", *side, p.config.scale, most)
		}
	}
	switch {
	case job.Width > p.area()/job.Height:
		return pipeline.NewError(jobspec.CodeInvalidInput, "A picture of %d by %d pixels is too large for the model: it can have %d pixels, such as %d by %d.",
			job.Width, job.Height, p.area(), p.Size(), max(p.config.scale, p.area()/p.Size()/p.config.scale*p.config.scale))
	case job.Steps < 1 || job.Steps > maxSteps:
		return pipeline.NewError(jobspec.CodeInvalidInput, "%d steps can't be taken: 1 to %d can.", job.Steps, maxSteps)
	case !(*job.Guidance >= 0 && *job.Guidance <= 100):
		return pipeline.NewError(jobspec.CodeInvalidInput, "The guidance is %v, not between 0 and 100.", *job.Guidance)
	case len(job.Prompt)+len(job.Negative) > maxPrompt:
		return pipeline.NewError(jobspec.CodeInvalidInput, "The prompt has more than %d bytes.", maxPrompt)
	case !utf8.ValidString(job.Prompt) || !utf8.ValidString(job.Negative):
		return pipeline.NewError(jobspec.CodeInvalidInput, "The prompt is not valid UTF-8.")
	case p.config.consistent && job.Negative != "":
		return pipeline.NewError(jobspec.CodeInvalidInput, "The model %s takes no negative prompt.", p.bundle.Name)
	}
	if job.Recorded != nil && !p.continues(job) {
		return pipeline.NewError(jobspec.CodeInvalidInput, "What was recorded does not belong to this picture.")
	}
	return nil
}

// Check refuses what Draw would refuse of a job. It fails with a *pipeline.Error.
func (p *Painter) Check(job Job) error {
	if err := p.Complete(&job); err != nil {
		return err
	}
	_, err := p.start(job.Steps)
	return err
}

// start plans the steps of a picture.
func (p *Painter) start(steps int) (scheduler.Run, error) {
	run, err := p.scheduler.Start(steps)
	if err != nil {
		return run, pipeline.NewError(jobspec.CodeInvalidInput, "The model %s can't draw in %d steps: %v.", p.bundle.Name, steps, err)
	}
	return run, nil
}

// area is how many pixels a picture may have: a few times those that the model was made
// for, as far as the decoder's work over them fits into memory. The model's own size may
// be drawn in any case, up to ownArea.
func (p *Painter) area() int {
	own := p.Size() * p.Size()
	fit := int(float64(p.bytes) / p.config.pixelBytes())
	return max(min(own, ownArea), min(fit, max(largest*own, smallArea)))
}

// pixelBytes estimates what a pixel takes while latents are decoded: at full size the
// last two blocks of the decoder have a tensor that is read, one that is written and one
// between, each with the channels of the wider block. The latents are far smaller.
func (c *config) pixelBytes() float64 { return 3 * 4 * float64(c.planes) }

// continues tells whether what a job recorded can be of the picture that it asks for.
func (p *Painter) continues(job *Job) bool {
	r, size := job.Recorded, p.places(job)*p.config.channels
	// A model that jumps to the picture itself ends with that, not with the values.
	headed := len(r.Denoised) == size || len(r.Denoised) == 0 && !(p.config.consistent && r.Step > 0)
	return r.Step >= 0 && r.Step <= job.Steps && len(r.Values) == size && headed
}

// places is how many places the latents of a job have.
func (p *Painter) places(job *Job) int {
	return job.Width / p.config.scale * (job.Height / p.config.scale)
}

// canvas is one picture under way.
type canvas struct {
	*loaded
	job      Job
	progress func(int, *Latents)
	// noise gives the noise of a step; that before the first one has the number 0.
	noise func(step int, into []float32)
}

func (c *canvas) draw(ctx context.Context) (*picture.Picture, error) {
	schedule, err := c.start(c.job.Steps)
	if err != nil {
		return nil, err
	}
	d, err := c.newDenoiser(ctx)
	if err != nil {
		return nil, err
	}
	defer d.free()
	latents := c.begin(schedule.InitialScale())
	step := make([]float32, len(latents.Values))
	for i := latents.Step; i < len(schedule.Timesteps()); i++ {
		if err := c.step(ctx, d, schedule, latents, i, step); err != nil {
			return nil, err
		}
		latents.Step = i + 1
		if c.progress != nil {
			c.progress(len(schedule.Timesteps()), latents)
		}
	}
	final := latents.Values
	if c.config.consistent && latents.Denoised != nil {
		final = latents.Denoised
	}
	return c.decode(ctx, final, c.job.Width, c.job.Height)
}

// step takes a step; noise is room for the numbers that it may need.
func (c *canvas) step(ctx context.Context, d *denoiser, s scheduler.Run, l *Latents, i int, noise []float32) error {
	scaled, err := s.ScaleInput(l.Values, i)
	if err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	predicted, err := d.predict(ctx, scaled, s.Timesteps()[i])
	if err != nil {
		return err
	}
	if s.NoiseNeeded(i) {
		c.noise(i+1, noise)
	}
	if l.Values, l.Denoised, err = s.Step(predicted, i, l.Values, noise); err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	return nil
}

// begin is noise, or what was recorded.
func (c *canvas) begin(scale float32) *Latents {
	if r := c.job.Recorded; r != nil {
		return &Latents{Step: r.Step, Values: slices.Clone(r.Values), Denoised: slices.Clone(r.Denoised)}
	}
	values := make([]float32, c.places(&c.job)*c.config.channels)
	c.noise(0, values)
	for i := range values {
		values[i] *= scale
	}
	return &Latents{Values: values}
}
