package draw

import (
	"context"
	"fmt"
	"math"

	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// denoiser predicts the noise in the latents of one picture, given its prompt.
type denoiser struct {
	*canvas
	// rows are how many runs one prediction takes: the negative prompt's and the
	// prompt's own, or the latter alone.
	rows int
	// states are the encoded prompts of the rows, each words times width.
	states []float32
	width  int
	// guidance is its embedding, where the model takes one.
	guidance []float32
	memory   [5]onnx.Memory
}

func (c *canvas) newDenoiser(ctx context.Context) (*denoiser, error) {
	d := &denoiser{canvas: c, rows: 1}
	prompts := []string{c.job.Prompt}
	switch {
	case c.config.guidance > 0:
		d.guidance = guidanceEmbedding(*c.job.Guidance-1, c.config.guidance)
	case !c.config.consistent && *c.job.Guidance > 1:
		d.rows = 2
		prompts = []string{c.job.Negative, c.job.Prompt}
	}
	for _, prompt := range prompts {
		states, width, err := c.encode(ctx, prompt)
		if err != nil {
			return nil, fmt.Errorf("text encoder: %w", err)
		}
		d.states, d.width = append(d.states, states...), width
	}
	return d, nil
}

// encode gives the states of a prompt, padded to the greatest length.
func (p *loaded) encode(ctx context.Context, prompt string) (states []float32, width int, err error) {
	ids := p.tokenizer.EncodeWithin(prompt, p.config.words)
	for pad := max(0, p.tokenizer.Pad()); len(ids) < p.config.words; {
		ids = append(ids, pad)
	}
	var memory onnx.Memory
	defer memory.Free()
	in, err := intTensor(&memory, p.text.Inputs()[0].Type, ids, 1, int64(len(ids)))
	if err != nil {
		return nil, 0, err
	}
	defer in.Close()
	out := []*onnx.Tensor{nil}
	if err := p.run(ctx, p.text, []*onnx.Tensor{in}, out); err != nil {
		return nil, 0, err
	}
	defer out[0].Close()
	shape := out[0].Shape()
	if len(shape) != 3 || shape[1] != int64(len(ids)) {
		return nil, 0, fmt.Errorf("%w: it gives states of shape %v for %d tokens", bundle.ErrBroken, shape, len(ids))
	}
	return append([]float32(nil), out[0].Float32()...), int(shape[2]), nil
}

// run runs a part of the model within the lane of pictures.
func (p *loaded) run(ctx context.Context, s *onnx.Session, in, out []*onnx.Tensor) error {
	return p.gate.Within(ctx, pipeline.LanePicture, func() error { return s.Run(ctx, in, out) })
}

// intTensor makes a tensor of whole numbers in the width that a model wants.
func intTensor(m *onnx.Memory, t onnx.Type, values []int64, shape ...int64) (*onnx.Tensor, error) {
	if t == onnx.Int32 {
		x, err := onnx.NewTensor[int32](m, shape...)
		if err == nil {
			for i, v := range values {
				x.Int32()[i] = int32(v)
			}
		}
		return x, err
	}
	x, err := onnx.NewTensor[int64](m, shape...)
	if err == nil {
		copy(x.Int64(), values)
	}
	return x, err
}

// predict gives the noise in a sample at a time step.
func (d *denoiser) predict(ctx context.Context, sample []float32, timestep float64) ([]float32, error) {
	in := make([]*onnx.Tensor, len(d.unet.Inputs()))
	defer func() {
		for _, t := range in {
			t.Close()
		}
	}()
	for i, port := range d.unet.Inputs() {
		t, err := d.input(port, &d.memory[i], sample, timestep)
		if err != nil {
			return nil, fmt.Errorf("unet: %w", err)
		}
		in[i] = t
	}
	out, err := onnx.NewTensor[float32](&d.memory[4], d.shape()...)
	if err != nil {
		return nil, fmt.Errorf("unet: %w", err)
	}
	defer out.Close()
	if err := d.run(ctx, d.unet, in, []*onnx.Tensor{out}); err != nil {
		return nil, fmt.Errorf("unet: %w", err)
	}
	all := out.Float32()
	predicted := append([]float32(nil), all[len(all)-len(sample):]...)
	if d.rows == 2 {
		guidance := float32(*d.job.Guidance)
		for i, without := range all[:len(sample)] {
			predicted[i] = without + guidance*(predicted[i]-without)
		}
	}
	return predicted, nil
}

func (d *denoiser) shape() []int64 {
	c := d.config
	return []int64{int64(d.rows), int64(c.channels), int64(d.job.Height / c.scale), int64(d.job.Width / c.scale)}
}

func (d *denoiser) input(port onnx.Port, m *onnx.Memory, sample []float32, timestep float64) (*onnx.Tensor, error) {
	switch port.Name {
	case "sample":
		return floatTensor(m, repeat(sample, d.rows), d.shape()...)
	case "encoder_hidden_states":
		return floatTensor(m, d.states, int64(d.rows), int64(d.config.words), int64(d.width))
	case "timestep_cond":
		return floatTensor(m, repeat(d.guidance, d.rows), int64(d.rows), int64(len(d.guidance)))
	}
	return timeTensor(port, m, timestep)
}

// timeTensor makes the time step, which is a single number or a list of one, whole or
// not.
func timeTensor(port onnx.Port, m *onnx.Memory, timestep float64) (*onnx.Tensor, error) {
	whole := port.Type != onnx.Float32
	switch {
	case len(port.Shape) == 0 && whole:
		return onnx.NewScalar(int64(timestep))
	case len(port.Shape) == 0:
		return onnx.NewScalar(float32(timestep))
	case whole:
		return intTensor(m, port.Type, []int64{int64(timestep)}, 1)
	}
	return floatTensor(m, []float32{float32(timestep)}, 1)
}

func repeat(values []float32, times int) []float32 {
	all := make([]float32, 0, len(values)*times)
	for range times {
		all = append(all, values...)
	}
	return all
}

func floatTensor(m *onnx.Memory, values []float32, shape ...int64) (*onnx.Tensor, error) {
	x, err := onnx.NewTensor[float32](m, shape...)
	if err != nil {
		return nil, err
	}
	if len(values) != len(x.Float32()) {
		x.Close()
		return nil, fmt.Errorf("%d values for a tensor of shape %v", len(values), shape)
	}
	copy(x.Float32(), values)
	return x, nil
}

func (d *denoiser) free() {
	for i := range d.memory {
		d.memory[i].Free()
	}
}

// guidanceEmbedding is the sinusoidal embedding of a guidance weight (Meng et al. 2022,
// arXiv:2210.03142), as diffusers' get_guidance_scale_embedding computes it.
func guidanceEmbedding(weight float64, width int) []float32 {
	embedding := make([]float32, width)
	half := width / 2
	step := float32(math.Log(10000)) / float32(half-1)
	scaled := float32(weight) * 1000
	for i := range half {
		angle := float64(scaled * float32(math.Exp(float64(-step*float32(i)))))
		embedding[i], embedding[half+i] = float32(math.Sin(angle)), float32(math.Cos(angle))
	}
	return embedding
}
