package scheduler

import "fmt"

// euler is a run of EulerDiscreteScheduler: steps along the line that leads to
// what the model says the sample shows, of Karras et al., "Elucidating the Design
// Space of Diffusion-Based Generative Models" (https://arxiv.org/abs/2206.00364).
type euler struct {
	*Scheduler
	timesteps []float32
	// sigmas is how strong the noise is at each timestep, and at the end.
	sigmas []float32
}

func (s *Scheduler) startEuler(steps int) *euler {
	timesteps, sigmas := s.noiseLevels(steps)
	return &euler{s, timesteps, sigmas}
}

func (e *euler) Timesteps() []float64 {
	timesteps := make([]float64, len(e.timesteps))
	for i, t := range e.timesteps {
		timesteps[i] = float64(t)
	}
	return timesteps
}

func (e *euler) InitialScale() float32 {
	greatest := e.sigmas[0]
	for _, sigma := range e.sigmas {
		greatest = max(greatest, sigma)
	}
	if e.config.Spacing == "leading" {
		return sqrt32(float32(greatest*greatest) + 1)
	}
	return greatest
}

func (e *euler) ScaleInput(sample []float32, i int) ([]float32, error) {
	if i < 0 || i >= len(e.timesteps) {
		return nil, fmt.Errorf("scheduler: there is no step %d of %d", i, len(e.timesteps))
	}
	by := sqrt32(float32(e.sigmas[i]*e.sigmas[i]) + 1)
	scaled := make([]float32, len(sample))
	for k, x := range sample {
		scaled[k] = x / by
	}
	return scaled, nil
}

func (e *euler) NoiseNeeded(int) bool { return false }

func (e *euler) Step(output []float32, i int, sample, noise []float32) (next, denoised []float32, err error) {
	if err := checkStep(i, len(e.timesteps), output, sample, noise, false); err != nil {
		return nil, nil, err
	}
	denoised = e.picture(output, i, sample)
	return e.towards(denoised, i, sample, e.sigmas[i+1]), denoised, nil
}

// picture is what the model says that the sample shows.
func (e *euler) picture(output []float32, i int, sample []float32) []float32 {
	sigma := e.sigmas[i]
	variance := float32(sigma*sigma) + 1
	velocity := -sigma / sqrt32(variance)
	shown := make([]float32, len(sample))
	for k, x := range sample {
		switch e.config.PredictionType {
		case "epsilon":
			shown[k] = x - float32(sigma*output[k])
		case "v_prediction":
			shown[k] = float32(output[k]*velocity) + x/variance
		default:
			shown[k] = output[k]
		}
	}
	return shown
}

// towards takes the sample so far to the picture that noise as strong as sigma
// is left.
func (e *euler) towards(picture []float32, i int, sample []float32, sigma float32) []float32 {
	from := e.sigmas[i]
	change := sigma - from
	next := make([]float32, len(sample))
	for k, x := range sample {
		derivative := (x - picture[k]) / from
		next[k] = x + float32(derivative*change)
	}
	return next
}

// ancestral is a run of EulerAncestralDiscreteScheduler: it goes further than
// euler, and adds noise up to the same strength.
type ancestral struct{ *euler }

// split gives the strength of noise to go down to, and that of noise to add.
func (a *ancestral) split(i int) (down, up float32) {
	from := float32(a.sigmas[i] * a.sigmas[i])
	to := float32(a.sigmas[i+1] * a.sigmas[i+1])
	up = sqrt32(float32(to*(from-to)) / from)
	return sqrt32(to - float32(up*up)), up
}

func (a *ancestral) NoiseNeeded(i int) bool {
	if i < 0 || i >= len(a.timesteps) {
		return false
	}
	_, up := a.split(i)
	return up != 0
}

func (a *ancestral) Step(output []float32, i int, sample, noise []float32) (next, denoised []float32, err error) {
	noisy := a.NoiseNeeded(i)
	if err := checkStep(i, len(a.timesteps), output, sample, noise, noisy); err != nil {
		return nil, nil, err
	}
	down, up := a.split(i)
	denoised = a.picture(output, i, sample)
	next = a.towards(denoised, i, sample, down)
	if noisy {
		for k := range next {
			next[k] += float32(noise[k] * up)
		}
	}
	return next, denoised, nil
}
