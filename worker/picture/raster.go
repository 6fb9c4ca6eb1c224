package picture

import (
	"fmt"
	"image"
	"image/color"
)

// fromImage takes what Go's decoders give and keeps the colour below clear
// pixels. Of 16 bits the upper 8 stay, as in Pillow.
func fromImage(m image.Image) (*Picture, error) {
	switch m := m.(type) {
	case *image.Paletted:
		return fromPaletted(m), nil
	case *image.RGBA:
		return fromSamples(m.Rect, m.Pix, m.Stride, 1, false), nil
	case *image.NRGBA:
		return fromSamples(m.Rect, m.Pix, m.Stride, 1, true), nil
	case *image.RGBA64:
		return fromSamples(m.Rect, m.Pix, m.Stride, 2, false), nil
	case *image.NRGBA64:
		return fromSamples(m.Rect, m.Pix, m.Stride, 2, true), nil
	}
	return nil, fmt.Errorf("%w: pixels of type %T", ErrFormat, m)
}

// fromSamples reads red, green, blue and alpha of size bytes each.
func fromSamples(r image.Rectangle, pix []byte, stride, size int, alpha bool) *Picture {
	p := newPicture(r.Dx(), r.Dy(), alpha)
	for y := range p.Height {
		row := pix[stride*y:][:4*size*p.Width]
		out := p.RGB[3*p.Width*y:][:3*p.Width]
		for x := range p.Width {
			pixel := row[4*size*x:][:4*size]
			out[3*x], out[3*x+1], out[3*x+2] = pixel[0], pixel[size], pixel[2*size]
			if alpha {
				p.Alpha[p.Width*y+x] = pixel[3*size]
			}
		}
	}
	return p
}

// fromPaletted takes a palette with an alpha value for one with an alpha channel.
func fromPaletted(m *image.Paletted) *Picture {
	var colours [256][4]byte
	clear := false
	for i, entry := range m.Palette[:min(len(m.Palette), len(colours))] {
		// Where Go's decoders give a colour of this type, the file has alpha values.
		c, straight := entry.(color.NRGBA)
		if !straight {
			c = color.NRGBAModel.Convert(entry).(color.NRGBA)
		}
		clear = clear || straight
		colours[i] = [4]byte{c.R, c.G, c.B, c.A}
	}
	p := newPicture(m.Rect.Dx(), m.Rect.Dy(), clear)
	for y := range p.Height {
		for x, index := range m.Pix[m.Stride*y:][:p.Width] {
			p.set(p.Width*y+x, colours[index])
		}
	}
	return p
}

// fromGrey reads a PNG of the colour type grey. Pillow cuts 16 bits off at 255.
func fromGrey(m image.Image) (*Picture, error) {
	switch m := m.(type) {
	case *image.Gray:
		return fromLevels(m), nil
	case *image.Gray16:
		p := newPicture(m.Rect.Dx(), m.Rect.Dy(), false)
		for i := range p.Width * p.Height {
			v := saturated(m.Pix[2*i], m.Pix[2*i+1])
			p.set(i, [4]byte{v, v, v})
		}
		return p, nil
	case *image.NRGBA64:
		p := newPicture(m.Rect.Dx(), m.Rect.Dy(), true)
		for i := range p.Width * p.Height {
			v := saturated(m.Pix[8*i], m.Pix[8*i+1])
			p.set(i, [4]byte{v, v, v, m.Pix[8*i+6]})
		}
		return p, nil
	}
	return fromImage(m)
}

func saturated(upper, lower byte) byte {
	if upper > 0 {
		return 255
	}
	return lower
}

func fromLevels(m *image.Gray) *Picture {
	p := newPicture(m.Rect.Dx(), m.Rect.Dy(), false)
	for y := range p.Height {
		for x, v := range m.Pix[m.Stride*y:][:p.Width] {
			p.set(p.Width*y+x, [4]byte{v, v, v})
		}
	}
	return p
}

// set writes pixel i; its alpha counts where the picture has that channel.
func (p *Picture) set(i int, c [4]byte) {
	copy(p.RGB[3*i:3*i+3], c[:3])
	if p.Alpha != nil {
		p.Alpha[i] = c[3]
	}
}
