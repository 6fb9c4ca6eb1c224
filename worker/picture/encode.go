package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
)

// FromPlanes makes a picture of a model's output: 3 x height x width, channels
// first, 0 to 1. As in diffusers, values beyond are cut off, and a level is
// 255 x value rounded half to even. A value that is not a number is an error.
func FromPlanes(values []float32, height, width int) (*Picture, error) {
	if height < 1 || width < 1 || height > math.MaxInt32/width || len(values) != 3*height*width {
		return nil, fmt.Errorf("picture from planes: %d values for 3 x %d x %d", len(values), height, width)
	}
	p := newPicture(width, height, false)
	plane := height * width
	for i, v := range values {
		if v != v {
			return nil, errors.New("picture from planes: a value is not a number")
		}
		p.RGB[i%plane*3+i/plane] = byte(math.RoundToEven(float64(min(max(v, 0), 1) * 255)))
	}
	return p, nil
}

// EncodePNG gives the picture as a PNG file of 8 bits a channel: RGB, or RGBA where
// an alpha value is not 255.
func EncodePNG(p *Picture) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("encode PNG: %w", err)
	}
	m := image.NewNRGBA(image.Rect(0, 0, p.Width, p.Height))
	for i := range p.Width * p.Height {
		pixel := m.Pix[4*i:][:4]
		copy(pixel, p.RGB[3*i:][:3])
		pixel[3] = 255
		if p.Alpha != nil {
			pixel[3] = p.Alpha[i]
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		return nil, fmt.Errorf("encode PNG: %w", err)
	}
	return out.Bytes(), nil
}
