package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkPixels goes from a file's bytes to a tensor: a photograph of
// 1024 x 768 pixels in JPEG at 4:2:0, and a sticker of 72 x 72 pixels in PNG.
func BenchmarkPixels(b *testing.B) {
	drawing := decodeFile(b, "sources", "drawing-160x120.png")
	large := drawing.resize(1024, 768, bicubic, image.Rect(0, 0, 1024, 768))
	pixels := image.NewRGBA(image.Rect(0, 0, large.Width, large.Height))
	for i := range large.Width * large.Height {
		copy(pixels.Pix[4*i:4*i+3], large.RGB[3*i:])
	}
	var photo bytes.Buffer
	require.NoError(b, jpeg.Encode(&photo, pixels, &jpeg.Options{Quality: 90}))
	sticker, err := EncodePNG(drawing.resize(72, 72, bicubic, image.Rect(0, 0, 72, 72)))
	require.NoError(b, err)
	p, err := OpenPreprocessor(filepath.Join("testdata", "processors", "clip-224"))
	require.NoError(b, err)
	tensor := make([]float32, 3*224*224)

	for name, data := range map[string][]byte{"photo.jpg": photo.Bytes(), "sticker.png": sticker} {
		picture, err := Decode(data, DecodeOptions{})
		require.NoError(b, err)
		size := fmt.Sprintf("%s %dx%d", name, picture.Width, picture.Height)
		b.Run(size+"/decode", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := Decode(data, DecodeOptions{})
				require.NoError(b, err)
			}
		})
		b.Run(size+"/pixels", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, p.Pixels(picture, tensor))
			}
		})
	}
}
