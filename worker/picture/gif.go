package picture

import (
	"bytes"
	"compress/lzw"
	"encoding/binary"
	"fmt"
	"image"
	"io"
)

// gifFrame is the first frame of a GIF. Go's image/gif is not used, because it
// loses the colour of transparent pixels and refuses frames beyond the canvas.
type gifFrame struct {
	canvas image.Point
	bounds image.Rectangle
	// palette is a ramp of grey where the file has none. Beyond the end of the file's
	// palette it is black, as in Pillow.
	palette     [256][4]byte
	transparent int // -1 for none
	interlaced  bool
	data        []byte // from the least code size on
}

func gifSize(data []byte) (width, height int, err error) {
	f, err := parseGIF(data)
	if err != nil {
		return 0, 0, err
	}
	return f.canvas.X, f.canvas.Y, nil
}

// parseGIF reads up to the pixels of the first frame. A frame beyond the canvas
// widens it, as in Pillow.
func parseGIF(data []byte) (*gifFrame, error) {
	f := &gifFrame{transparent: -1}
	for i := range f.palette {
		f.palette[i] = [4]byte{byte(i), byte(i), byte(i), 255}
	}
	in := &gifReader{rest: data}
	screen := in.take(13)
	f.canvas = image.Pt(int(binary.LittleEndian.Uint16(screen[6:])), int(binary.LittleEndian.Uint16(screen[8:])))
	global := in.palette(screen[10])
	for !in.short {
		switch in.take(1)[0] {
		case '!':
			label := in.take(1)[0]
			block := in.block()
			if label == 0xf9 && len(block) >= 4 && block[0]&1 != 0 {
				f.transparent = int(block[3])
			}
			for len(block) > 0 {
				block = in.block()
			}
		case ',':
			f.place(in.take(9), global, in)
			if !in.short {
				return f, nil
			}
		case ';':
			return nil, fmt.Errorf("%w: no frame", ErrBroken)
		}
	}
	return nil, fmt.Errorf("%w: the header is cut short", ErrBroken)
}

// place reads the descriptor of a frame and what follows it.
func (f *gifFrame) place(descriptor, global []byte, in *gifReader) {
	field := func(i int) int { return int(binary.LittleEndian.Uint16(descriptor[2*i:])) }
	f.bounds = image.Rect(field(0), field(1), field(0)+field(2), field(1)+field(3))
	f.canvas = image.Pt(max(f.canvas.X, f.bounds.Max.X), max(f.canvas.Y, f.bounds.Max.Y))
	flags := descriptor[8]
	f.interlaced = flags&0x40 != 0
	colours := global
	if local := in.palette(flags); local != nil {
		colours = local
	}
	if colours != nil {
		for i := range f.palette {
			f.palette[i] = [4]byte{3: 255}
			copy(f.palette[i][:3], colours[min(3*i, len(colours)):])
		}
	}
	f.data = in.rest
}

func decodeGIF(data []byte) (*Picture, error) {
	f, err := parseGIF(data)
	if err != nil {
		return nil, err
	}
	levels, err := f.levels()
	if err != nil {
		return nil, err
	}
	p := newPicture(f.canvas.X, f.canvas.Y, f.transparent >= 0)
	background := f.palette[0]
	if f.transparent >= 0 {
		f.palette[f.transparent][3] = 0
		background = f.palette[f.transparent]
	}
	for i := range p.Width * p.Height {
		p.set(i, background)
	}
	for i, y := range f.rows() {
		row := levels[f.bounds.Dx()*i:][:f.bounds.Dx()]
		for x, index := range row {
			p.set(p.Width*(f.bounds.Min.Y+y)+f.bounds.Min.X+x, f.palette[index])
		}
	}
	return p, nil
}

// levels gives the palette's indices in the order of the file.
func (f *gifFrame) levels() ([]byte, error) {
	in := &gifReader{rest: f.data}
	bits := int(in.take(1)[0])
	if bits < 2 || bits > 8 {
		return nil, fmt.Errorf("%w: codes of %d bits", ErrBroken, bits)
	}
	var packed []byte
	for block := in.block(); len(block) > 0; block = in.block() {
		packed = append(packed, block...)
	}
	unpacked := lzw.NewReader(bytes.NewReader(packed), lzw.LSB, bits)
	defer unpacked.Close()
	levels := make([]byte, f.bounds.Dx()*f.bounds.Dy())
	if _, err := io.ReadFull(unpacked, levels); err != nil {
		return nil, fmt.Errorf("%w: pixels: %w", ErrBroken, err)
	}
	return levels, nil
}

// rows gives the rows of the frame in the order of the file.
func (f *gifFrame) rows() []int {
	passes := [][2]int{{0, 1}}
	if f.interlaced {
		passes = [][2]int{{0, 8}, {4, 8}, {2, 4}, {1, 2}}
	}
	rows := make([]int, 0, f.bounds.Dy())
	for _, pass := range passes {
		for y := pass[0]; y < f.bounds.Dy(); y += pass[1] {
			rows = append(rows, y)
		}
	}
	return rows
}

// gifReader hands out a file piece by piece. Beyond its end it gives zeros and
// notes that it was short.
type gifReader struct {
	rest  []byte
	short bool
}

func (r *gifReader) take(n int) []byte {
	if n > len(r.rest) {
		r.rest, r.short = nil, true
		return make([]byte, n)
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

// block gives the next sub-block; an empty one ends a chain of them, and so does
// one that is cut short.
func (r *gifReader) block() []byte {
	block := r.take(int(r.take(1)[0]))
	if r.short {
		return nil
	}
	return block
}

// palette gives the colour table that the flags announce, nil where they don't.
func (r *gifReader) palette(flags byte) []byte {
	if flags&0x80 == 0 {
		return nil
	}
	return r.take(3 << (flags&7 + 1))
}
