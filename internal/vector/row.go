package vector

import (
	"context"
	"runtime"
	"slices"
)

// Vector implements Index. It waits for a change that is under way.
func (x *Exact) Vector(ctx context.Context, id string) (values []float32, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	x.writing.Lock()
	defer x.writing.Unlock()
	var now *view
	if err := x.read(func(v *view, _ *labels) { now = v }); err != nil {
		return nil, false, err
	}
	at, ok := x.places.find(now.blocks, id)
	if !ok {
		return nil, false, nil
	}
	b := now.blocks[at.block()]
	values, err = b.full.read(at.row(), make([]float32, x.cfg.Dimension))
	if err != nil {
		return nil, false, err
	}
	values = slices.Clone(values[:x.cfg.Dimension])
	runtime.KeepAlive(b)
	return values, true, nil
}
