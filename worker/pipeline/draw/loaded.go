package draw

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"parley/internal/jobspec"
	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
)

// loaded is the model in memory.
type loaded struct {
	*Painter
	text    *onnx.Session
	unet    *onnx.Session
	decoder *onnx.Session

	// ctx ends when the model stops; under are the pictures under way. mu is held where
	// one begins, so that none does behind the end.
	ctx   context.Context //nolint:containedctx // the model is the scope that the context describes
	stop  context.CancelFunc
	mu    sync.Mutex
	under sync.WaitGroup
}

var errStopping = pipeline.NewError(jobspec.CodeInternal, "The worker is stopping.")

// open loads the model. Its errors are of type *pipeline.Error.
func (p *Painter) open(o pipeline.Options) (*loaded, error) {
	l := &loaded{Painter: p}
	l.ctx, l.stop = context.WithCancel(context.Background())
	if err := l.open(o.Threads); err != nil {
		return nil, pipeline.ModelError(p.bundle.Name, errors.Join(err, l.Close()))
	}
	return l, nil
}

func (l *loaded) open(threads int) (err error) {
	for _, part := range []struct {
		session **onnx.Session
		name    string
		inputs  []string
		taken   string
	}{
		{&l.text, "text_encoder", []string{"input_ids"}, "last_hidden_state"},
		{&l.unet, "unet", []string{"sample", "timestep", "encoder_hidden_states", "timestep_cond"}, "out_sample"},
		{&l.decoder, "vae_decoder", []string{"latent_sample"}, "sample"},
	} {
		if *part.session, err = openPart(l.bundle, part.name, part.inputs, part.taken, threads); err != nil {
			return err
		}
	}
	if l.preview.Load() != nil {
		return nil
	}
	v, err := l.fit()
	if err == nil {
		l.preview.Store(v)
	}
	return err
}

// openPart loads the model of a folder, which may have the inputs that are known and
// gives one output.
func openPart(b *bundle.Bundle, name string, known []string, output string, threads int) (*onnx.Session, error) {
	path, err := b.Part(name)
	if err != nil {
		return nil, err
	}
	s, err := onnx.Open(path, onnx.Options{Threads: threads, Outputs: func(all []onnx.Port) []onnx.Port {
		return slices.DeleteFunc(all, func(p onnx.Port) bool { return p.Name != output })
	}})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	for _, in := range s.Inputs() {
		if !slices.Contains(known, in.Name) {
			err = fmt.Errorf("%w: %s: the input %q is not known", bundle.ErrBroken, path, in.Name)
		}
	}
	if len(s.Inputs()) == 0 {
		err = fmt.Errorf("%w: %s takes no %q", bundle.ErrBroken, path, known[0])
	}
	if len(s.Outputs()) != 1 || s.Outputs()[0].Type != onnx.Float32 {
		err = fmt.Errorf("%w: %s gives no %q of float32", bundle.ErrBroken, path, output)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// enter gives the context of a picture, which ends with the model, and what to call
// when the picture is over.
func (l *loaded) enter(ctx context.Context) (context.Context, func(), error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return nil, nil, errStopping
	}
	l.under.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	unwatch := context.AfterFunc(l.ctx, func() { cancel(errStopping) })
	return ctx, func() {
		unwatch()
		cancel(nil)
		l.under.Done()
	}, nil
}

// Run implements pipeline.Resident.
func (l *loaded) Run(ctx context.Context) error {
	<-ctx.Done()
	l.mu.Lock()
	l.stop()
	l.mu.Unlock()
	l.under.Wait()
	return nil
}

// Close releases the model.
func (l *loaded) Close() error {
	l.stop()
	var errs []error
	for _, s := range []*onnx.Session{l.text, l.unet, l.decoder} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}
