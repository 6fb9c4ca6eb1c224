// Package picture turns the bytes of a picture into the tensor that the
// reference gives to a CLIP, SigLIP or ViT model: the slow image processors of
// Hugging Face transformers 4.57 over Pillow 13. What Pillow gives to the last
// bit is given to the last bit; Decode says where a decoder differs.
package picture

// Picture is an 8-bit picture in sRGB levels, rows from top to bottom.
type Picture struct {
	// Width and Height are in pixels and at least 1.
	Width, Height int
	// RGB has 3 bytes a pixel: Height x Width x 3. A clear pixel keeps the colour
	// that the file gives it.
	RGB []byte
	// Alpha has a byte a pixel, 255 for opaque, not multiplied into RGB. It is nil
	// where the file has neither an alpha channel nor a transparent colour.
	Alpha []byte
}

func newPicture(width, height int, alpha bool) *Picture {
	p := &Picture{Width: width, Height: height, RGB: make([]byte, 3*width*height)}
	if alpha {
		p.Alpha = make([]byte, width*height)
	}
	return p
}
