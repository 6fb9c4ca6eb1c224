package scheduler

import "math"

// alphas gives the cumulative products of 1 - beta.
func (c *config) alphas() []float32 {
	betas := c.betas()
	if c.ZeroSNR {
		betas = zeroTerminalSNR(betas)
	}
	alphas := cumulativeProduct(complement(betas))
	if c.ZeroSNR && c.Class != classLCM {
		// Not quite 0, as the sigma of 0 would be infinite.
		alphas[len(alphas)-1] = 1.0 / (1 << 24)
	}
	return alphas
}

func (c *config) betas() []float32 {
	n := c.TrainTimesteps
	switch c.BetaSchedule {
	case "linear":
		return linspace(float32(c.BetaStart), float32(c.BetaEnd), n)
	case "scaled_linear":
		betas := linspace(float32(math.Sqrt(c.BetaStart)), float32(math.Sqrt(c.BetaEnd)), n)
		for i, b := range betas {
			betas[i] = b * b
		}
		return betas
	}
	return cosineBetas(n)
}

// linspace is torch.linspace of float32: it counts from both ends, and adds
// without rounding the product.
func linspace(start, end float32, n int) []float32 {
	values := make([]float32, n)
	values[0] = start
	if n == 1 {
		return values
	}
	step := float64((end - start) / float32(n-1))
	for i := range values {
		if i < n/2 {
			values[i] = float32(float64(start) + step*float64(i))
		} else {
			values[i] = float32(float64(end) - step*float64(n-1-i))
		}
	}
	return values
}

// cosineBetas is the schedule of Nichol and Dhariwal, "Improved Denoising
// Diffusion Probabilistic Models" (https://arxiv.org/abs/2102.09672).
func cosineBetas(n int) []float32 {
	bar := func(i int) float64 {
		c := math.Cos((float64(i)/float64(n) + 0.008) / 1.008 * math.Pi / 2)
		return c * c
	}
	betas := make([]float32, n)
	for i := range betas {
		betas[i] = float32(min(1-bar(i+1)/bar(i), 0.999))
	}
	return betas
}

// zeroTerminalSNR changes betas so that nothing of the picture is left at the
// last timestep: algorithm 1 of Lin et al., "Common Diffusion Noise Schedules
// and Sample Steps are Flawed" (https://arxiv.org/abs/2305.08891).
func zeroTerminalSNR(betas []float32) []float32 {
	bars := cumulativeProduct(complement(betas))
	for i, b := range bars {
		bars[i] = sqrt32(b)
	}
	first, last := bars[0], bars[len(bars)-1]
	scale := first / (first - last)
	for i, b := range bars {
		b = (b - last) * scale
		bars[i] = b * b
	}
	changed := make([]float32, len(bars))
	for i := range bars {
		alpha := bars[i]
		if i > 0 {
			alpha = bars[i] / bars[i-1]
		}
		changed[i] = 1 - alpha
	}
	return changed
}

func complement(values []float32) []float32 {
	rest := make([]float32, len(values))
	for i, v := range values {
		rest[i] = 1 - v
	}
	return rest
}

// cumulativeProduct is torch.cumprod, which multiplies in float64.
func cumulativeProduct(values []float32) []float32 {
	products := make([]float32, len(values))
	product := 1.0
	for i, v := range values {
		product *= float64(v)
		products[i] = float32(product)
	}
	return products
}

func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }
