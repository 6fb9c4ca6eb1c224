package embed

import (
	"context"
	"errors"
	"fmt"

	"parley/internal/jobspec"
	"parley/worker/bundle"
	"parley/worker/picture"
	"parley/worker/pipeline"
)

// Pictures turns pictures into vectors of the same space as Texts of the bundle.
type Pictures struct {
	bundle       *bundle.Bundle
	preprocessor *picture.Preprocessor
	kept         *pipeline.Kept[*pictureNetwork]
}

// OpenPictures reads the picture tower of a bundle, and loads it unless that is to wait
// for its use. It works while Run runs. Errors are of type *pipeline.Error, but for that
// of ctx.
func OpenPictures(ctx context.Context, b *bundle.Bundle, o pipeline.Options) (*Pictures, error) {
	o = o.WithDefaults()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.StartRuntime(); err != nil {
		return nil, err
	}
	p := &Pictures{bundle: b}
	if err := p.load(ctx, o); err != nil {
		return nil, pipeline.ModelError(b.Name, errors.Join(err, p.Close()))
	}
	return p, nil
}

func (p *Pictures) load(ctx context.Context, o pipeline.Options) (err error) {
	if p.preprocessor, err = picture.OpenPreprocessor(p.bundle.Dir); err != nil {
		return fmt.Errorf("%w: %w", bundle.ErrBroken, err)
	}
	need, err := memoryOf(p.bundle, visionFile)
	if err != nil {
		return err
	}
	p.kept = pipeline.Keep(o.Keeper, p.bundle.Name+" (pictures)", need, func() (*pictureNetwork, error) { return p.open(o) })
	if o.OnUse {
		return nil
	}
	return p.kept.Load(ctx)
}

// Pixels is what the model sees of a picture: 3 times height times width values. Its
// error is a *pipeline.Error with CodeInvalidInput.
func (p *Pictures) Pixels(one *picture.Picture) ([]float32, error) {
	height, width := p.preprocessor.Size()
	pixels := make([]float32, 3*height*width)
	if err := p.preprocessor.Pixels(one, pixels); err != nil {
		return nil, pipeline.NewError(jobspec.CodeInvalidInput, "The picture can't be used: %v.", err)
	}
	return pixels, nil
}

// Embed gives the vector of each picture, as the model gives it: divide it by its
// length to compare it. It may be called concurrently; pictures of all calls run
// together. It fails with the error of ctx, or with a *pipeline.Error.
func (p *Pictures) Embed(ctx context.Context, pictures []*picture.Picture) ([][]float32, error) {
	inputs := make([][]float32, len(pictures))
	for i, one := range pictures {
		var err error
		if inputs[i], err = p.Pixels(one); err != nil {
			return nil, err
		}
	}
	return p.EmbedPixels(ctx, inputs)
}

// EmbedPixels is Embed for pictures of which Pixels gave what the model sees.
func (p *Pictures) EmbedPixels(ctx context.Context, inputs [][]float32) ([][]float32, error) {
	model, release, err := p.kept.Use(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return model.Do(ctx, inputs)
}

// Run works until ctx ends and then returns nil, after the model's run under way has
// stopped. Calls of Embed that still wait fail. It may be called once.
func (p *Pictures) Run(ctx context.Context) error { return p.kept.Run(ctx) }

// Close releases the model. Run must have returned, or never have been called.
func (p *Pictures) Close() error {
	if p.kept == nil {
		return nil
	}
	return p.kept.Close()
}
