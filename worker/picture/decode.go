package picture

import (
	"errors"
	"fmt"
	"image/jpeg"
	"image/png"
	"strings"

	"golang.org/x/image/bmp"
)

// What Decode's errors wrap.
var (
	// ErrFormat means that the bytes are of no known format, or of a kind of it that
	// is not read: the message says which.
	ErrFormat = errors.New("picture format not supported")
	// ErrTooLarge means that a limit of DecodeOptions is passed.
	ErrTooLarge = errors.New("picture too large")
	// ErrBroken means that the file is cut short or damaged.
	ErrBroken = errors.New("picture broken")
)

// The limits where DecodeOptions has none.
const (
	DefaultMaxBytes  = 32 << 20
	DefaultMaxSide   = 16_384
	DefaultMaxPixels = 40_000_000
)

// DecodeOptions bounds what is read. Limits are checked before memory for pixels
// is taken; the most that a picture can take is 32 bytes a pixel, by a progressive
// JPEG in CMYK.
type DecodeOptions struct {
	// MaxBytes bounds the file, MaxSide the width and the height in pixels, MaxPixels
	// their product. 0 means the default.
	MaxBytes, MaxSide, MaxPixels int
	// IgnoreOrientation leaves the pixels as they are stored, as Pillow's Image.open
	// does. The zero value turns and mirrors them as EXIF or XMP says, as
	// transformers' load_image does, because users' photographs come that way.
	IgnoreOrientation bool
}

// format is one kind of file. It is told by its first bytes, never by a name.
type format struct {
	name  string
	match func(data []byte) bool
	// size gives width and height by the header alone.
	size   func(data []byte) (width, height int, err error)
	decode func(data []byte) (*Picture, error)
	// metadata gives the blocks that may say how the picture is turned, nil where there
	// are none. A nil function means that the format has no such blocks.
	metadata func(data []byte) (exif, xmp []byte)
	// density is the most pixels that one byte of a whole file can stand for, 0 where
	// there is no such bound.
	density int
}

var formats = []format{
	// Deflate gives at most 1032 bytes for one, and a byte holds up to 8 pixels.
	{"PNG", prefix("\x89PNG\r\n\x1a\n"), pngSize, decodePNG, pngMetadata, 8 * 1032},
	// A block of 64 pixels takes a bit at least.
	{"JPEG", prefix("\xff\xd8\xff"), jpegSize, decodeJPEG, jpegMetadata, 8 * 64},
	{"GIF", func(data []byte) bool { return prefix("GIF87a")(data) || prefix("GIF89a")(data) }, gifSize, decodeGIF, nil, 0},
	{"WebP", func(data []byte) bool { return prefix("RIFF")(data) && len(data) >= 12 && string(data[8:12]) == "WEBP" }, webpSize, decodeWebP, webpMetadata, 0},
	{"BMP", prefix("BM"), bmpSize, decodeBMP, nil, 8},
}

func prefix(magic string) func(data []byte) bool {
	return func(data []byte) bool { return strings.HasPrefix(string(data[:min(len(data), len(magic))]), magic) }
}

// Decode reads a PNG, JPEG, GIF, WebP or BMP file to what Pillow's
// convert("RGB") gives, with the alpha channel kept beside it. Of an animated GIF
// or WebP it gives the first frame on its canvas.
//
// The RGB of PNG, GIF, BMP and WebP is equal to Pillow's to the last bit, among it
// 16-bit grey, which Pillow cuts off at 255 where others take the upper byte. JPEG
// has libjpeg-turbo's chroma upsampling and colour conversion over Go's own inverse
// cosine transform: photographs differ from Pillow by 0.02 to 0.04 levels on
// average and by 3 at most. Colour profiles are not applied, as in Pillow.
//
// Some files that Pillow reads are errors: damaged JPEG data, a PNG without its
// end, CMYK without Adobe's marker, arithmetic coding, run lengths in BMP.
//
// Errors wrap ErrFormat, ErrTooLarge or ErrBroken.
func Decode(data []byte, o DecodeOptions) (*Picture, error) {
	if limit := orDefault(o.MaxBytes, DefaultMaxBytes); len(data) > limit {
		return nil, fmt.Errorf("%w: %d bytes, %d allowed", ErrTooLarge, len(data), limit)
	}
	for _, f := range formats {
		if !f.match(data) {
			continue
		}
		p, err := f.read(data, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, kindOf(err))
		}
		return p, nil
	}
	return nil, fmt.Errorf("%w: neither PNG, JPEG, GIF, WebP nor BMP", ErrFormat)
}

func (f format) read(data []byte, o DecodeOptions) (*Picture, error) {
	width, height, err := f.size(data)
	if err != nil {
		return nil, err
	}
	side, pixels := orDefault(o.MaxSide, DefaultMaxSide), orDefault(o.MaxPixels, DefaultMaxPixels)
	switch {
	case width < 1 || height < 1:
		return nil, fmt.Errorf("%w: %d x %d pixels", ErrBroken, width, height)
	case width > side || height > side:
		return nil, fmt.Errorf("%w: %d x %d pixels, %d a side allowed", ErrTooLarge, width, height, side)
	case height > pixels/width:
		return nil, fmt.Errorf("%w: %d x %d pixels, %d in all allowed", ErrTooLarge, width, height, pixels)
	case f.density > 0 && height > len(data)*f.density/width:
		return nil, fmt.Errorf("%w: %d bytes cannot hold %d x %d pixels", ErrBroken, len(data), width, height)
	}
	p, err := f.decode(data)
	if err != nil || f.metadata == nil || o.IgnoreOrientation {
		return p, err
	}
	return p.oriented(orientation(f.metadata(data))), nil
}

func orDefault(limit, otherwise int) int {
	if limit > 0 {
		return limit
	}
	return otherwise
}

// kindOf puts a decoder's own error under one of ours.
func kindOf(err error) error {
	var inJPEG jpeg.UnsupportedError
	var inPNG png.UnsupportedError
	switch {
	case errors.Is(err, ErrFormat), errors.Is(err, ErrTooLarge), errors.Is(err, ErrBroken):
		return err
	case errors.As(err, &inJPEG), errors.As(err, &inPNG), errors.Is(err, bmp.ErrUnsupported):
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return fmt.Errorf("%w: %w", ErrBroken, err)
}
