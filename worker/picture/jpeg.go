package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
)

func jpegSize(data []byte) (width, height int, err error) {
	c, err := jpeg.DecodeConfig(bytes.NewReader(data))
	return c.Width, c.Height, err
}

// maxScans bounds the passes over all pixels that a progressive JPEG can ask for by
// a few bytes each. Encoders write about ten.
const maxScans = 100

func decodeJPEG(data []byte) (*Picture, error) {
	if scans := bytes.Count(data, []byte("\xff\xda")); scans > maxScans {
		return nil, fmt.Errorf("%w: %d scans, %d allowed", ErrTooLarge, scans, maxScans)
	}
	m, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *image.Gray:
		return fromLevels(m), nil
	case *image.YCbCr:
		return fromFullRange(m)
	case *image.CMYK:
		return fromCMYK(m), nil
	}
	return fromImage(m)
}

func jpegMetadata(data []byte) (exif, xmp []byte) {
	return jpegSegment(data, "Exif\x00\x00"), jpegSegment(data, "http://ns.adobe.com/xap/1.0/\x00")
}

// jpegSegment gives the first APP1 segment that begins so.
func jpegSegment(data []byte, start string) []byte {
	const soi, app1, sos = 2, 0xe1, 0xda
	for at := soi; at+4 <= len(data) && data[at] == 0xff && data[at+1] != sos; {
		if data[at+1] == 0xff {
			at++
			continue
		}
		size := int(binary.BigEndian.Uint16(data[at+2:]))
		if size < 2 || size > len(data)-at-2 {
			return nil
		}
		segment := data[at+4:][:size-2]
		if data[at+1] == app1 && bytes.HasPrefix(segment, []byte(start)) {
			return segment
		}
		at += 2 + size
	}
	return nil
}

// fromCMYK is Pillow's conversion: what ink leaves of the paper, channel by
// channel.
func fromCMYK(m *image.CMYK) *Picture {
	p := newPicture(m.Rect.Dx(), m.Rect.Dy(), false)
	for y := range p.Height {
		row := m.Pix[m.Stride*y:][:4*p.Width]
		for x := range p.Width {
			ink := row[4*x:][:4]
			paper := 255 - int(ink[3])
			for c := range 3 {
				product := int(ink[c])*paper + 128
				p.RGB[3*(p.Width*y+x)+c] = byte(max(paper-(product+product>>8)>>8, 0))
			}
		}
	}
	return p
}

// fromFullRange converts the planes of a JPEG with the fixed-point coefficients
// of libjpeg (ITU-R BT.601, 16 bits behind the point).
func fromFullRange(m *image.YCbCr) (*Picture, error) {
	chroma, found := upsamplers[m.SubsampleRatio]
	if !found {
		return nil, fmt.Errorf("%w: chroma subsampling %v", ErrFormat, m.SubsampleRatio)
	}
	const half = 1 << 15
	p := newPicture(m.Rect.Dx(), m.Rect.Dy(), false)
	width, height := (p.Width+chroma.across-1)/chroma.across, (p.Height+chroma.down-1)/chroma.down
	if width <= 2 && chroma.across == 2 {
		chroma = repeated(chroma)
	}
	blue, red := make([]byte, p.Width), make([]byte, p.Width)
	for y := range p.Height {
		chroma.row(blue, plane{m.Cb, m.CStride, width, height}, y)
		chroma.row(red, plane{m.Cr, m.CStride, width, height}, y)
		out := p.RGB[3*p.Width*y:][:3*p.Width]
		for x, l := range m.Y[m.YStride*y:][:p.Width] {
			l, u, v := int32(l), int32(blue[x])-128, int32(red[x])-128
			pixel := out[3*x : 3*x+3 : 3*x+3]
			pixel[0] = clamped(l + (91881*v+half)>>16)
			pixel[1] = clamped(l + (-22554*u-46802*v+half)>>16)
			pixel[2] = clamped(l + (116130*u+half)>>16)
		}
	}
	return p, nil
}

func clamped(v int32) byte { return byte(min(max(v, 0), 255)) }
