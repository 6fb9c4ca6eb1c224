// Package picture turns the bytes of a picture into the tensor that the
// reference gives to a CLIP, SigLIP or ViT model: the slow image processors of
// Hugging Face transformers 4.57 over Pillow 13. What Pillow gives to the last
// bit is given to the last bit; Decode says where a decoder differs.
package picture

import (
	"fmt"
	"math"
)

// Picture is an 8-bit picture in sRGB levels, rows from top to bottom.
type Picture struct {
	// Width and Height are in pixels and at least 1.
	Width, Height int
	// RGB has 3 bytes a pixel: Height x Width x 3. A clear pixel keeps the colour
	// that the file gives it.
	RGB []byte
	// Alpha has a byte a pixel, 255 for opaque, not multiplied into RGB. It is nil
	// where the file has neither an alpha channel nor a transparent colour.
	Alpha []byte
}

func newPicture(width, height int, alpha bool) *Picture {
	p := &Picture{Width: width, Height: height, RGB: make([]byte, 3*width*height)}
	if alpha {
		p.Alpha = make([]byte, width*height)
	}
	return p
}

// check tells whether the slices are as long as the size says, since anyone can
// make a Picture.
func (p *Picture) check() error {
	if p.Width < 1 || p.Height < 1 || p.Height > math.MaxInt32/p.Width ||
		len(p.RGB) != 3*p.Width*p.Height || p.Alpha != nil && len(p.Alpha) != p.Width*p.Height {
		return fmt.Errorf("%d bytes of RGB and %d of alpha for %d x %d pixels", len(p.RGB), len(p.Alpha), p.Width, p.Height)
	}
	return nil
}

// over gives the picture composited over an opaque colour in 8 bits, as
// Pillow's alpha_composite does it; the result has no alpha channel.
func (p *Picture) over(background [3]uint8) *Picture {
	if p.Alpha == nil {
		return p
	}
	result := newPicture(p.Width, p.Height, false)
	for i, a := range p.Alpha {
		// The share of the source with 7 more bits than a level, as Pillow rounds it.
		share := uint32(a) * 128
		for c := 3 * i; c < 3*i+3; c++ {
			sum := uint32(p.RGB[c])*share + uint32(background[c-3*i])*(255*128-share)
			sum += 128 << 7
			result.RGB[c] = byte((sum + sum>>8) >> 8 >> 7)
		}
	}
	return result
}
