package vector

import (
	"fmt"
	"math"

	"parley/internal/vector/kernel"
)

// A stored vector x of length 1 is scanned as codes, and only where these can't
// decide is x itself read. With s = max|x| / 119 the number x_i has the code
//
//	u_i = round(x_i / s) + 136, from 17 to 255,
//
// of which the upper four bits h_i stand for s*16*(h_i - 8), the coarse vector,
// and all eight for s*(u_i - 136), the fine one. The zero of both is that of x,
// so that vectors of few large numbers lose little. A query q has codes
// d_i = round(q_i / w) with w = max|q| / 127.
//
// Let y be the coarse or fine vector and p that of the query. Then
// q*x - p*y = q*(x-y) + (q-p)*y, and by Cauchy and Schwarz
//
//	|q*x - p*y| <= |q| |x-y| + |q-p| |y|, where |y| <= |x| + |x-y|.
//
// The distances |x-y| are stored with each row, |q-p| with the query. So the
// score lies between two bounds, and a row whose upper bound is below the k-th
// lower bound is not among the first k: nothing is lost by not reading it.
const (
	rowSteps, rowZero = 119, 136
	querySteps        = 127
	// rounding is added to each bound for the float32 numbers in which it is
	// computed: products of magnitude below 4, with errors of less than 5e-7, and
	// for stored vectors whose length is off by lengthError.
	rounding = 4e-6
)

// code is a row's scale and how far its coarse and fine vectors are from it, not
// less than they are.
type code struct{ scale, coarse, fine float32 }

// encode writes the packed upper and lower halves of a vector's codes. The
// vector is filled up with zeros to as many numbers as there are codes. Each
// product is rounded, so that all machines give the same bits.
func encode(high, low []byte, padded []float32) code {
	var most uint32
	for _, x := range padded {
		most = max(most, math.Float32bits(x)&^(1<<31))
	}
	scale := math.Float32frombits(most) / rowSteps
	inverse := 1 / scale
	half := len(padded) / 2
	lower, upper := padded[:half], padded[half:][:half]
	high, low = high[:half], low[:half]
	var fineA, fineB, coarseA, coarseB float32
	for i := range half {
		a, offA, farA := encodeNumber(float32(lower[i] * inverse))
		b, offB, farB := encodeNumber(float32(upper[i] * inverse))
		fineA, fineB = fineA+float32(offA*offA), fineB+float32(offB*offB)
		coarseA, coarseB = coarseA+float32(farA*farA), coarseB+float32(farB*farB)
		high[i] = byte(a>>4 | b&0xf0)
		low[i] = byte(a&15 | b<<4)
	}
	n := len(padded)
	return code{scale: scale, coarse: atLeast(coarseA+coarseB, scale, n), fine: atLeast(fineA+fineB, scale, n)}
}

// encodeNumber gives a number's code and how far the number is from its fine and
// from its coarse value, all in steps of the scale.
func encodeNumber(scaled float32) (u uint32, off, far float32) {
	// The sum rounds to an integer, which is then in its lowest bits.
	const magic, magicBits = 3 << 22, 0x4B400000
	rounded := scaled + magic
	u = math.Float32bits(rounded) - (magicBits - rowZero)
	off = scaled - (rounded - magic)
	return u, off, off + float32(int32(u&15)-8)
}

// atLeast is a distance of n numbers whose squares were added in float32, in
// steps of scale: adding n numbers is off by less than n / 2^23 <= 1/2048 of
// the sum, each of them by less than 3e-5.
func atLeast(squares, scale float32, n int) float32 {
	return scale * float32(math.Sqrt(float64(squares))*1.001+4e-5*math.Sqrt(float64(n)))
}

// probe is a query made ready for the scan.
type probe struct {
	unit  []float32
	codes kernel.Query
	// sum is the sum of the query's codes.
	sum int32
	// step is the size of its codes. A bound is the distance of a row times
	// slope, and what is constant.
	step, slope, constant float32
}

func newProbe(v []float32) (probe, error) {
	p := probe{unit: make([]float32, len(v))}
	unit(p.unit, v)
	most := 0.0
	for _, x := range p.unit {
		most = max(most, math.Abs(float64(x)))
	}
	p.step = float32(most / querySteps)
	codes := make([]int8, kernel.Codes(len(v)))
	squares := 0.0
	for i, x := range p.unit {
		c := math.Max(-querySteps, math.Min(querySteps, math.Round(float64(x)/float64(p.step))))
		codes[i] = int8(c)
		p.sum += int32(c)
		off := float64(x) - c*float64(p.step)
		squares += off * off
	}
	distance := math.Sqrt(squares) * 1.001
	p.slope = float32(1 + lengthError + distance)
	p.constant = float32((1+lengthError)*distance + rounding)
	var err error
	if p.codes, err = kernel.NewQuery(codes); err != nil {
		return probe{}, fmt.Errorf("vector: %w", err)
	}
	return p, nil
}

// upper is the highest score that a row may have by its coarse code; product is
// that of its upper halves.
func (p *probe) upper(product int32, scale, coarse float32) float32 {
	return float32(product-8*p.sum)*(16*p.step*scale) + coarse*p.slope + p.constant
}

// bounds are the lowest and highest score that a row may have by its fine code;
// product is 16 times that of its upper halves and that of its lower halves.
func (p *probe) bounds(product int32, scale, fine float32) (lower, upper float32) {
	middle := float32(product-rowZero*p.sum) * (p.step * scale)
	slack := fine*p.slope + p.constant
	return middle - slack, middle + slack
}
