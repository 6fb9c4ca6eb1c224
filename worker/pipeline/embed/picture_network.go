package embed

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"parley/worker/bundle"
	"parley/worker/noise"
	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// visionFile is the name of the graph of a picture tower.
const visionFile = "vision_model"

// pictureOutputs are the outputs that may be the vector, the best first.
var pictureOutputs = []string{"image_embeds", "pooler_output"}

// batchPictures is how many pictures run together.
const batchPictures = 8

// pictureNetwork is the model of a Pictures in memory.
type pictureNetwork struct {
	*Pictures
	network *network
	// paired tells that a picture alone would give other numbers than in company, so
	// that it runs beside itself.
	paired bool
	*pipeline.Batcher[[]float32, []float32]
}

// open loads the model. Its errors are of type *pipeline.Error.
func (p *Pictures) open(o pipeline.Options) (*pictureNetwork, error) {
	n, err := openNetwork(p.bundle, visionFile, o.Threads, map[string]onnx.Type{"pixel_values": onnx.Float32}, pictureOutputs)
	if err != nil {
		return nil, pipeline.ModelError(p.bundle.Name, err)
	}
	m := &pictureNetwork{Pictures: p, network: n}
	rows := batchPictures
	if m.single() {
		rows = 1
	} else if m.paired, err = m.lonely(); err != nil {
		return nil, pipeline.ModelError(p.bundle.Name, errors.Join(err, m.Close()))
	}
	m.Batcher = pipeline.NewBatcher(pipeline.BatcherConfig[[]float32, []float32]{
		Model: p.bundle.Name, Gate: o.Gate, Rows: rows, Tokens: batchPictures, Size: func([]float32) int { return 1 }, Work: m.work,
		Need: m.need, Bytes: o.RunBytes,
	})
	return m, nil
}

// need is what a run takes; a picture alone may have to run beside itself.
func (p *pictureNetwork) need(rows, _ int) float64 {
	height, width := p.preprocessor.Size()
	v := p.bundle.Config.Vision
	patch := max(v.Patch, 1)
	if v.Patch <= 0 {
		// A network of convolutions, or one that nothing tells of.
		patch = 16
	}
	rows = max(rows, 2)
	pixels := 4 * 3 * float64(rows) * float64(height) * float64(width)
	return pixels + need(rows, height/patch*(width/patch)+1, v.Width, v.Heads)
}

// Run implements pipeline.Resident.
func (p *pictureNetwork) Run(ctx context.Context) error { return p.Batcher.Run(ctx) }

// Close releases the model.
func (p *pictureNetwork) Close() error { return p.network.close() }

// single tells that pictures can't run together: their numbers would depend on each
// other, or the graph takes one alone.
func (p *pictureNetwork) single() bool {
	shape := p.network.session.Inputs()[0].Shape
	return p.network.session.Graph().Dynamic() || len(shape) > 0 && shape[0] == 1
}

// lonely tells whether a picture alone gives other numbers than in company. It does
// where a head gathers all places of a picture into one row, as SigLIP's attention
// pooling does: a product of a single row is summed in another order.
func (p *pictureNetwork) lonely() (bool, error) {
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

func (p *pictureNetwork) work(ctx context.Context, inputs [][]float32) ([][]float32, error) {
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
