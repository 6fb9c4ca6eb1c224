package picture

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEncodePNGComesBackAsItWent(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"rgb8.png", "rgba8.png", "palette8-clear-entries.png", "lossy-1x1.webp", "photo-420.jpg"} {
		want := decodeFile(t, "pictures", name)
		data, err := EncodePNG(want)
		require.NoError(t, err, name)
		got, err := Decode(data, DecodeOptions{})
		require.NoError(t, err, name)
		assert.Equal(t, want, got, name)
	}
}

func TestEncodePNGOfAPictureThatDoesNotFitItself(t *testing.T) {
	t.Parallel()
	for _, p := range []*Picture{{}, {Width: 1, Height: 1}, {Width: -1, Height: -1, RGB: make([]byte, 3)},
		{Width: 1, Height: 1, RGB: make([]byte, 3), Alpha: make([]byte, 2)}} {
		_, err := EncodePNG(p)
		assert.ErrorContains(t, err, "encode PNG")
	}
}

func TestFromPlanesRoundsAsDiffusers(t *testing.T) {
	t.Parallel()
	// (np.float32(v) * 255).round() of numpy for these values: halves go to the even
	// level, and 0.1 * 255 is 25.5 in float32.
	values := []float32{0, 1, 0.5, 0.1, 0.3, 0.002, 2.0 / 255, 1.5, -0.25, 0.9999, 0.7, 0.9}
	p, err := FromPlanes(values, 2, 2)
	require.NoError(t, err)
	assert.Equal(t, &Picture{Width: 2, Height: 2, RGB: []byte{0, 76, 0, 255, 1, 255, 128, 2, 178, 26, 255, 230}}, p)
}

func TestFromPlanesRefusesWhatIsNoPicture(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values        []float32
		height, width int
		says          string
	}{
		{make([]float32, 11), 2, 2, "11 values"},
		{nil, 0, 0, "0 values"},
		{make([]float32, 3), -1, -1, "-1 x -1"},
		{make([]float32, 3), math.MaxInt, math.MaxInt, "3 values"},
		{[]float32{0, float32(math.NaN()), 0}, 1, 1, "not a number"},
	} {
		_, err := FromPlanes(c.values, c.height, c.width)
		assert.ErrorContains(t, err, c.says)
	}
	p, err := FromPlanes([]float32{float32(math.Inf(1)), float32(math.Inf(-1)), 1}, 1, 1)
	require.NoError(t, err)
	assert.Equal(t, []byte{255, 0, 255}, p.RGB, "infinity is cut off")
}
