package picture

import (
	"fmt"
	"image"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestResizeIsPillowToTheLastBit(t *testing.T) {
	t.Parallel()
	var golden struct {
		Cases []struct {
			Source        string
			Width, Height int
			Resample      filter
			SHA256        string
			First         []int
		}
	}
	readGolden(t, "resized.json", &golden)
	require.Len(t, golden.Cases, 6*15*6)
	sources := map[string]*Picture{}
	for _, c := range golden.Cases {
		if sources[c.Source] == nil {
			sources[c.Source] = decodeFile(t, "sources", c.Source+".png")
		}
		got := sources[c.Source].resize(c.Width, c.Height, c.Resample, image.Rect(0, 0, c.Width, c.Height))
		name := fmt.Sprintf("%s to %dx%d, filter %d", c.Source, c.Width, c.Height, c.Resample)
		for j, want := range c.First {
			require.Equal(t, want, int(got.RGB[j]), "%s, byte %d", name, j)
		}
		require.Equal(t, c.SHA256, sum(got.RGB), name)
	}
}

func TestResizeGivesTheSamePixelsForAWindow(t *testing.T) {
	t.Parallel()
	p := decodeFile(t, "sources", "drawing-160x120.png")
	for r := nearest; r <= hamming; r++ {
		for _, size := range []image.Point{{61, 47}, {160, 120}, {160, 31}, {300, 120}, {7, 500}} {
			whole := p.resize(size.X, size.Y, r, image.Rectangle{Max: size})
			window := image.Rect(size.X/3, size.Y/4, size.X-1, size.Y-2)
			part := p.resize(size.X, size.Y, r, window)
			require.Equal(t, window.Size(), image.Pt(part.Width, part.Height))
			for y := range part.Height {
				want := whole.RGB[3*((window.Min.Y+y)*size.X+window.Min.X):][:3*part.Width]
				require.Equal(t, want, part.RGB[3*part.Width*y:][:3*part.Width], "filter %d, %v, row %d", r, size, y)
			}
		}
	}
}

func TestResizeOfAnExtremeRatioIsBoundedByTheWindow(t *testing.T) {
	p := newPicture(16_384, 1, false)
	for r := nearest; r <= hamming; r++ {
		grown := testing.AllocsPerRun(1, func() {
			part := p.resize(16_384*224, 224, r, image.Rect(1<<20, 0, 1<<20+224, 224))
			assert.Len(t, part.RGB, 3*224*224)
		})
		assert.Less(t, grown, 2000.0)
	}
}
