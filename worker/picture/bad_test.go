package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everyPicture gives the golden pictures by name.
func everyPicture(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "pictures", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	pictures := map[string][]byte{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		pictures[filepath.Base(path)] = data
	}
	return pictures
}

// requireSound fails unless the picture is whole or the error one of ours.
func requireSound(t testing.TB, p *Picture, err error) {
	t.Helper()
	if err != nil {
		require.Nil(t, p)
		require.True(t, errors.Is(err, ErrFormat) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrBroken), "%v", err)
		return
	}
	require.Positive(t, p.Width)
	require.Positive(t, p.Height)
	require.Len(t, p.RGB, 3*p.Width*p.Height)
	if p.Alpha != nil {
		require.Len(t, p.Alpha, p.Width*p.Height)
	}
}

func TestDecodeOfATruncatedFileIsAnErrorOrTheWholePicture(t *testing.T) {
	t.Parallel()
	options := DecodeOptions{MaxPixels: 1 << 16}
	for name, data := range everyPicture(t) {
		whole, wholeErr := Decode(data, options)
		for cut := 0; cut < len(data); cut += min(100, 1+len(data)/8) {
			p, err := Decode(data[:cut], options)
			requireSound(t, p, err)
			if err == nil {
				require.NoError(t, wholeErr)
				require.Equal(t, sum(whole.RGB), sum(p.RGB), "%s cut at %d of %d", name, cut, len(data))
				// What follows the first frame of a GIF doesn't count.
				require.Equal(t, ".gif", filepath.Ext(name))
			}
		}
	}
}

func TestDecodeOfFlippedBitsNeverPanics(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, data := range everyPicture(t) {
		for range 20 {
			flipped := bytes.Clone(data)
			for range 1 + random.IntN(4) {
				flipped[random.IntN(len(flipped))] ^= 1 << random.IntN(8)
			}
			p, err := Decode(flipped, DecodeOptions{MaxPixels: 1 << 16})
			requireSound(t, p, err)
		}
	}
}

func TestDecodeRefusesByKind(t *testing.T) {
	t.Parallel()
	pictures := everyPicture(t)
	png, jpeg, progressive := pictures["rgb8.png"], pictures["photo-420.jpg"], pictures["photo-420-progressive.jpg"]
	animated := pictures["animated-lossy.webp"]
	scan := progressive[bytes.LastIndex(progressive, []byte("\xff\xda")) : len(progressive)-2]
	for name, c := range map[string]struct {
		data    []byte
		options DecodeOptions
		want    error
		says    string
	}{
		"nothing":                          {nil, DecodeOptions{}, ErrFormat, "neither PNG"},
		"text":                             {[]byte("hello, world"), DecodeOptions{}, ErrFormat, "neither PNG"},
		"SVG":                              {[]byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), DecodeOptions{}, ErrFormat, "neither PNG"},
		"a signature alone":                {[]byte("\x89PNG\r\n\x1a\n"), DecodeOptions{}, ErrBroken, "PNG"},
		"animation, no frame":              {bytes.Replace(animated, []byte("ANMF"), []byte("ANMX"), 2), DecodeOptions{}, ErrBroken, "no frame"},
		"animation, frame outside":         {bytes.Replace(animated, []byte("\x04\x00\x00\x02\x00\x00\x1d"), []byte("\x08\x00\x00\x02\x00\x00\x1d"), 1), DecodeOptions{}, ErrBroken, "canvas"},
		"animation, frame of another size": {bytes.Replace(animated, []byte("\x02\x00\x00\x1d"), []byte("\x02\x00\x00\x1c"), 1), DecodeOptions{}, ErrBroken, "in bounds"},
		"too many bytes":                   {jpeg, DecodeOptions{MaxBytes: 100}, ErrTooLarge, "100 allowed"},
		"too wide":                         {jpeg, DecodeOptions{MaxSide: 96}, ErrTooLarge, "97 x 61"},
		"too many pixels":                  {jpeg, DecodeOptions{MaxPixels: 97*61 - 1}, ErrTooLarge, "5916 in all"},
		"too many scans":                   {slices.Concat(progressive[:len(progressive)-2], bytes.Repeat(scan, 100), []byte("\xff\xd9")), DecodeOptions{}, ErrTooLarge, "scans"},
		"arithmetic coding":                {bytes.Replace(jpeg, []byte("\xff\xc0"), []byte("\xff\xc9"), 1), DecodeOptions{}, ErrFormat, "unsupported JPEG"},
		"CMYK without Adobe":               {bytes.Replace(pictures["cmyk.jpg"], []byte("Adobe"), []byte("adobe"), 1), DecodeOptions{}, ErrFormat, "Adobe"},
		"a wrong checksum":                 {bytes.Replace(png, []byte("IEND\xae"), []byte("IEND\xaf"), 1), DecodeOptions{}, ErrBroken, "checksum"},
	} {
		p, err := Decode(c.data, c.options)
		require.ErrorIs(t, err, c.want, name)
		assert.ErrorContains(t, err, c.says, name)
		assert.Nil(t, p, name)
	}
	_, err := Decode(jpeg, DecodeOptions{MaxBytes: len(jpeg), MaxSide: 97, MaxPixels: 97 * 61})
	assert.NoError(t, err, "the limits themselves are allowed")
}

// resized gives a PNG whose header claims another size, with a right checksum.
func resizedPNG(data []byte, width, height uint32) []byte {
	data = bytes.Clone(data)
	binary.BigEndian.PutUint32(data[16:], width)
	binary.BigEndian.PutUint32(data[20:], height)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

func resizedJPEG(t *testing.T, data []byte, width, height uint16) []byte {
	t.Helper()
	at := bytes.Index(data, []byte("\xff\xc0"))
	require.Positive(t, at)
	data = bytes.Clone(data)
	binary.BigEndian.PutUint16(data[at+5:], height)
	binary.BigEndian.PutUint16(data[at+7:], width)
	return data
}

// allocated gives the bytes that a call takes from the heap in all.
func allocated(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Not parallel: memory is counted.
func TestDecodeOfABombTakesNoMemory(t *testing.T) {
	pictures := everyPicture(t)
	canvas := bytes.Clone(pictures["offset.gif"])
	copy(canvas[6:], "\xff\xff\xff\xff")
	frame := bytes.Clone(pictures["no-palette.gif"])
	copy(frame[13:], "\x2c\xff\xff\xff\xff\xff\xff\xff\xff")
	extended := []byte("RIFF\x1a\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\xff\x3f\x00\xff\x3f\x00VP8 ")
	bitmap := bytes.Clone(pictures["rgb24.bmp"])
	copy(bitmap[18:], "\xff\x0f\x00\x00\xff\x0f\x00\x00")
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"PNG of 65,535 x 65,535":          {resizedPNG(pictures["rgb8.png"], 65_535, 65_535), ErrTooLarge},
		"PNG of 2^31-1 x 2^31-1":          {resizedPNG(pictures["rgb8.png"], 1<<31-1, 1<<31-1), ErrTooLarge},
		"PNG of 6,000 x 6,000, too short": {resizedPNG(pictures["bilevel.png"], 6_000, 6_000), ErrBroken},
		"JPEG of 65,500 x 65,500":         {resizedJPEG(t, pictures["photo-420.jpg"], 65_500, 65_500), ErrTooLarge},
		"JPEG of 6,000 x 6,000":           {resizedJPEG(t, pictures["photo-420.jpg"], 6_000, 6_000), ErrBroken},
		"GIF with a huge canvas":          {canvas, ErrTooLarge},
		"GIF with a huge frame":           {frame, ErrTooLarge},
		"WebP of 16,384 x 16,384":         {extended, ErrTooLarge},
		"BMP of 4,095 x 4,095":            {bitmap, ErrBroken},
	} {
		var err error
		taken := allocated(func() { _, err = Decode(c.data, DecodeOptions{}) })
		assert.ErrorIs(t, err, c.want, name)
		assert.Less(t, taken, uint64(256<<10), name)
	}
}

// Not parallel: memory is counted.
func TestDecodeTakesMemoryByThePixel(t *testing.T) {
	pictures := everyPicture(t)
	require.Contains(t, pictures, "large-cmyk-progressive.jpg", "a picture large enough for the pixels to count")
	for name, data := range pictures {
		var p *Picture
		taken := allocated(func() { p, _ = Decode(data, DecodeOptions{}) })
		if p != nil {
			assert.Less(t, taken, uint64(256<<10+32*p.Width*p.Height), name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, data := range everyPicture(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data, DecodeOptions{MaxPixels: 1 << 16})
		requireSound(t, p, err)
	})
}
