package picture

import "image"

// plane is a channel that may have fewer samples than the picture has pixels.
type plane struct {
	samples               []byte
	stride, width, height int
}

func (c plane) row(y int) []byte { return c.samples[c.stride*y:][:c.width] }

// rows gives the row of samples nearest to row y of a picture twice as high, and
// the next nearest. Beyond the border that is the same row.
func (c plane) rows(y int) (near, far []byte) {
	at := y / 2
	return c.row(at), c.row(min(max(at-1+2*(y&1), 0), c.height-1))
}

// upsampler brings the chroma of a JPEG to full size. The smooth ones weigh the
// nearest sample 3/4 and the next 1/4 in each direction and alternate the
// rounding, as libjpeg-turbo's "fancy upsampling" does, which Pillow uses.
type upsampler struct {
	// across and down are the pixels that a sample covers.
	across, down int
	// row gives row y of the picture.
	row func(out []byte, c plane, y int)
}

var upsamplers = map[image.YCbCrSubsampleRatio]upsampler{
	image.YCbCrSubsampleRatio444: {1, 1, func(out []byte, c plane, y int) { copy(out, c.row(y)) }},
	image.YCbCrSubsampleRatio422: {2, 1, func(out []byte, c plane, y int) { widen(out, c.row(y), c.row(y), 4, 8) }},
	image.YCbCrSubsampleRatio420: {2, 2, func(out []byte, c plane, y int) { near, far := c.rows(y); widen(out, near, far, 8, 7) }},
	image.YCbCrSubsampleRatio440: {1, 2, heighten},
	image.YCbCrSubsampleRatio411: repeated(upsampler{across: 4, down: 1}),
	image.YCbCrSubsampleRatio410: repeated(upsampler{across: 4, down: 2}),
}

// repeated gives every pixel the sample that covers it. libjpeg-turbo does so for
// four pixels across, and where a row has no more than two samples.
func repeated(u upsampler) upsampler {
	u.row = func(out []byte, c plane, y int) {
		row := c.row(y / u.down)
		for x := range out {
			out[x] = row[x/u.across]
		}
	}
	return u
}

func heighten(out []byte, c plane, y int) {
	near, far := c.rows(y)
	bias := 1 + y&1
	for x := range out {
		out[x] = byte((3*int(near[x]) + int(far[x]) + bias) >> 2)
	}
}

// widen doubles a row of samples, each weighed against the row far first. Where
// that is the same row, the weights of the row alone are left. The outermost
// pixels take no neighbour. even and odd are the biases of the rounding.
func widen(out, near, far []byte, even, odd int) {
	far = far[:len(near)]
	left, middle := 0, 0
	for i := range near {
		// One sample ahead, so that out has its two neighbours.
		right := 3*int(near[i]) + int(far[i])
		if i == 0 {
			left, middle = right, right
			continue
		}
		out[2*i-2] = byte((3*middle + left + even) >> 4)
		out[2*i-1] = byte((3*middle + right + odd) >> 4)
		left, middle = middle, right
	}
	last := 2*len(near) - 2
	out[last] = byte((3*middle + left + even) >> 4)
	if last+1 < len(out) {
		out[last+1] = byte((3*middle + middle + odd) >> 4)
	}
}
