package ranking

import "math"

// Features are what is known of the first candidate of a query when one asks whether it
// fits.
type Features struct {
	// Cosine is that of Near, 0 without a vector.
	Cosine float64
	// Deviation says how far it stands out for this very query: how many standard
	// deviations it is above the mean of things taken at random.
	Deviation float64
	// Words is the part of what the query's words could count that they count here, 0
	// to 1.
	Words float64
}

// Example is a thing that people judged for a query.
type Example struct {
	Features
	Fits bool
}

// minExamples is how many of either kind there must be before a calibration means anything.
const minExamples = 20

// terms is how many numbers a Calibration has: one for each feature, and one for none.
const terms = 4

// Calibration gives the chance that a candidate fits, learnt from judgements. It holds for
// the model that the cosines are from.
type Calibration struct{ weights [terms]float64 }

func (f Features) vector() [terms]float64 {
	// Deviations are brought to about the size of the others, so that one penalty fits all.
	return [terms]float64{1, f.Cosine, f.Deviation / 5, f.Words}
}

// Confidence is the chance that a candidate fits, between 0 and 1.
func (c *Calibration) Confidence(f Features) float64 {
	sum := 0.0
	for i, x := range f.vector() {
		sum += c.weights[i] * x
	}
	return 1 / (1 + math.Exp(-sum))
}

// penalty keeps the weights finite where the examples are told apart without a fault.
const penalty = 0.1

// Calibrate learns from examples by logistic regression (Newton's method with a quadratic
// penalty). It is false where there are too few of either kind.
func Calibrate(examples []Example) (*Calibration, bool) {
	fitting := 0
	for _, e := range examples {
		if e.Fits {
			fitting++
		}
	}
	if fitting < minExamples || len(examples)-fitting < minExamples {
		return nil, false
	}
	c := &Calibration{}
	for range 50 {
		step := c.step(examples)
		moved := 0.0
		for i, s := range step {
			c.weights[i] += s
			moved = max(moved, math.Abs(s))
		}
		if moved < 1e-6 {
			break
		}
	}
	return c, true
}

// step is one of Newton's: the solution of Hessian × step = gradient.
func (c *Calibration) step(examples []Example) [terms]float64 {
	var m [terms][terms + 1]float64
	for i := range terms {
		m[i][i] = penalty
		m[i][terms] = -penalty * c.weights[i]
	}
	for _, e := range examples {
		x, p := e.vector(), c.Confidence(e.Features)
		residual := -p
		if e.Fits {
			residual++
		}
		for i := range terms {
			for j := range terms {
				m[i][j] += p * (1 - p) * x[i] * x[j]
			}
			m[i][terms] += residual * x[i]
		}
	}
	return solve(m)
}

// solve solves a positive definite system by elimination.
func solve(m [terms][terms + 1]float64) (x [terms]float64) {
	for i := range terms {
		for k := i + 1; k < terms; k++ {
			by := m[k][i] / m[i][i]
			for j := i; j <= terms; j++ {
				m[k][j] -= by * m[i][j]
			}
		}
	}
	for i := terms - 1; i >= 0; i-- {
		x[i] = m[i][terms]
		for j := i + 1; j < terms; j++ {
			x[i] -= m[i][j] * x[j]
		}
		x[i] /= m[i][i]
	}
	return x
}
