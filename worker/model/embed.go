package model

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"unicode/utf8"

	"parley/internal/jobspec"
	"parley/worker"
	"parley/worker/bundle"
	"parley/worker/picture"
	"parley/worker/pipeline"
	"parley/worker/pipeline/embed"
)

// embedding is the family of models that turn texts and pictures into vectors.
var embedding = family{
	work: jobspec.KindEmbed, kinds: []bundle.Kind{bundle.KindEmbedding, bundle.KindCLIP}, open: openEmbedders, verify: embed.Verify,
}

func openEmbedders(ctx context.Context, all []*bundle.Bundle, o pipeline.Options, refuse func(*bundle.Bundle, error)) []Model {
	var models []Model
	for _, b := range all {
		e, err := openEmbedder(ctx, b, o)
		if err != nil {
			refuse(b, err)
			continue
		}
		models = append(models, Model{Handlers: []worker.Handler{e}, Close: e.close})
	}
	return models
}

// embedder is the handler of one model that embeds, with a tower for each kind of input.
type embedder struct {
	name string
	// languages are those that its README names.
	languages []string
	space     jobspec.Space
	texts     *embed.Texts
	pictures  *embed.Pictures // nil where the model reads none
	// turn is held by the one portion of a job that runs. Whatever jobs there are, a query
	// waits behind a portion at most.
	turn chan struct{}
	// decoding is held while a picture is read, which may take much memory.
	decoding chan struct{}
}

func openEmbedder(ctx context.Context, b *bundle.Bundle, o pipeline.Options) (e *embedder, err error) {
	// Nothing that users can ask for needs vectors yet, so they take no memory before.
	o.OnUse = true
	e = &embedder{name: b.Name, turn: make(chan struct{}, 1), decoding: make(chan struct{}, decoders)}
	said := b.ReadmeLanguages()
	e.languages = said[:min(len(said), jobspec.MaxModelLanguages)]
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close())
		}
	}()
	if e.texts, err = embed.OpenTexts(ctx, b, o); err != nil {
		return nil, err
	}
	graphs := []string{"model"}
	e.space.Texts = true
	if b.Kind == bundle.KindCLIP {
		graphs = []string{"text_model", "vision_model"}
		if e.pictures, err = embed.OpenPictures(ctx, b, o); err != nil {
			return nil, err
		}
		e.space.Pictures = true
	}
	if e.space.Digest, err = b.Identity(graphs...); err != nil {
		return nil, pipeline.ModelError(b.Name, err)
	}
	if e.space.Dimensions, err = e.texts.Dimensions(ctx); err != nil {
		return nil, err
	}
	return e, e.checkDimensions(ctx)
}

// checkDimensions refuses towers that don't have one space, and vectors of which none fits
// into a result.
func (e *embedder) checkDimensions(ctx context.Context) error {
	if n := e.space.Dimensions; n < 1 || n > jobspec.MaxEmbedValues {
		return pipeline.NewError(jobspec.CodeModelBroken, "The model %s gives vectors of %d numbers; at most %d can be sent.", e.name, n, jobspec.MaxEmbedValues)
	}
	if e.pictures == nil {
		return nil
	}
	seen, err := e.pictures.Dimensions(ctx)
	if err == nil && seen != e.space.Dimensions {
		err = pipeline.NewError(jobspec.CodeModelBroken, "The model %s gives %d numbers for a text and %d for a picture.", e.name, e.space.Dimensions, seen)
	}
	return err
}

func (e *embedder) close() error {
	var errs []error
	if e.texts != nil {
		errs = append(errs, e.texts.Close())
	}
	if e.pictures != nil {
		errs = append(errs, e.pictures.Close())
	}
	return errors.Join(errs...)
}

// Run implements lifecycle.Service.
func (e *embedder) Run(ctx context.Context) error {
	var running sync.WaitGroup
	var texts, pictures error
	running.Go(func() { texts = e.texts.Run(ctx) })
	if e.pictures != nil {
		running.Go(func() { pictures = e.pictures.Run(ctx) })
	}
	running.Wait()
	return errors.Join(texts, pictures)
}

// Bundle implements worker.Handler.
func (e *embedder) Bundle() jobspec.Bundle {
	space := e.space
	return jobspec.Bundle{Name: e.name, Kind: jobspec.KindEmbed, Pool: jobspec.Token(e.name), Languages: e.languages, Space: &space}
}

// Handle implements worker.Handler: a jobspec.Embed becomes a jobspec.Embedded. A text or
// picture that can't be read fails alone. Progress is the share of the items that are done.
func (e *embedder) Handle(ctx context.Context, t worker.Task, progress func(float64, string)) (json.RawMessage, error) {
	in, err := e.payload(t.Payload)
	if err != nil {
		return nil, err
	}
	all := len(in.Texts) + len(in.Pictures)
	out := jobspec.Embedded{Model: e.name, Digest: e.space.Digest, Dimensions: e.space.Dimensions, Vectors: make([]jobspec.Embedding, all)}
	for done, next := 0, 0; done < all; done = next {
		if done < len(in.Texts) {
			next = done + portionOf(in.Texts[done:])
			err = embedAll(ctx, e, e.texts.EmbedRead, out.Vectors[done:next], func(i int) ([]int64, error) { return e.text(in.Texts[done+i], jobspec.MaxEmbedText) })
		} else {
			next = min(done+portionPictures, all)
			err = embedAll(ctx, e, e.embedPixels, out.Vectors[done:next], func(i int) ([]float32, error) { return e.picture(ctx, in.Pictures[done+i-len(in.Texts)]) })
		}
		if err != nil {
			return nil, withCode(err)
		}
		progress(float64(next)/float64(all), "")
	}
	return worker.Encode(out)
}

// payload reads what is to be embedded and refuses what is more than one task may be.
func (e *embedder) payload(data json.RawMessage) (in jobspec.Embed, err error) {
	if len(data) > jobspec.MaxEmbedPayload {
		return in, refused("The texts and pictures have %d bytes; at most %d can be embedded at once.", len(data), jobspec.MaxEmbedPayload)
	}
	if in, err = decode[jobspec.Embed](data); err != nil {
		return in, err
	}
	most := min(jobspec.MaxEmbedItems, jobspec.MaxEmbedValues/e.space.Dimensions)
	switch n := len(in.Texts) + len(in.Pictures); {
	case n == 0:
		return in, refused("There is neither a text nor a picture to embed.")
	case n > most:
		return in, refused("There are %d texts and pictures; at most %d can be embedded at once with the model %s.", n, most, e.name)
	case in.Model != "" && in.Model != e.space.Digest:
		return in, pipelineFailure(jobspec.CodeModelMissing, "The worker has another model than the one that is wanted.")
	}
	return in, nil
}

// QuerySubject implements worker.Answerer.
func (e *embedder) QuerySubject() string {
	return jobspec.QuerySubject(jobspec.KindEmbed, e.space.Digest)
}

// Answer implements worker.Answerer: a jobspec.EmbedQuery becomes a jobspec.EmbedAnswer.
// Queries that come during a run of the model are one batch of the next.
func (e *embedder) Answer(ctx context.Context, query json.RawMessage) (json.RawMessage, error) {
	in, err := decode[jobspec.EmbedQuery](query)
	if err != nil {
		return nil, err
	}
	var vector []float32
	if in.Picture != nil {
		var pixels []float32
		if pixels, err = e.picture(ctx, in.Picture); err == nil {
			vector, err = single(ctx, e.embedPixels, pixels)
		}
	} else {
		var ids []int64
		if ids, err = e.text(in.Text, jobspec.MaxQueryText); err == nil {
			vector, err = single(ctx, e.texts.EmbedRead, ids)
		}
	}
	if err != nil {
		return nil, withCode(err)
	}
	return worker.Encode(jobspec.EmbedAnswer{Model: e.name, Digest: e.space.Digest, Vector: jobspec.NewVector(vector)})
}

// decode reads a payload, whose text would silently become another where it is not UTF-8.
func decode[T any](payload json.RawMessage) (T, error) {
	if !utf8.Valid(payload) {
		var none T
		return none, refused("The work's input is not valid UTF-8.")
	}
	return worker.Decode[T](payload)
}

func refused(format string, args ...any) error {
	return pipelineFailure(jobspec.CodeInvalidInput, format, args...)
}

func pipelineFailure(code jobspec.Code, format string, args ...any) error {
	return withCode(pipeline.NewError(code, format, args...))
}

// text gives what the model reads of a text of at most so many bytes.
func (e *embedder) text(text string, most int) ([]int64, error) {
	if len(text) > most {
		return nil, pipeline.NewError(jobspec.CodeInvalidInput, "The text has %d bytes; at most %d can be read.", len(text), most)
	}
	return e.texts.Read(text)
}

// Bounds of reading pictures: what one may have decoded, and how many are read at once.
const (
	maxPictureSide   = 8192
	maxPicturePixels = 16 << 20
	decoders         = 2
)

// picture gives what the model sees of a file.
func (e *embedder) picture(ctx context.Context, file []byte) ([]float32, error) {
	if e.pictures == nil {
		return nil, pipeline.NewError(jobspec.CodeInvalidInput, "The model %s reads no pictures.", e.name)
	}
	select {
	case e.decoding <- struct{}{}:
		defer func() { <-e.decoding }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	one, err := picture.Decode(file, picture.DecodeOptions{MaxSide: maxPictureSide, MaxPixels: maxPicturePixels})
	if err != nil {
		return nil, pipeline.NewError(jobspec.CodeInvalidInput, "The picture can't be read: %v.", err)
	}
	return e.pictures.Pixels(one)
}

func (e *embedder) embedPixels(ctx context.Context, inputs [][]float32) ([][]float32, error) {
	return e.pictures.EmbedPixels(ctx, inputs)
}
