package picture

import (
	"bytes"
	"image/png"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type decodedGolden struct {
	Width, Height     int
	Size              []int
	RGB, Plain, Alpha string
}

// difference gives the mean and the greatest distance of two pictures' levels.
func difference(t testing.TB, got, want []byte) (mean float64, most int) {
	t.Helper()
	require.Len(t, got, len(want))
	total := 0
	for i := range got {
		d := max(int(got[i]), int(want[i])) - min(int(got[i]), int(want[i]))
		total += d
		most = max(most, d)
	}
	return float64(total) / float64(len(got)), most
}

func TestDecodeGivesPillowsPixels(t *testing.T) {
	t.Parallel()
	var golden map[string]decodedGolden
	readGolden(t, "decoded.json", &golden)
	require.Len(t, golden, 76)
	for name, want := range golden {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := decodeFile(t, "pictures", name)
			assert.Equal(t, [2]int{want.Width, want.Height}, [2]int{p.Width, p.Height})
			require.Len(t, p.RGB, 3*p.Width*p.Height)
			require.Equal(t, want.Alpha != "", p.Alpha != nil, "alpha")
			if p.Alpha != nil {
				assert.Equal(t, want.Alpha, sum(p.Alpha), "alpha")
			}
			if filepath.Ext(name) != ".jpg" {
				assert.Equal(t, want.RGB, sum(p.RGB))
				return
			}
			reference, err := png.Decode(bytes.NewReader(readFile(t, "pillow", name[:len(name)-4]+".png")))
			require.NoError(t, err)
			pillow, err := fromImage(reference)
			require.NoError(t, err)
			mean, most := difference(t, p.RGB, pillow.RGB)
			assert.Less(t, mean, 0.15)
			assert.LessOrEqual(t, most, 3)
		})
	}
}

func TestDecodeLeavesTheOrientationWhenTold(t *testing.T) {
	t.Parallel()
	var golden map[string]decodedGolden
	readGolden(t, "decoded.json", &golden)
	upright := decodeFile(t, "pictures", "orientation1.jpg")
	turned := 0
	for name, want := range golden {
		p, err := Decode(readFile(t, "pictures", name), DecodeOptions{IgnoreOrientation: true})
		require.NoError(t, err)
		assert.Equal(t, want.Size, []int{p.Width, p.Height}, name)
		if filepath.Ext(name) != ".jpg" {
			assert.Equal(t, want.Plain, sum(p.RGB), name)
		}
		if strings.HasPrefix(name, "orientation") {
			assert.Equal(t, upright.RGB, p.RGB, name)
		}
		if want.Plain != want.RGB {
			turned++
		}
	}
	assert.Equal(t, 13, turned, "golden pictures with an orientation that shows")
}

func TestOrientationTurnsAlphaToo(t *testing.T) {
	t.Parallel()
	p := &Picture{Width: 2, Height: 1, RGB: []byte{1, 2, 3, 4, 5, 6}, Alpha: []byte{7, 8}}
	assert.Equal(t, &Picture{Width: 1, Height: 2, RGB: []byte{4, 5, 6, 1, 2, 3}, Alpha: []byte{8, 7}}, p.oriented(8))
	assert.Same(t, p, p.oriented(1))
	assert.Same(t, p, p.oriented(9))
}

func TestOrientationOfDamagedMetadataIsUpright(t *testing.T) {
	t.Parallel()
	whole := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00")
	assert.Equal(t, 6, orientation(whole, nil))
	assert.Equal(t, 6, orientation([]byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"), nil))
	for cut := range len(whole) {
		assert.Equal(t, 1, orientation(whole[:cut], nil), "cut at %d", cut)
	}
	assert.Equal(t, 1, orientation([]byte("MM\x00*\xff\xff\xff\xff\x00\x01"), nil))
	assert.Equal(t, 1, orientation([]byte("not a TIFF block"), []byte("tiff:Orientation=6")))
}
