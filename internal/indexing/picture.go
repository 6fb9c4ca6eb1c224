package indexing

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/draw"
)

// Bounds of a picture on its way to a worker.
const (
	// maxSide is the longest side in pixels. Models look at 224 to 384.
	maxSide = 384
	// maxPicture is the largest file, so that any fits into a jobspec.Embed.
	maxPicture = 512 << 10
	// maxPixels is what is decoded at most.
	maxPixels = 40_000_000
)

// unreadable is why a picture can't be embedded, in words that its owner may see.
type unreadable string

func (u unreadable) Error() string { return string(u) }

// Shrink gives a picture of which no side is longer than maxSide and which fits into a
// message: as it is, or drawn smaller, as PNG where that is small enough, else as JPEG on
// white. What can't be read is an unreadable, but for a small file, which is left to the
// worker.
func Shrink(file []byte) ([]byte, error) {
	head, format, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		if len(file) <= maxPicture {
			return file, nil
		}
		return nil, unreadable("The picture can't be read.")
	}
	if head.Width <= maxSide && head.Height <= maxSide && len(file) <= maxPicture {
		return file, nil
	}
	if head.Width <= 0 || head.Height <= 0 || head.Width > maxPixels/head.Height {
		return nil, unreadable(fmt.Sprintf("The picture has %d by %d pixels, which are too many.", head.Width, head.Height))
	}
	whole, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, unreadable("The picture can't be read.")
	}
	width, height := fitting(head.Width, head.Height)
	// Into this kind alone the resampler is fast.
	small := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.CatmullRom.Scale(small, small.Bounds(), whole, whole.Bounds(), draw.Src, nil)
	if format != "jpeg" {
		var out bytes.Buffer
		if err := png.Encode(&out, small); err != nil {
			return nil, fmt.Errorf("encode a picture: %w", err)
		}
		if out.Len() <= maxPicture {
			return out.Bytes(), nil
		}
	}
	return onWhite(small)
}

// fitting gives the size of a picture that is shrunk, of which no side is 0.
func fitting(width, height int) (int, int) {
	longest := max(width, height)
	if longest <= maxSide {
		return width, height
	}
	return max(1, width*maxSide/longest), max(1, height*maxSide/longest)
}

func onWhite(small image.Image) ([]byte, error) {
	flat := image.NewRGBA(small.Bounds())
	draw.Draw(flat, flat.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(flat, flat.Bounds(), small, image.Point{}, draw.Over)
	var out bytes.Buffer
	if err := jpeg.Encode(&out, flat, &jpeg.Options{Quality: 95}); err != nil {
		return nil, fmt.Errorf("encode a picture: %w", err)
	}
	return out.Bytes(), nil
}
