package scheduler

import (
	"math"
	"sort"
)

// noiseLevels gives the timesteps of a run of one of the Euler schedulers, and
// the strength of noise at each, with what is left at the end.
func (s *Scheduler) noiseLevels(steps int) (timesteps, sigmas []float32) {
	timesteps = s.config.timesteps(steps)
	trained := make([]float32, len(s.alphas))
	for i, alpha := range s.alphas {
		trained[i] = sqrt32((1 - alpha) / alpha)
	}
	levels := make([]float64, len(timesteps))
	for i, t := range timesteps {
		levels[i] = interpolate(trained, float64(t))
	}
	if s.config.Karras {
		levels = s.config.karras(levels, steps)
		timesteps = make([]float32, len(levels))
		logs := logarithms(trained)
		for i, sigma := range levels {
			timesteps[i] = timestepOf(sigma, logs)
		}
	}
	sigmas = make([]float32, len(levels), len(levels)+1)
	for i, sigma := range levels {
		sigmas[i] = float32(sigma)
	}
	last := float32(0)
	if s.config.FinalSigmaType == "sigma_min" {
		last = trained[0]
	}
	return timesteps, append(sigmas, last)
}

// timesteps are the timesteps of a run, which timestep_spacing says how to
// spread.
func (c *config) timesteps(steps int) []float32 {
	var spread []float32
	switch c.Spacing {
	case "leading":
		apart := c.TrainTimesteps / steps
		for i := steps - 1; i >= 0; i-- {
			spread = append(spread, float32(i*apart)+float32(c.StepsOffset))
		}
	case "trailing":
		spread = c.trailing(steps)
	default:
		last := float64(c.TrainTimesteps - 1)
		apart := last / float64(max(steps-1, 1))
		for i := steps - 1; i >= 0; i-- {
			t := float64(i) * apart
			if i == steps-1 && steps > 1 {
				t = last
			}
			spread = append(spread, float32(t))
		}
	}
	return spread
}

// trailing counts down from the last timestep as numpy.arange does, by which
// rounding can make one step more.
func (c *config) trailing(steps int) []float32 {
	start := float64(c.TrainTimesteps)
	apart := start / float64(steps)
	count := int(math.Ceil(start / apart))
	// numpy takes the distance between the first two for all.
	apart = start - (start - apart)
	spread := make([]float32, count)
	for i := range spread {
		spread[i] = float32(math.RoundToEven(start-float64(i)*apart)) - 1
	}
	return spread
}

// interpolate gives the value between those at whole places, as numpy.interp
// does.
func interpolate(values []float32, at float64) float64 {
	if at <= 0 {
		return float64(values[0])
	}
	i := int(at)
	if i >= len(values)-1 {
		return float64(values[len(values)-1])
	}
	slope := float64(values[i+1]) - float64(values[i])
	return float64(slope*(at-float64(i))) + float64(values[i])
}

// karras spreads the levels between the first and the last as Karras et al.
// propose, with rho 7.
func (c *config) karras(levels []float64, steps int) []float64 {
	greatest, least := levels[0], levels[len(levels)-1]
	if c.SigmaMax != nil {
		greatest = *c.SigmaMax
	}
	if c.SigmaMin != nil {
		least = *c.SigmaMin
	}
	const rho = 7
	from, to := math.Pow(greatest, 1.0/rho), math.Pow(least, 1.0/rho)
	spread := make([]float64, steps)
	for i := range spread {
		ramp := float64(i) / float64(max(steps-1, 1))
		spread[i] = math.Pow(from+float64(ramp*(to-from)), rho)
	}
	return spread
}

// logarithms gives the natural logarithms, rounded to float32.
func logarithms(values []float32) []float64 {
	logs := make([]float64, len(values))
	for i, v := range values {
		logs[i] = float64(float32(math.Log(float64(v))))
	}
	return logs
}

// timestepOf gives the timestep, between whole ones, at which noise has a
// strength; the logarithms of the trained strengths, which rise, are
// interpolated.
func timestepOf(sigma float64, logs []float64) float32 {
	log := math.Log(max(sigma, 1e-10))
	above := sort.Search(len(logs), func(i int) bool { return logs[i] > log })
	low := max(0, min(above-1, len(logs)-2))
	weight := (logs[low] - log) / (logs[low] - logs[low+1])
	weight = max(0, min(1, weight))
	return float32((1-weight)*float64(low) + float64(weight*float64(low+1)))
}
