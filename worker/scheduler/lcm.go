package scheduler

import "fmt"

// lcm is a run of LCMScheduler, of Luo et al., "Latent Consistency Models"
// (https://arxiv.org/abs/2310.04378): each step guesses the whole picture, and
// all but the last put noise over it again.
type lcm struct {
	*Scheduler
	timesteps []int
}

// startLCM takes steps, evenly apart, of those that the model was distilled from.
func (s *Scheduler) startLCM(steps int) *lcm {
	original := s.config.OriginalSteps
	apart := s.config.TrainTimesteps / original
	l := &lcm{s, make([]int, steps)}
	for i := range l.timesteps {
		from := int(float64(i) * (float64(original) / float64(steps)))
		l.timesteps[i] = (original-from)*apart - 1
	}
	return l
}

func (l *lcm) Timesteps() []float64 {
	timesteps := make([]float64, len(l.timesteps))
	for i, t := range l.timesteps {
		timesteps[i] = float64(t)
	}
	return timesteps
}

func (l *lcm) InitialScale() float32 { return 1 }

func (l *lcm) ScaleInput(sample []float32, i int) ([]float32, error) {
	if i < 0 || i >= len(l.timesteps) {
		return nil, fmt.Errorf("scheduler: there is no step %d of %d", i, len(l.timesteps))
	}
	return sample, nil
}

func (l *lcm) NoiseNeeded(i int) bool { return i < len(l.timesteps)-1 }

func (l *lcm) Step(output []float32, i int, sample, noise []float32) (next, denoised []float32, err error) {
	noisy := l.NoiseNeeded(i)
	if err := checkStep(i, len(l.timesteps), output, sample, noise, noisy); err != nil {
		return nil, nil, err
	}
	alpha := l.alphas[l.timesteps[i]]
	// The boundary condition of the consistency function, for data of variance 1/4.
	scaled := float32(l.timesteps[i]) * float32(l.config.TimestepScaling)
	square := float32(scaled*scaled) + 0.25
	skip, out := 0.25/square, scaled/sqrt32(square)

	denoised = l.picture(output, sample, alpha)
	for k, x := range denoised {
		denoised[k] = float32(out*x) + float32(skip*sample[k])
	}
	if !noisy {
		return append([]float32(nil), denoised...), denoised, nil
	}
	after := l.alphas[l.timesteps[i+1]]
	keep, add := sqrt32(after), sqrt32(1-after)
	next = make([]float32, len(sample))
	for k, x := range denoised {
		next[k] = float32(keep*x) + float32(add*noise[k])
	}
	return next, denoised, nil
}

// picture is what the model says that the sample shows.
func (l *lcm) picture(output, sample []float32, alpha float32) []float32 {
	signal, noise := sqrt32(alpha), sqrt32(1-alpha)
	shown := make([]float32, len(sample))
	for k, x := range sample {
		switch l.config.PredictionType {
		case "epsilon":
			shown[k] = (x - float32(noise*output[k])) / signal
		case "v_prediction":
			shown[k] = float32(signal*x) - float32(noise*output[k])
		default:
			shown[k] = output[k]
		}
		if limit := float32(l.config.ClipRange); l.config.ClipSample {
			shown[k] = max(-limit, min(limit, shown[k]))
		}
	}
	return shown
}
