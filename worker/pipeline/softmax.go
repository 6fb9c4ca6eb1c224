package pipeline

import "math"

// expSteps is how many steps the table of powers of two has between 1 and 2.
const expSteps = 64

var expTable = func() (t [expSteps]uint32) {
	for i := range t {
		t[i] = math.Float32bits(float32(math.Exp2(float64(i) / expSteps)))
	}
	return t
}()

// sumExp gives the sum of e^(x-top) over a row whose greatest value is top, to
// about the precision of float32. It is the one thing that every value of every
// row is needed for, so it does without math.Exp: e^y is 2^(n/64) from a table
// times a short series of what is left.
func sumExp(row []float32, top float32) float64 {
	const (
		toSteps = float32(expSteps * math.Log2E)
		step    = float32(math.Ln2 / expSteps)
		// Adding it rounds a float32 to an integer that stands in its low bits.
		magic = float32(3 << 22)
		// e^-87 is the least that is no subnormal.
		least = float32(-87)
	)
	magicBits := math.Float32bits(magic)
	var sums [4]float32
	var total float64
	for len(row) > 0 {
		// Short blocks keep the float32 sums exact enough.
		block := row[:min(len(row), 256)]
		row = row[len(block):]
		sums = [4]float32{}
		for i, x := range block {
			y := x - top
			if !(y >= least) {
				continue
			}
			rounded := y*toSteps + magic
			n := int32(math.Float32bits(rounded) - magicBits)
			r := y - (rounded-magic)*step
			power := math.Float32frombits(expTable[n&(expSteps-1)] + uint32(n>>6)<<23)
			sums[i&3] += power + power*(r+r*r*(0.5+r*(1.0/6)))
		}
		total += float64(sums[0]+sums[1]) + float64(sums[2]+sums[3])
	}
	return total
}

// rowScale turns the logits of a row into log-probabilities without touching
// them: log p = (x - top) - logSum.
type rowScale struct{ top, logSum float32 }

// identity is the scale of a row that holds log-probabilities already.
var identity = rowScale{}

func scaleOf(row []float32) rowScale {
	top := maxOf(row)
	return rowScale{top: top, logSum: float32(math.Log(sumExp(row, top)))}
}

// of rounds as torch.log_softmax does.
func (s rowScale) of(x float32) float32 { return (x - s.top) - s.logSum }

// apply writes the log-probabilities into the row.
func (s rowScale) apply(row []float32) {
	for i, x := range row {
		row[i] = s.of(x)
	}
}

func maxOf(row []float32) float32 {
	top := float32(math.Inf(-1))
	for _, x := range row {
		if x > top {
			top = x
		}
	}
	return top
}
