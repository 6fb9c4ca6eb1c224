package picture

import (
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
)

// maxConfigBytes bounds preprocessor_config.json, which has some 500 bytes.
const maxConfigBytes = 1 << 20

// Preprocessor turns pictures into the input of a vision model, as the slow image
// processors of transformers 4.57 do. It is safe for concurrent use.
type Preprocessor struct {
	// background is what lies below clear pixels; nil drops alpha, as transformers
	// does.
	background *[3]uint8
	// resize gives the size to resize a picture to; nil leaves it as it is.
	resize        func(width, height int) image.Point
	resample      filter
	height, width int
	// values has the tensor's value for each level of each channel.
	values [3][256]float32
}

// OpenPreprocessor reads preprocessor_config.json of a bundle's folder. It knows
// CLIPImageProcessor, BitImageProcessor, SiglipImageProcessor and
// ViTImageProcessor, by their names as feature extractors too, and what they take
// for granted. A key or a value that would change pixels and that isn't known is
// an error that names it, and so is a configuration whose tensors have no fixed
// size.
//
// The fast processors, which resize with torchvision, are followed as their slow
// kin: up to one value in a hundred is off by a level or two then, and one in five
// in tall pictures, whose columns Pillow 13 resizes first. What is further apart is
// an error.
//
// A key of our own, alpha_background (three levels), composites pictures over that
// colour before anything else.
func OpenPreprocessor(dir string) (*Preprocessor, error) {
	p, err := openPreprocessor(filepath.Join(dir, "preprocessor_config.json"))
	if err != nil {
		return nil, fmt.Errorf("preprocessor of %s: %w", dir, err)
	}
	return p, nil
}

func openPreprocessor(path string) (*Preprocessor, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxConfigBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxConfigBytes {
		return nil, errors.New("preprocessor_config.json is larger than 1 MiB")
	}
	c, err := parseConfig(data)
	if err != nil {
		return nil, err
	}
	return newPreprocessor(c)
}

func newPreprocessor(c *config) (*Preprocessor, error) {
	p := &Preprocessor{background: c.background, resample: nearest, values: c.values()}
	if c.doResize {
		p.resize, p.resample = c.size.of, c.resample
	}
	switch {
	case c.doCrop:
		p.height, p.width = c.crop.height, c.crop.width
	case c.doResize && c.size.shortest == 0:
		p.height, p.width = c.size.height, c.size.width
	default:
		return nil, errors.New("size: without do_center_crop, only height and width give tensors of one size")
	}
	return p, nil
}

// Size is the height and the width of the tensor.
func (p *Preprocessor) Size() (height, width int) { return p.height, p.width }

// Pixels writes the tensor of a picture into a slice of 3 x height x width values,
// channels first. Where a centre crop is larger than the resized picture, zero
// levels are put around it, before they are scaled and normalised.
func (p *Preprocessor) Pixels(picture *Picture, into []float32) error {
	if len(into) != 3*p.height*p.width {
		return fmt.Errorf("pixels: room for %d values, not for 3 x %d x %d", len(into), p.height, p.width)
	}
	if err := picture.check(); err != nil {
		return fmt.Errorf("pixels: %w", err)
	}
	if p.background != nil {
		picture = picture.over(*p.background)
	}
	size := image.Pt(picture.Width, picture.Height)
	if p.resize != nil {
		size = p.resize(picture.Width, picture.Height)
	}
	left, right, x := centered(size.X, p.width)
	top, bottom, y := centered(size.Y, p.height)
	p.write(picture.resize(size.X, size.Y, p.resample, image.Rect(left, top, right, bottom)), x, y, into)
	return nil
}

// centered gives the part from-to of n pixels that a centre crop to size keeps, and
// where it stands in the crop.
func centered(n, size int) (from, to, at int) {
	if n < size {
		return 0, n, (size - n + 1) / 2
	}
	from = (n - size) / 2
	return from, from + size, 0
}

// write puts the cropped picture at (left, top) of the tensor.
func (p *Preprocessor) write(cropped *Picture, left, top int, into []float32) {
	for c := range p.values {
		values, plane := &p.values[c], into[c*p.height*p.width:][:p.height*p.width]
		if cropped.Width < p.width || cropped.Height < p.height {
			for i := range plane {
				plane[i] = values[0]
			}
		}
		for y := range cropped.Height {
			row := plane[(top+y)*p.width+left:][:cropped.Width]
			levels := cropped.RGB[3*cropped.Width*y+c:]
			for x := range row {
				row[x] = values[levels[3*x]]
			}
		}
	}
}
