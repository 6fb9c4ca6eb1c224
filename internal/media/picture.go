package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/draw"
	"golang.org/x/sync/semaphore"

	"parley/internal/apperr"
)

// Limits of a picture that comes in.
const (
	// MaxBytes is the largest file.
	MaxBytes = 8 << 20
	// MaxPixels is the largest product of width and height, MaxSide the largest of one.
	MaxPixels = 40_000_000
	MaxSide   = 16_384
	// MaxStoredSide is the longest side of what is kept.
	MaxStoredSide = 2048
	// quality is that of stored JPEG files.
	quality = 90
)

// The types of what is kept.
const (
	PNG  = "image/png"
	JPEG = "image/jpeg"
)

// Picture is a picture as it is kept: a whole PNG or JPEG file without metadata,
// upright.
type Picture struct {
	Data []byte `json:"-"`
	// ContentType is PNG or JPEG.
	ContentType string
	// Width and Height are in pixels.
	Width, Height int
}

// Intake turns files of users into pictures that are kept. It may be used by
// several goroutines at once.
type Intake struct {
	// pixels bounds what is decoded at the same time, since a decoder takes up to 32
	// bytes for a pixel and the resampler as much again: a large picture is alone.
	pixels *semaphore.Weighted
}

// NewIntake makes an Intake.
func NewIntake() *Intake { return &Intake{pixels: semaphore.NewWeighted(MaxPixels)} }

// Take makes a picture of a whole file. What it is follows from its content: PNG, JPEG,
// WebP or GIF, of an animation the first frame. The picture is turned as EXIF says and
// made smaller where a side is longer than MaxStoredSide. JPEG files stay JPEG,
// everything else becomes PNG; nothing but pixels of 8 bits is kept: no metadata and no
// colour profile. It waits while larger pictures are decoded.
//
// Errors are BAD_INPUT for what is no whole picture and TOO_LARGE beyond a limit.
func (in *Intake) Take(ctx context.Context, file []byte) (*Picture, error) {
	if len(file) > MaxBytes {
		return nil, apperr.New(apperr.TooLarge, "A picture has at most %d bytes.", MaxBytes)
	}
	f, err := formatOf(file)
	if err != nil {
		return nil, err
	}
	width, height, err := f.size(file)
	if err != nil {
		return nil, broken(f, err)
	}
	if err := checkSize(width, height); err != nil {
		return nil, err
	}
	pixels := int64(width) * int64(height)
	if err := in.pixels.Acquire(ctx, pixels); err != nil {
		return nil, fmt.Errorf("wait for other pictures: %w", err)
	}
	defer in.pixels.Release(pixels)
	return f.read(file)
}

func checkSize(width, height int) error {
	switch {
	case width < 1 || height < 1:
		return apperr.New(apperr.BadInput, "The picture has no pixels.")
	case width > MaxSide || height > MaxSide:
		return apperr.New(apperr.TooLarge, "A picture has at most %d pixels a side, this one has %d x %d.", MaxSide, width, height)
	case width > MaxPixels/height:
		return apperr.New(apperr.TooLarge, "A picture has at most %d pixels, this one has %d x %d.", MaxPixels, width, height)
	}
	return nil
}

func (f format) read(data []byte) (*Picture, error) {
	m, err := f.decode(data)
	if err != nil {
		return nil, broken(f, err)
	}
	m = turned(smaller(m), f.orientation(data))
	p := &Picture{ContentType: PNG, Width: m.Bounds().Dx(), Height: m.Bounds().Dy()}
	var out bytes.Buffer
	if f.name == "JPEG" {
		p.ContentType = JPEG
		err = jpeg.Encode(&out, m, &jpeg.Options{Quality: quality})
	} else {
		err = png.Encode(&out, m)
	}
	if err != nil {
		return nil, fmt.Errorf("encode a picture: %w", err)
	}
	p.Data = out.Bytes()
	return p, nil
}

// smaller gives a picture of at most MaxStoredSide pixels a side, of 8 bits a channel.
func smaller(m image.Image) image.Image {
	b := m.Bounds()
	longest := max(b.Dx(), b.Dy())
	if longest <= MaxStoredSide {
		return eightBits(m)
	}
	scaled := func(side int) int { return max(1, (side*MaxStoredSide+longest/2)/longest) }
	result := image.NewRGBA(image.Rect(0, 0, scaled(b.Dx()), scaled(b.Dy())))
	draw.CatmullRom.Scale(result, result.Bounds(), m, b, draw.Src, nil)
	return result
}

// eightBits copies what has 16 bits a channel, a palette or an origin elsewhere.
func eightBits(m image.Image) image.Image {
	b := m.Bounds()
	switch m.(type) {
	case *image.NRGBA, *image.RGBA, *image.Gray, *image.YCbCr:
		if b.Min == (image.Point{}) {
			return m
		}
	}
	result := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(result, result.Bounds(), m, b.Min, draw.Src)
	return result
}

// broken says in which words a file is refused that can't be decoded. The decoder's
// own stay in the log.
func broken(f format, err error) error {
	var told *apperr.Error
	if errors.As(err, &told) {
		return told
	}
	return apperr.Wrap(err, apperr.BadInput, "The %s file is cut short, damaged or of a kind that is not taken.", f.name)
}
