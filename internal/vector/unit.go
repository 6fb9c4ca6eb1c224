package vector

import "math"

// lengthError is how far the length of a stored vector may be from 1. Rounding
// to float32 costs at most 6e-8 of each number and so of the length.
const lengthError = 1e-6

// length is a vector's Euclidean length. The squares of float32 numbers neither
// overflow nor vanish in float64.
func length(v []float32) float64 { return math.Sqrt(product(v, v)) }

// Unit gives a vector of length 1 and the same direction, as indexes store it.
func Unit(v []float32) []float32 {
	into := make([]float32, len(v))
	unit(into, v)
	return into
}

// unit writes a vector of length 1 and the same direction.
func unit(into, v []float32) {
	l := length(v)
	for i, x := range v {
		into[i] = float32(float64(x) / l)
	}
}

// product is the inner product of two vectors of equal length. The products of
// float32 numbers are exact in float64 and are added in a fixed order, so that
// all machines give the same bits, whether or not they fuse additions with
// multiplications. The sums are off by at most 5e-13 for vectors of length 1.
func product(v, w []float32) float64 {
	w = w[:len(v)]
	var a, b, c, d float64
	i := 0
	for ; i+4 <= len(v); i += 4 {
		x, y := v[i:i+4:i+4], w[i:i+4:i+4]
		a += float64(x[0]) * float64(y[0])
		b += float64(x[1]) * float64(y[1])
		c += float64(x[2]) * float64(y[2])
		d += float64(x[3]) * float64(y[3])
	}
	for ; i < len(v); i++ {
		a += float64(v[i]) * float64(w[i])
	}
	return (a + b) + (c + d)
}

// Cosine is the score of two stored vectors of equal length: their product in
// float64, which rounding may have taken beyond 1. It is the same on all machines.
func Cosine(v, w []float32) float64 { return max(-1, min(1, product(v, w))) }
