package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"

	"golang.org/x/image/webp"
)

func webpSize(data []byte) (width, height int, err error) {
	if int64(binary.LittleEndian.Uint32(data[4:])) > int64(len(data)-8) {
		return 0, 0, fmt.Errorf("%w: cut short", ErrBroken)
	}
	if a, animated := webpAnimationOf(data); animated {
		return a.canvas.X, a.canvas.Y, nil
	}
	c, err := webp.DecodeConfig(bytes.NewReader(data))
	return c.Width, c.Height, err
}

// webpChunk gives the content of the first chunk of that name, nil where there is
// none.
func webpChunk(data []byte, name string) []byte {
	const header, frame = 12, 8
	for at := header; at+frame <= len(data); {
		size := int64(binary.LittleEndian.Uint32(data[at+4:]))
		if size > int64(len(data)-at-frame) {
			return nil
		}
		if string(data[at:at+4]) == name {
			return data[at+frame:][:size]
		}
		at += frame + int(size+size&1)
	}
	return nil
}

func webpMetadata(data []byte) (exif, xmp []byte) {
	return webpChunk(data, "EXIF"), webpChunk(data, "XMP ")
}

func decodeWebP(data []byte) (*Picture, error) {
	if a, animated := webpAnimationOf(data); animated {
		return a.first(data)
	}
	return decodeStillWebP(data)
}

func decodeStillWebP(data []byte) (*Picture, error) {
	m, err := webp.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *image.YCbCr:
		return fromStudioRange(m), nil
	case *image.NYCbCrA:
		p := fromStudioRange(&m.YCbCr)
		p.Alpha = make([]byte, p.Width*p.Height)
		for y := range p.Height {
			copy(p.Alpha[p.Width*y:][:p.Width], m.A[m.AStride*y:])
		}
		return p, nil
	}
	p, err := fromImage(m)
	if err == nil && !usesAlpha(data) {
		p.Alpha = nil
	}
	return p, err
}

// usesAlpha tells whether a lossless file says that its alpha values count.
func usesAlpha(data []byte) bool {
	header := webpChunk(data, "VP8L")
	return len(header) >= 5 && header[4]&(1<<4) != 0
}

// fromStudioRange converts the planes of lossy WebP, in which black is 16 and
// white 235, with the coefficients and the rounding of libwebp, which Pillow
// uses. image.YCbCr would mean the full range, as in JPEG.
func fromStudioRange(m *image.YCbCr) *Picture {
	p := newPicture(m.Rect.Dx(), m.Rect.Dy(), false)
	blue, red := make([]byte, p.Width), make([]byte, p.Width)
	for y := range p.Height {
		studioChroma(blue, plane{m.Cb, m.CStride, (p.Width + 1) / 2, (p.Height + 1) / 2}, y)
		studioChroma(red, plane{m.Cr, m.CStride, (p.Width + 1) / 2, (p.Height + 1) / 2}, y)
		luma := m.Y[m.YStride*y:][:p.Width]
		out := p.RGB[3*p.Width*y:][:3*p.Width]
		for x, v := range luma {
			l, u, v := share(v, 19077), blue[x], red[x]
			out[3*x] = studioLevel(l + share(v, 26149) - 14234)
			out[3*x+1] = studioLevel(l - share(u, 6419) - share(v, 13320) + 8708)
			out[3*x+2] = studioLevel(l + share(u, 33050) - 17685)
		}
	}
	return p
}

func share(v byte, coefficient int) int { return int(v) * coefficient >> 8 }

// studioLevel drops the 6 bits behind the point that the coefficients leave.
func studioLevel(v int) byte { return byte(min(max(v>>6, 0), 255)) }

// studioChroma gives row y of a chroma plane in full size: 9/16 of the nearest
// sample, 3/16 of its two neighbours and 1/16 of the one across, rounded twice as
// in libwebp. At the borders the missing row repeats, and the outermost columns
// take no neighbour beside them.
func studioChroma(out []byte, c plane, y int) {
	near, far := c.rows(y)
	for x := range out {
		n, v := int(near[x/2]), int(far[x/2])
		beside := x/2 - 1 + 2*(x&1)
		if beside < 0 || beside >= c.width {
			out[x] = byte((3*n + v + 2) >> 2)
			continue
		}
		h, d := int(near[beside]), int(far[beside])
		out[x] = byte(((n+3*h+3*v+d+8)>>3 + n) >> 1)
	}
}
