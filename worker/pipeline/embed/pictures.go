package embed

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"parley/internal/jobspec"
	"parley/worker/bundle"
	"parley/worker/noise"
	"parley/worker/onnx"
	"parley/worker/picture"
	"parley/worker/pipeline"
)

// Pictures turns pictures into vectors of the same space as Texts of the bundle.
type Pictures struct {
	network      *network
	preprocessor *picture.Preprocessor
	// paired tells that a picture alone would give other numbers than in company, so
	// that it runs beside itself.
	paired bool
	*pipeline.Batcher[[]float32, []float32]
}

// batchPictures is how many pictures run together.
const batchPictures = 8

// OpenPictures loads the picture tower of a bundle. It works while Run runs. Errors are
// of type *pipeline.Error.
func OpenPictures(b *bundle.Bundle, o pipeline.Options) (*Pictures, error) {
	o = o.WithDefaults()
	if err := o.StartRuntime(); err != nil {
		return nil, err
	}
	p := &Pictures{}
	rows := batchPictures
	err := p.load(b, o)
	switch {
	case err != nil:
	case p.single():
		rows = 1
	default:
		p.paired, err = p.lonely()
	}
	if err != nil {
		return nil, pipeline.ModelError(b.Name, errors.Join(err, p.Close()))
	}
	p.Batcher = pipeline.NewBatcher(pipeline.BatcherConfig[[]float32, []float32]{
		Model: b.Name, Gate: o.Gate, Rows: rows, Tokens: batchPictures, Size: func([]float32) int { return 1 }, Work: p.work,
	})
	return p, nil
}

func (p *Pictures) load(b *bundle.Bundle, o pipeline.Options) (err error) {
	if p.preprocessor, err = picture.OpenPreprocessor(b.Dir); err != nil {
		return fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	p.network, err = openNetwork(b, "vision_model", o.Threads, map[string]onnx.Type{"pixel_values": onnx.Float32}, []string{"image_embeds", "pooler_output"})
	return err
}

// single tells that pictures can't run together: their numbers would depend on each
// other, or the graph takes one alone.
func (p *Pictures) single() bool {
	shape := p.network.session.Inputs()[0].Shape
	return p.network.session.Graph().Dynamic() || len(shape) > 0 && shape[0] == 1
}

// lonely tells whether a picture alone gives other numbers than in company. It does
// where a head gathers all places of a picture into one row, as SigLIP's attention
// pooling does: a product of a single row is summed in another order.
func (p *Pictures) lonely() (bool, error) {
	height, width := p.preprocessor.Size()
	pixels := make([]float32, 3*height*width)
	noise.Source{}.Normal(0, pixels)
	alone, err := p.work(context.Background(), [][]float32{pixels})
	if err != nil {
		return false, err
	}
	beside, err := p.work(context.Background(), [][]float32{pixels, pixels})
	if err != nil {
		return false, err
	}
	return !slices.Equal(alone[0], beside[0]), nil
}

// Pixels is what the model sees of a picture: 3 times height times width values.
func (p *Pictures) Pixels(one *picture.Picture) ([]float32, error) {
	height, width := p.preprocessor.Size()
	pixels := make([]float32, 3*height*width)
	return pixels, p.preprocessor.Pixels(one, pixels)
}

// Embed gives the vector of each picture, as the model gives it: divide it by its
// length to compare it. It may be called concurrently; pictures of all calls run
// together. It fails with the error of ctx, or with a *pipeline.Error.
func (p *Pictures) Embed(ctx context.Context, pictures []*picture.Picture) ([][]float32, error) {
	inputs := make([][]float32, len(pictures))
	for i, one := range pictures {
		var err error
		if inputs[i], err = p.Pixels(one); err != nil {
			return nil, pipeline.NewError(jobspec.CodeInvalidInput, "The picture can't be used: %v.", err)
		}
	}
	return p.Do(ctx, inputs)
}

func (p *Pictures) work(ctx context.Context, inputs [][]float32) ([][]float32, error) {
	if len(inputs) == 1 && p.paired {
		vectors, err := p.work(ctx, slices.Concat(inputs, inputs))
		return vectors[:min(1, len(vectors))], err
	}
	height, width := p.preprocessor.Size()
	rows := len(inputs)
	values, shape, err := p.network.run(ctx, func(_ string, m *onnx.Memory) (*onnx.Tensor, error) {
		x, err := onnx.NewTensor[float32](m, int64(rows), 3, int64(height), int64(width))
		if err == nil {
			for i, pixels := range inputs {
				copy(x.Float32()[i*len(pixels):], pixels)
			}
		}
		return x, err
	})
	if err != nil {
		return nil, err
	}
	if len(shape) != 2 || shape[0] != int64(rows) {
		return nil, fmt.Errorf("%w: %q has the shape %v for %d pictures", bundle.ErrBroken, p.network.output.Name, shape, rows)
	}
	each := len(values) / rows
	all := make([][]float32, rows)
	for i := range all {
		all[i] = append([]float32(nil), values[i*each:(i+1)*each]...)
	}
	return all, nil
}

// Close releases the model. Run must have returned, or never have been called.
func (p *Pictures) Close() error {
	if p.network == nil {
		return nil
	}
	return p.network.close()
}
