package decoder

import (
	"context"

	"parley/worker/pipeline"
)

// watched is a Model that notes its parts and steps.
type watched struct {
	Model
	events []string
}

func (w *watched) ReadOn(ctx context.Context) ([]*pipeline.Request, []float32, error) {
	w.events = append(w.events, "part")
	return w.Model.ReadOn(ctx)
}

func (w *watched) Forward(ctx context.Context, last []int64) ([]float32, error) {
	w.events = append(w.events, "step")
	return w.Model.Forward(ctx, last)
}
