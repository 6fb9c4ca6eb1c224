package vector

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/vector/kernel"
)

// checkBounds encodes a row and a query, and compares what the codes say of
// their score with the score.
func checkBounds(t *testing.T, row, query []float32) {
	t.Helper()
	n := len(row)
	padded := make([]float32, kernel.Codes(n))
	x := padded[:n]
	unit(x, row)
	require.InDelta(t, 1, length(x), lengthError)
	half := kernel.Codes(n) / 2
	high, low := make([]byte, half), make([]byte, half)
	c := encode(high, low, padded)
	p, err := newProbe(query)
	require.NoError(t, err)

	squares := [2]float64{}
	for i, number := range x {
		h, l := high[i%half], low[i%half]
		if i >= half {
			h, l = h>>4, l>>4
		}
		coarse := float64(c.scale) * 16 * (float64(h&15) - 8)
		fine := float64(c.scale) * (16*float64(h&15) + float64(l&15) - rowZero)
		squares[0] += (float64(number) - coarse) * (float64(number) - coarse)
		squares[1] += (float64(number) - fine) * (float64(number) - fine)
	}
	require.GreaterOrEqual(t, float64(c.coarse), math.Sqrt(squares[0]))
	require.GreaterOrEqual(t, float64(c.fine), math.Sqrt(squares[1]))
	require.LessOrEqual(t, float64(c.fine), math.Sqrt(float64(n))*float64(c.scale)*0.51, "the fine codes are more than half a step off")

	out := make([]int32, 2)
	for _, f := range kernel.Forms() {
		f.Dots(out[:1], high, []uint16{0}, p.codes)
		f.Dots(out[1:], low, []uint16{0}, p.codes)
		score := product(x, p.unit)
		require.GreaterOrEqual(t, float64(p.upper(out[0], c.scale, c.coarse)), score, f.Name)
		lower, upper := p.bounds(16*out[0]+out[1], c.scale, c.fine)
		require.GreaterOrEqual(t, float64(upper), score, f.Name)
		require.LessOrEqual(t, float64(lower), score, f.Name)
	}
}

// shapes are vectors that codes fit badly: few large numbers, one, all equal,
// numbers between two codes, numbers of very different size.
var shapes = []func(r *rand.Rand, i int) float64{
	func(r *rand.Rand, _ int) float64 { return r.NormFloat64() },
	func(r *rand.Rand, _ int) float64 { return math.Pow(r.NormFloat64(), 9) },
	func(_ *rand.Rand, i int) float64 { return float64(1 - min(i, 1)) },
	func(_ *rand.Rand, _ int) float64 { return -1 },
	func(_ *rand.Rand, i int) float64 { return float64(119-min(i, 1)*111) + 0.5*float64(min(i, 1)) },
	func(r *rand.Rand, i int) float64 { return float64(119*(1-min(i, 1))) + 7.9999*float64(r.IntN(3)-1) },
	func(r *rand.Rand, _ int) float64 { return math.Exp(r.NormFloat64()*20) * float64(1-2*r.IntN(2)) },
	func(r *rand.Rand, i int) float64 {
		if i%7 == 3 {
			return 1e-38 * r.Float64()
		}
		return r.Float64()
	},
}

func TestTheScoreLiesBetweenItsBounds(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	for n := 1; n <= MaxDimension; n += 1 + n/3 {
		for a := range shapes {
			for b := range shapes {
				row, query := make([]float32, n), make([]float32, n)
				for i := range n {
					row[i], query[i] = float32(shapes[a](random, i)), float32(shapes[b](random, i))
				}
				if checkVector(row, n) == nil && checkVector(query, n) == nil {
					checkBounds(t, row, query)
					checkBounds(t, row, row)
				}
			}
		}
	}
}

func FuzzBounds(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 128, 63}, []byte{0, 0, 128, 63}, uint16(3))
	f.Add([]byte{0xff, 0xff, 0x7f, 0x7f}, []byte{1, 0, 0, 0}, uint16(384))
	f.Fuzz(func(t *testing.T, row, query []byte, dimension uint16) {
		n := int(dimension)%MaxDimension + 1
		x, q := numbers(row, n), numbers(query, n)
		if checkVector(x, n) == nil && checkVector(q, n) == nil {
			checkBounds(t, x, q)
		}
	})
}

// numbers repeats bytes as float32 numbers.
func numbers(from []byte, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		bits := uint32(0)
		for j := range 4 {
			if len(from) > 0 {
				bits |= uint32(from[(4*i+j)%len(from)]) << (8 * j)
			}
		}
		v[i] = math.Float32frombits(bits)
	}
	return v
}
