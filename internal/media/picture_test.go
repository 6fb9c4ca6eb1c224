package media_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/apperr"
	"parley/internal/media"
	"parley/internal/testkit"
)

// sample reads one of the pictures that the worker's decoders are tested with.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testkit.Root(), "worker", "picture", "testdata", "pictures", name))
	require.NoError(t, err)
	return data
}

func take(t testing.TB, file []byte) *media.Picture {
	t.Helper()
	p, err := media.NewIntake().Take(t.Context(), file)
	require.NoError(t, err)
	return p
}

// shown decodes what is kept, which must be what it says of itself.
func shown(t testing.TB, p *media.Picture) image.Image {
	t.Helper()
	m, kind, err := image.Decode(bytes.NewReader(p.Data))
	require.NoError(t, err)
	require.Equal(t, p.ContentType, "image/"+kind)
	require.Equal(t, image.Pt(p.Width, p.Height), m.Bounds().Size())
	return m
}

// drawn is a picture of so many pixels in one colour.
func drawn(width, height int, c color.NRGBA) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := 0; i < len(m.Pix); i += 4 {
		m.Pix[i], m.Pix[i+1], m.Pix[i+2], m.Pix[i+3] = c.R, c.G, c.B, c.A
	}
	return m
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	return b.Bytes()
}

func jpegOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, m, nil))
	return b.Bytes()
}

func pixel(m image.Image, x, y int) color.NRGBA {
	return color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
}

func TestAPictureIsKeptWithItsPixelsAndAlpha(t *testing.T) {
	t.Parallel()
	m := drawn(5, 3, color.NRGBA{200, 100, 50, 128})
	m.SetNRGBA(4, 2, color.NRGBA{1, 2, 3, 255})
	m.SetNRGBA(0, 0, color.NRGBA{})
	got := shown(t, take(t, pngOf(t, m)))
	for y := range 3 {
		for x := range 5 {
			require.Equal(t, m.NRGBAAt(x, y), pixel(got, x, y), "at %d, %d", x, y)
		}
	}
}

func TestEveryFormatIsTakenByItsContent(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"grey16.png": media.PNG, "bilevel.png": media.PNG, "grey-alpha16.png": media.PNG, "palette8-clear-entries.png": media.PNG, "grey4-interlaced.png": media.PNG,
		"grey.jpg": media.JPEG, "cmyk.jpg": media.JPEG, "photo-420-progressive.jpg": media.JPEG, "photo-411.jpg": media.JPEG,
		"lossless.webp": media.PNG, "lossless-alpha.webp": media.PNG, "lossy-61x43.webp": media.PNG, "lossy-alpha.webp": media.PNG, "lossy-1x1.webp": media.PNG,
		"animated.gif": media.PNG, "offset.gif": media.PNG, "local-palette-interlaced.gif": media.PNG,
	} {
		p := take(t, sample(t, name))
		assert.Equal(t, want, p.ContentType, name)
		shown(t, p)
	}
}

func TestAGIFsFirstFrameLiesOnItsCanvas(t *testing.T) {
	t.Parallel()
	colours := color.Palette{color.NRGBA{}, color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 0, 255, 255}}
	frame := image.NewPaletted(image.Rect(2, 1, 4, 3), colours)
	for i := range frame.Pix {
		frame.Pix[i] = 1
	}
	second := image.NewPaletted(image.Rect(0, 0, 6, 5), colours)
	for i := range second.Pix {
		second.Pix[i] = 2
	}
	var b bytes.Buffer
	require.NoError(t, gif.EncodeAll(&b, &gif.GIF{
		Image: []*image.Paletted{frame, second}, Delay: []int{1, 1}, Config: image.Config{ColorModel: colours, Width: 6, Height: 5},
	}))
	p := take(t, b.Bytes())
	got := shown(t, p)
	require.Equal(t, image.Pt(6, 5), got.Bounds().Size())
	require.Equal(t, color.NRGBA{255, 0, 0, 255}, pixel(got, 3, 2))
	require.Zero(t, pixel(got, 0, 0).A, "beside the frame it is clear")
}

// Go's decoder gives the planes of lossy WebP as if they had the full range, so that
// white came out as 235 and black as 16.
func TestLossyWebPIsNotWashedOut(t *testing.T) {
	t.Parallel()
	// Both are of one photograph, so their brightest and darkest levels are near.
	extremes := func(name string) (darkest, brightest int) {
		m := shown(t, take(t, sample(t, name)))
		darkest = 255
		for y := range m.Bounds().Dy() {
			for x := range m.Bounds().Dx() {
				c := pixel(m, x, y)
				l := (299*int(c.R) + 587*int(c.G) + 114*int(c.B)) / 1000
				darkest, brightest = min(darkest, l), max(brightest, l)
			}
		}
		return darkest, brightest
	}
	darkest, brightest := extremes("lossy-64x48.webp")
	wantDarkest, wantBrightest := extremes("lossless.webp")
	assert.InDelta(t, wantDarkest, darkest, 14)
	assert.InDelta(t, wantBrightest, brightest, 14)
}

// The files have the same pixels and say differently how these are turned.
func TestAPictureIsTurnedUprightAsItsEXIFSays(t *testing.T) {
	t.Parallel()
	stored := shown(t, take(t, sample(t, "orientation1.jpg")))
	w, h := stored.Bounds().Dx(), stored.Bounds().Dy()
	for n, from := range map[string]func(x, y int) (int, int){
		"2": func(x, y int) (int, int) { return w - 1 - x, y },
		"3": func(x, y int) (int, int) { return w - 1 - x, h - 1 - y },
		"4": func(x, y int) (int, int) { return x, h - 1 - y },
		"5": func(x, y int) (int, int) { return y, x },
		"6": func(x, y int) (int, int) { return y, h - 1 - x },
		"7": func(x, y int) (int, int) { return w - 1 - y, h - 1 - x },
		"8": func(x, y int) (int, int) { return w - 1 - y, x },
	} {
		got := shown(t, take(t, sample(t, "orientation"+n+".jpg")))
		size := got.Bounds().Size()
		require.Equal(t, n >= "5", size == image.Pt(h, w), "orientation %s gives %v", n, size)
		difference := 0.0
		for y := range size.Y {
			for x := range size.X {
				fromX, fromY := from(x, y)
				difference += math.Abs(float64(pixel(got, x, y).G) - float64(pixel(stored, fromX, fromY).G))
			}
		}
		require.Less(t, difference/float64(w*h), 25.0, "mean levels of orientation %s", n)
	}
}

// chunk is a part of a PNG file.
func chunk(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// withChunk puts a chunk behind the header of a PNG file.
func withChunk(file []byte, kind string, data []byte) []byte {
	const header = 33
	return append(append(bytes.Clone(file[:header]), chunk(kind, data)...), file[header:]...)
}

func TestMetadataIsDropped(t *testing.T) {
	t.Parallel()
	tiff := "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00 GPS 52.5200N 13.4050E"
	wide := drawn(6, 2, color.NRGBA{9, 9, 9, 255})
	file := withChunk(withChunk(pngOf(t, wide), "eXIf", []byte(tiff)), "tEXt", []byte("Author\x00Somebody Known"))
	p := take(t, file)
	require.Equal(t, []int{2, 6}, []int{p.Width, p.Height}, "its EXIF says that it is turned")
	photo := jpegOf(t, wide)
	segment := append([]byte{0xff, 0xe1, 0, byte(2 + 6 + len(tiff))}, "Exif\x00\x00"+tiff...)
	q := take(t, append(append(bytes.Clone(photo[:2]), segment...), photo[2:]...))
	require.Equal(t, []int{2, 6}, []int{q.Width, q.Height})
	for _, kept := range [][]byte{p.Data, q.Data} {
		for _, secret := range []string{"GPS", "Exif", "eXIf", "Somebody", "tEXt"} {
			require.NotContains(t, string(kept), secret)
		}
	}
}

func TestALargePictureIsMadeSmallerWithItsProportions(t *testing.T) {
	t.Parallel()
	p := take(t, pngOf(t, drawn(5000, 10, color.NRGBA{10, 20, 30, 255})))
	require.Equal(t, []int{2048, 4}, []int{p.Width, p.Height})
	require.Equal(t, color.NRGBA{10, 20, 30, 255}, pixel(shown(t, p), 1000, 2))
	p = take(t, jpegOf(t, drawn(3, 9000, color.NRGBA{10, 20, 30, 255})))
	require.Equal(t, []int{1, 2048}, []int{p.Width, p.Height}, "no side is less than a pixel")
	p = take(t, pngOf(t, drawn(4096, 4, color.NRGBA{200, 0, 0, 128})))
	require.InDelta(t, 128, pixel(shown(t, p), 7, 1).A, 1)
	require.InDelta(t, 200, pixel(shown(t, p), 7, 1).R, 2)
}

// lying gives a PNG file another size in its header.
func lying(file []byte, width, height uint32) []byte {
	b := bytes.Clone(file)
	binary.BigEndian.PutUint32(b[16:], width)
	binary.BigEndian.PutUint32(b[20:], height)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

func TestWhatIsNoPictureIsRefusedInWords(t *testing.T) {
	t.Parallel()
	whole, photo := pngOf(t, drawn(40, 40, color.NRGBA{1, 2, 3, 255})), jpegOf(t, drawn(40, 40, color.NRGBA{1, 2, 3, 255}))
	webp := sample(t, "lossless.webp")
	moving := sample(t, "animated.gif")
	for name, c := range map[string]struct {
		file []byte
		code apperr.Code
		want string
	}{
		"nothing":              {nil, apperr.BadInput, "neither PNG"},
		"text":                 {[]byte("I am picture.png, really"), apperr.BadInput, "neither PNG"},
		"SVG":                  {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), apperr.BadInput, "neither PNG"},
		"HTML after a magic":   {[]byte("\x89PNG\r\n\x1a\n<script>"), apperr.BadInput, "PNG file is cut short"},
		"BMP":                  {[]byte("BM" + strings.Repeat("\x00", 60)), apperr.BadInput, "neither PNG"},
		"PNG without its end":  {whole[:len(whole)-20], apperr.BadInput, "PNG file is cut short"},
		"JPEG without its end": {photo[:len(photo)/2], apperr.BadInput, "JPEG file is cut short"},
		"WebP without its end": {webp[:len(webp)/2], apperr.BadInput, "WebP file is cut short"},
		"GIF without its end":  {moving[:200], apperr.BadInput, "GIF file is cut short"},
		"animated WebP":        {sample(t, "animated.webp"), apperr.BadInput, "Animated WebP"},
		"a width that lies":    {lying(whole, 4000, 4000), apperr.BadInput, "PNG file is cut short"},
		"a side too long":      {lying(whole, 20_000, 1), apperr.TooLarge, "16384 pixels a side"},
		"too many pixels":      {lying(whole, 16_000, 16_000), apperr.TooLarge, "40000000 pixels"},
		"no pixels":            {lying(whole, 0, 40), apperr.BadInput, ""},
		"a size of 2^31":       {lying(whole, 1<<31, 1<<31), apperr.BadInput, ""},
		"too many bytes":       {append(bytes.Clone(whole), make([]byte, media.MaxBytes)...), apperr.TooLarge, "8388608 bytes"},
		"too many scans":       {append(bytes.Clone(photo), bytes.Repeat([]byte("\xff\xda"), 200)...), apperr.TooLarge, "scans"},
	} {
		_, err := media.NewIntake().Take(t.Context(), c.file)
		require.Error(t, err, name)
		assert.Equal(t, c.code, apperr.CodeOf(err), "%s: %v", name, err)
		require.NotEmpty(t, apperr.List(err), name)
		assert.Contains(t, apperr.List(err)[0].Message, c.want, name)
	}
}

// What is kept depends on the pixels alone, so that equal pictures share their bytes.
func TestTheSamePixelsGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	file := pngOf(t, drawn(40, 30, color.NRGBA{1, 2, 3, 255}))
	require.Equal(t, take(t, file).Data, take(t, withChunk(file, "tEXt", []byte("Comment\x00another file"))).Data)
	again := take(t, take(t, file).Data)
	require.Equal(t, take(t, file).Data, again.Data, "taken in again, it stays the same")
}

func FuzzTake(f *testing.F) {
	for _, name := range []string{"bilevel.png", "grey.jpg", "orientation6.jpg", "lossless-alpha.webp", "lossy-alpha.webp", "animated.webp", "offset-clear.gif", "beyond-canvas.gif"} {
		f.Add(sample(f, name))
	}
	in := media.NewIntake()
	f.Fuzz(func(t *testing.T, file []byte) {
		if c, _, err := image.DecodeConfig(bytes.NewReader(file)); err == nil && c.Width*c.Height > 1<<20 {
			t.Skip("large pictures are slow, not interesting")
		}
		p, err := in.Take(t.Context(), file)
		if err != nil {
			require.NotEmpty(t, apperr.List(err), "%v has no code", err)
			return
		}
		require.LessOrEqual(t, max(p.Width, p.Height), media.MaxStoredSide)
		shown(t, p)
	})
}
