package draw

import (
	"context"
	"fmt"

	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/picture"
)

// decode makes a picture of latents.
func (p *loaded) decode(ctx context.Context, latents []float32, width, height int) (*picture.Picture, error) {
	planes, err := p.planes(ctx, latents, width/p.config.scale, height/p.config.scale)
	if err != nil {
		return nil, fmt.Errorf("vae decoder: %w", err)
	}
	for i, v := range planes {
		planes[i] = v/2 + 0.5
	}
	image, err := picture.FromPlanes(planes, height, width)
	if err != nil {
		return nil, fmt.Errorf("%w: vae decoder: %w", bundle.ErrBroken, err)
	}
	return image, nil
}

// planes gives the three planes of a picture, about -1 to 1, of latents with columns
// times rows places.
func (p *loaded) planes(ctx context.Context, latents []float32, columns, rows int) ([]float32, error) {
	scaled := make([]float32, len(latents))
	for i, v := range latents {
		scaled[i] = v/float32(p.config.factor) + float32(p.config.shift)
	}
	var memory onnx.Memory
	defer memory.Free()
	in, err := floatTensor(&memory, scaled, 1, int64(p.config.channels), int64(rows), int64(columns))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out := []*onnx.Tensor{nil}
	if err := p.run(ctx, p.decoder, []*onnx.Tensor{in}, out); err != nil {
		return nil, err
	}
	defer out[0].Close()
	values := out[0].Float32()
	if len(values) != 3*columns*rows*p.config.scale*p.config.scale {
		return nil, fmt.Errorf("%w: it gives %v for latents of %d by %d", bundle.ErrBroken, out[0].Shape(), columns, rows)
	}
	return append([]float32(nil), values...), nil
}
