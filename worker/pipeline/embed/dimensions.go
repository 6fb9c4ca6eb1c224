package embed

import (
	"context"
	"fmt"
	"slices"

	"parley/worker/bundle"
	"parley/worker/graphfile"
	"parley/worker/picture"
	"parley/worker/pipeline"
)

// dimensionsOf reads of a graph how many numbers the last dimension of its output has,
// and whether the output is one row for each token. Of its outputs the first of wanted
// counts. The number is 0 where the file leaves it open.
func dimensionsOf(b *bundle.Bundle, name string, wanted []string) (numbers int, perToken bool, err error) {
	path, err := b.Graph(name)
	if err != nil {
		return 0, false, err
	}
	g, err := graphfile.Read(path)
	if err != nil {
		return 0, false, fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	for _, name := range wanted {
		i := slices.IndexFunc(g.Outputs, func(v graphfile.Value) bool { return v.Name == name })
		if i < 0 {
			continue
		}
		shape := g.Outputs[i].Shape
		if len(shape) < 2 {
			return 0, false, nil
		}
		return int(max(0, shape[len(shape)-1])), len(shape) == 3, nil
	}
	return 0, false, fmt.Errorf("%w: %s has no output that is known", bundle.ErrBroken, path)
}

// Dimensions is how many numbers a vector has. The graph says so, else the model is
// loaded for a first vector. It fails with the error of ctx, or with a *pipeline.Error.
func (t *Texts) Dimensions(ctx context.Context) (int, error) {
	numbers, perToken, err := dimensionsOf(t.bundle, t.file(), t.outputs())
	if err != nil {
		return 0, pipeline.ModelError(t.bundle.Name, err)
	}
	if numbers > 0 && perToken {
		return numbers * len(t.sentence.pooling.ways), nil
	}
	if numbers > 0 {
		return numbers, nil
	}
	vectors, err := t.Embed(ctx, []string{"a"})
	if err != nil {
		return 0, err
	}
	return len(vectors[0]), nil
}

// Dimensions is how many numbers a vector has, as that of Texts.
func (p *Pictures) Dimensions(ctx context.Context) (int, error) {
	numbers, _, err := dimensionsOf(p.bundle, visionFile, pictureOutputs)
	if err != nil {
		return 0, pipeline.ModelError(p.bundle.Name, err)
	}
	if numbers > 0 {
		return numbers, nil
	}
	vectors, err := p.Embed(ctx, []*picture.Picture{{Width: 1, Height: 1, RGB: make([]uint8, 3)}})
	if err != nil {
		return 0, err
	}
	return len(vectors[0]), nil
}
