package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"slices"

	"golang.org/x/image/webp"
)

// webpAnimation is the extended header of an animated WebP.
type webpAnimation struct {
	canvas image.Point
	alpha  bool
}

func webpAnimationOf(data []byte) (a webpAnimation, animated bool) {
	const animation, alpha = 1 << 1, 1 << 4
	header := webpChunk(data, "VP8X")
	if len(header) < 10 || header[0]&animation == 0 {
		return a, false
	}
	return webpAnimation{image.Pt(uint24(header[4:])+1, uint24(header[7:])+1), header[0]&alpha != 0}, true
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// first gives the first frame on a canvas that is clear, or black in a file without
// alpha; the file's background colour is not used, as in Pillow.
func (a webpAnimation) first(data []byte) (*Picture, error) {
	const header = 16
	chunk := webpChunk(data, "ANMF")
	if len(chunk) < header {
		return nil, fmt.Errorf("%w: no frame", ErrBroken)
	}
	at := image.Pt(2*uint24(chunk), 2*uint24(chunk[3:]))
	bounds := image.Rectangle{Min: at, Max: at.Add(image.Pt(uint24(chunk[6:])+1, uint24(chunk[9:])+1))}
	if !bounds.In(image.Rectangle{Max: a.canvas}) {
		return nil, fmt.Errorf("%w: a frame at %v on a canvas of %v", ErrBroken, bounds, a.canvas)
	}
	still := stillWebP(chunk[header:], chunk[6:12])
	c, err := webp.DecodeConfig(bytes.NewReader(still))
	if err != nil {
		return nil, err
	}
	if c.Width != bounds.Dx() || c.Height != bounds.Dy() {
		return nil, fmt.Errorf("%w: a frame of %d x %d in bounds of %v", ErrBroken, c.Width, c.Height, bounds)
	}
	frame, err := decodeStillWebP(still)
	if err != nil {
		return nil, err
	}
	p := newPicture(a.canvas.X, a.canvas.Y, a.alpha)
	p.paste(frame, at)
	return p, nil
}

// stillWebP makes a file of the chunks of one frame. With a chunk of alpha values it
// needs the extended header again, with the frame's size.
func stillWebP(chunks, size []byte) []byte {
	body := []byte("WEBP")
	if bytes.HasPrefix(chunks, []byte("ALPH")) {
		body = slices.Concat(body, []byte("VP8X\x0a\x00\x00\x00\x10\x00\x00\x00"), size)
	}
	body = append(body, chunks...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

// paste puts a picture at a place where it fits. Without alpha it is opaque there.
func (p *Picture) paste(from *Picture, at image.Point) {
	for y := range from.Height {
		to := p.Width*(at.Y+y) + at.X
		copy(p.RGB[3*to:], from.RGB[3*from.Width*y:][:3*from.Width])
		if p.Alpha == nil {
			continue
		}
		row := p.Alpha[to:][:from.Width]
		for x := range row {
			row[x] = 255
		}
		if from.Alpha != nil {
			copy(row, from.Alpha[from.Width*y:])
		}
	}
}
