package picture

import "math"

// filter is a filter of Pillow's Image.resize, by Pillow's number.
type filter int

const (
	nearest  filter = 0
	lanczos  filter = 1
	bilinear filter = 2
	bicubic  filter = 3
	box      filter = 4
	hamming  filter = 5
)

// kernel is the weight of a sample by its distance from the centre; beyond
// support it is 0.
type kernel struct {
	support float64
	weight  func(x float64) float64
}

// kernels has what is worked out by weights; nearest is not.
var kernels = map[filter]kernel{
	lanczos:  {3, lanczosWeight},
	bilinear: {1, bilinearWeight},
	bicubic:  {2, bicubicWeight},
	box:      {0.5, boxWeight},
	hamming:  {1, hammingWeight},
}

func (f filter) known() bool {
	_, found := kernels[f]
	return found || f == nearest
}

// boxWeight leaves its lower end out, so that a sample between two pixels counts
// for one of them.
func boxWeight(x float64) float64 {
	if -0.5 < x && x <= 0.5 {
		return 1
	}
	return 0
}

func bilinearWeight(x float64) float64 { return max(1-math.Abs(x), 0) }

// hammingWeight has its two constants in float32, as Pillow does; with float64 a
// level changes now and then.
func hammingWeight(x float64) float64 {
	const a, b = float64(float32(0.54)), float64(float32(0.46))
	x = math.Abs(x)
	switch {
	case x == 0:
		return 1
	case x >= 1:
		return 0
	}
	x *= math.Pi
	return math.Sin(x) / x * (a + b*math.Cos(x))
}

// bicubicWeight is Keys' cubic convolution with a = -0.5.
func bicubicWeight(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}

func lanczosWeight(x float64) float64 {
	if -3 <= x && x < 3 {
		return sinc(x) * sinc(x/3)
	}
	return 0
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}
