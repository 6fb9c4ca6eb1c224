package picture

import (
	"bytes"

	"golang.org/x/image/bmp"
)

func bmpSize(data []byte) (width, height int, err error) {
	c, err := bmp.DecodeConfig(bytes.NewReader(data))
	return c.Width, c.Height, err
}

func decodeBMP(data []byte) (*Picture, error) {
	m, err := bmp.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	p, err := fromImage(m)
	// Alpha counts only where the header gives masks, as in Pillow.
	const compression, masks = 30, 3
	if err == nil && data[compression] != masks {
		p.Alpha = nil
	}
	return p, err
}
