// Package scheduler is the arithmetic between the steps of latent diffusion, as
// Python's diffusers has it: at which timesteps a model is asked, how its input
// is scaled, and how its output brings the sample nearer to a picture. It knows
// LCMScheduler, EulerDiscreteScheduler and EulerAncestralDiscreteScheduler.
// Numbers are float32 and rounded in the reference's order, so they are its own
// up to the last digits.
package scheduler

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// Scheduler is a noise schedule with its settings. It never changes, and is safe
// for concurrent use.
type Scheduler struct {
	config config
	// alphas are the cumulative products of 1 - beta, one a training timestep.
	alphas []float32
}

// Run is one way from noise to a picture, in so many steps. Its methods take the
// step's number i, counted from 0, and don't change the slices that they are
// given, which hold all numbers of a tensor of any shape. A Run keeps no state
// between steps and is safe for concurrent use.
type Run interface {
	// Timesteps are what the model is told at each step, falling. They may be
	// one more than was asked for, where the reference's rounding has it so.
	Timesteps() []float64
	// InitialScale is what noise of variance 1 is multiplied by to begin with.
	InitialScale() float32
	// ScaleInput gives what the model sees of a sample; it may be the sample
	// itself.
	ScaleInput(sample []float32, i int) ([]float32, error)
	// NoiseNeeded tells whether Step takes noise at this step.
	NoiseNeeded(i int) bool
	// Step gives the next sample, and the picture as the model sees it now. The
	// output is the model's for the scaled sample; the sample is not scaled;
	// noise, of variance 1, is nil where none is needed.
	Step(output []float32, i int, sample, noise []float32) (next, denoised []float32, err error)
}

// maxConfig is the greatest scheduler_config.json, in bytes.
const maxConfig = 1 << 20

// Open reads a scheduler_config.json. A setting that would change the numbers
// and is not supported is an error that names it.
func Open(path string) (*Scheduler, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(data) > maxConfig {
		err = fmt.Errorf("more than %d bytes", maxConfig)
	}
	if err != nil {
		return nil, fmt.Errorf("scheduler: %s: %w", path, err)
	}
	s, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("scheduler: %s: %w", path, err)
	}
	return s, nil
}

// Parse reads the content of a scheduler_config.json, as Open does.
func Parse(data []byte) (*Scheduler, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	c, err := readConfig(data, raw)
	if err != nil {
		return nil, err
	}
	return &Scheduler{config: c, alphas: c.alphas()}, nil
}

// Start gives a run of so many steps, 1 to the number of training timesteps; for
// LCMScheduler to original_inference_steps, the steps that it was distilled from.
func (s *Scheduler) Start(steps int) (Run, error) {
	limit := s.config.TrainTimesteps
	if s.config.Class == classLCM {
		limit = s.config.OriginalSteps
	}
	if steps < 1 || steps > limit {
		return nil, fmt.Errorf("scheduler: %d steps are not between 1 and %d", steps, limit)
	}
	if s.config.Class == classLCM {
		return s.startLCM(steps), nil
	}
	e := s.startEuler(steps)
	if s.config.Class == classAncestral {
		return &ancestral{e}, nil
	}
	return e, nil
}

// checkStep makes sure that a step's arguments fit together.
func checkStep(i, steps int, output, sample, noise []float32, noisy bool) error {
	switch {
	case i < 0 || i >= steps:
		return fmt.Errorf("scheduler: there is no step %d of %d", i, steps)
	case len(output) != len(sample):
		return fmt.Errorf("scheduler: step %d: %d numbers of the model for %d of the sample", i, len(output), len(sample))
	case noisy && len(noise) != len(sample):
		return fmt.Errorf("scheduler: step %d: %d numbers of noise for %d of the sample", i, len(noise), len(sample))
	}
	return nil
}
