package media

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"

	"parley/internal/apperr"
)

// format is one kind of file. It is told by its first bytes, never by a name.
type format struct {
	name string
	// size gives width and height by the header alone.
	size   func(data []byte) (width, height int, err error)
	decode func(data []byte) (image.Image, error)
	// exif gives the block that may say how the picture is turned, nil where there is
	// none.
	exif func(data []byte) []byte
}

func formatOf(data []byte) (format, error) {
	starts := func(magic string) bool { return bytes.HasPrefix(data, []byte(magic)) }
	switch {
	case starts("\x89PNG\r\n\x1a\n"):
		return format{"PNG", sizeBy(png.DecodeConfig), func(data []byte) (image.Image, error) { return png.Decode(bytes.NewReader(data)) }, pngEXIF}, nil
	case starts("\xff\xd8\xff"):
		return format{"JPEG", sizeBy(jpeg.DecodeConfig), decodeJPEG, jpegEXIF}, nil
	case starts("GIF87a"), starts("GIF89a"):
		return format{"GIF", sizeBy(gif.DecodeConfig), decodeGIF, noEXIF}, nil
	case starts("RIFF") && len(data) >= 12 && string(data[8:12]) == "WEBP":
		return format{"WebP", webpSize, decodeWebP, func(data []byte) []byte { return webpChunk(data, "EXIF") }}, nil
	}
	return format{}, apperr.New(apperr.BadInput, "The file is neither PNG, JPEG, WebP nor GIF.")
}

func sizeBy(config func(r io.Reader) (image.Config, error)) func([]byte) (int, int, error) {
	return func(data []byte) (int, int, error) {
		c, err := config(bytes.NewReader(data))
		return c.Width, c.Height, err
	}
}

// maxScans bounds the passes over all pixels that a progressive JPEG can ask for by
// a few bytes each. Encoders write about ten.
const maxScans = 100

func decodeJPEG(data []byte) (image.Image, error) {
	if bytes.Count(data, []byte("\xff\xda")) > maxScans {
		return nil, apperr.New(apperr.TooLarge, "A JPEG file has at most %d scans.", maxScans)
	}
	return jpeg.Decode(bytes.NewReader(data))
}

// decodeGIF gives the first frame on its canvas. Go's decoder gives the frame alone,
// which may be smaller.
func decodeGIF(data []byte) (image.Image, error) {
	c, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	frame, err := gif.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	canvas := image.NewNRGBA(image.Rect(0, 0, c.Width, c.Height))
	draw.Draw(canvas, frame.Bounds(), frame, frame.Bounds().Min, draw.Src)
	return canvas, nil
}

func webpSize(data []byte) (width, height int, err error) {
	if webpChunk(data, "ANIM") != nil || webpChunk(data, "ANMF") != nil {
		return 0, 0, apperr.New(apperr.BadInput, "Animated WebP is not taken: send a still picture, or a GIF.")
	}
	return sizeBy(webp.DecodeConfig)(data)
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
			return data[at+frame:][:size:size]
		}
		at += frame + int(size+size&1)
	}
	return nil
}

func decodeWebP(data []byte) (image.Image, error) {
	m, err := webp.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *image.YCbCr:
		return fromStudioRange(m, nil, 0), nil
	case *image.NYCbCrA:
		return fromStudioRange(&m.YCbCr, m.A, m.AStride), nil
	}
	return m, nil
}

// fromStudioRange converts the planes of lossy WebP, in which black is 16 and white
// 235 (ITU-R BT.601). Go's decoder gives them as image.YCbCr, which means the full
// range, so that they would come out washed.
func fromStudioRange(m *image.YCbCr, alpha []byte, stride int) *image.NRGBA {
	b := m.Bounds()
	result := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	for y := range b.Dy() {
		row := result.Pix[result.Stride*y:][:4*b.Dx()]
		for x := range b.Dx() {
			c := m.COffset(b.Min.X+x, b.Min.Y+y)
			// 16 bits behind the point: 255/219, and 255/224 times the matrix.
			l := 76309 * (int(m.Y[m.YOffset(b.Min.X+x, b.Min.Y+y)]) - 16)
			u, v := int(m.Cb[c])-128, int(m.Cr[c])-128
			pixel := row[4*x : 4*x+4 : 4*x+4]
			pixel[0] = level(l + 104597*v)
			pixel[1] = level(l - 25675*u - 53279*v)
			pixel[2] = level(l + 132201*u)
			pixel[3] = 255
			if alpha != nil {
				pixel[3] = alpha[stride*y+x]
			}
		}
	}
	return result
}

func level(v int) byte { return byte(min(max((v+1<<15)>>16, 0), 255)) }
