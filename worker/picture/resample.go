package picture

import (
	"image"
	"math"
)

// weightBits are the bits behind the point of a weight: 32 less 8 for the level
// and 2 for sums beyond it, as in Pillow.
const weightBits = 32 - 8 - 2

// tap is what one sample of the output takes from the input: the samples from
// start on, one for each weight.
type tap struct {
	start   int
	weights []int32
}

// taps gives the taps of the outputs from to to-1 of a line of n samples that is
// resized to size samples. The algorithm is that of Pillow's Resample.c: when
// shrinking, the kernel is widened by the scale; weights sum to 1 before they are
// rounded to fixed point.
func taps(n, size, from, to int, k kernel) []tap {
	scale := float64(n) / float64(size)
	widening := max(scale, 1)
	support := k.support * widening
	result := make([]tap, to-from)
	exact := make([]float64, 0, 2*int(math.Ceil(support))+1)
	for i := range result {
		center := (float64(from+i) + 0.5) * scale
		start := max(int(center-support+0.5), 0)
		end := min(int(center+support+0.5), n)
		exact = exact[:0]
		sum := 0.0
		for x := start; x < end; x++ {
			w := k.weight((float64(x) - center + 0.5) * (1 / widening))
			exact = append(exact, w)
			sum += w
		}
		result[i] = tap{start, fixed(exact, sum)}
	}
	return result
}

func fixed(exact []float64, sum float64) []int32 {
	weights := make([]int32, len(exact))
	for i, w := range exact {
		if sum != 0 {
			w /= sum
		}
		weights[i] = int32(math.Round(w * (1 << weightBits)))
	}
	return weights
}

// nearestTaps gives taps of one sample each. The position is summed up step by step,
// as Pillow does it, because a product would round in other places.
func nearestTaps(n, size, from, to int) []tap {
	step := float64(n) / float64(size)
	at := step * 0.5
	result := make([]tap, to-from)
	for i := range to {
		if i >= from {
			result[i-from] = tap{min(int(at), n-1), []int32{1 << weightBits}}
		}
		at += step
	}
	return result
}

func (f filter) taps(n, size, from, to int) []tap {
	if f == nearest {
		return nearestTaps(n, size, from, to)
	}
	return taps(n, size, from, to, kernels[f])
}

// resize gives the part window of the picture that Pillow's
// Image.resize((width, height), filter) gives, equal to the last bit for every
// filter. Only that part is worked out, so memory is bounded by the window and
// the input whatever width and height are. Alpha is dropped.
//
// The order of the passes shows, because the first one rounds to 8 bits. Pillow 13
// takes the columns first where the height loses more than twice what the width
// loses; up to 12 the rows always came first.
func (p *Picture) resize(width, height int, f filter, window image.Rectangle) *Picture {
	columns := f.taps(p.Width, width, window.Min.X, window.Max.X)
	rows := f.taps(p.Height, height, window.Min.Y, window.Max.Y)
	lost := p.Height - height
	if lost > 0 && lost > 2*(p.Width-width) {
		first, last := span(columns)
		p = p.resizeColumns(rows, first, last)
		return p.resizeRows(shifted(columns, first), 0, p.Height)
	}
	first, last := span(rows)
	p = p.resizeRows(columns, first, last)
	return p.resizeColumns(shifted(rows, first), 0, p.Width)
}

// span gives the first input sample of the taps and the one behind the last.
func span(taps []tap) (first, last int) {
	first, last = math.MaxInt, 0
	for _, t := range taps {
		first, last = min(first, t.start), max(last, t.start+len(t.weights))
	}
	return first, last
}

func shifted(taps []tap, by int) []tap {
	for i := range taps {
		taps[i].start -= by
	}
	return taps
}

// resizeRows gives the rows from first to last-1, each made as wide as there are
// taps.
func (p *Picture) resizeRows(columns []tap, first, last int) *Picture {
	result := newPicture(len(columns), last-first, false)
	for y := range result.Height {
		line := p.RGB[3*p.Width*(first+y):][:3*p.Width]
		out := result.RGB[3*result.Width*y:][:3*result.Width]
		for x, t := range columns {
			in := line[3*t.start:][:3*len(t.weights)]
			var red, green, blue int32 = 1 << (weightBits - 1), 1 << (weightBits - 1), 1 << (weightBits - 1)
			for i, w := range t.weights {
				sample := in[3*i : 3*i+3 : 3*i+3]
				red += int32(sample[0]) * w
				green += int32(sample[1]) * w
				blue += int32(sample[2]) * w
			}
			pixel := out[3*x : 3*x+3]
			pixel[0], pixel[1], pixel[2] = level(red), level(green), level(blue)
		}
	}
	return result
}

// resizeColumns gives the columns from first to last-1, each made as high as
// there are taps.
func (p *Picture) resizeColumns(rows []tap, first, last int) *Picture {
	result := newPicture(last-first, len(rows), false)
	sums := make([]int32, 3*result.Width)
	for y, t := range rows {
		for i := range sums {
			sums[i] = 1 << (weightBits - 1)
		}
		for i, w := range t.weights {
			line := p.RGB[3*(p.Width*(t.start+i)+first):][:len(sums)]
			for x, v := range line {
				sums[x] += int32(v) * w
			}
		}
		out := result.RGB[len(sums)*y:][:len(sums)]
		for x, sum := range sums {
			out[x] = level(sum)
		}
	}
	return result
}

// level takes a sum of weighted levels to 8 bits; bicubic and Lanczos go beyond
// them on both sides.
func level(sum int32) byte { return byte(min(max(sum>>weightBits, 0), 255)) }
