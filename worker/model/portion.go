package model

import (
	"context"
	"math"

	"parley/internal/jobspec"
	"parley/worker/pipeline"
)

// What of a job runs together: so little that a query behind it need not wait long, as
// far as a model of the usual size goes.
const (
	portionTexts    = 32
	portionBytes    = 2 << 10
	portionPictures = 2
)

// portionOf gives how many of the texts run together, 1 at least.
func portionOf(texts []string) int {
	bytes := 0
	for i, text := range texts[:min(len(texts), portionTexts)] {
		if bytes += len(text); bytes > portionBytes {
			return max(1, i)
		}
	}
	return min(len(texts), portionTexts)
}

// embedAll embeds what read gives for each place of into. What can't be used leaves its
// failure there; the error is one of the model or of ctx.
func embedAll[I any](
	ctx context.Context, e *embedder, run func(context.Context, []I) ([][]float32, error), into []jobspec.Embedding, read func(i int) (I, error),
) error {
	var inputs []I
	var places []*jobspec.Embedding
	for i := range into {
		input, err := read(i)
		if err == nil {
			inputs, places = append(inputs, input), append(places, &into[i])
		} else if err = failAlone(&into[i], err); err != nil {
			return err
		}
	}
	if len(inputs) == 0 {
		return ctx.Err()
	}
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	vectors, err := run(ctx, inputs)
	if err != nil && !isRefused(err) {
		return err
	}
	for i, v := range vectors {
		if err := unit(v); err == nil {
			places[i].Vector = jobspec.NewVector(v)
		} else if err = failAlone(places[i], err); err != nil {
			return err
		}
	}
	if err == nil {
		return nil
	}
	// One of them is to blame, for example because it takes too much memory.
	for i, input := range inputs {
		vector, err := single(ctx, run, input)
		if err == nil {
			places[i].Vector = jobspec.NewVector(vector)
		} else if err = failAlone(places[i], err); err != nil {
			return err
		}
	}
	return nil
}

// single embeds one input.
func single[I any](ctx context.Context, run func(context.Context, []I) ([][]float32, error), input I) ([]float32, error) {
	vectors, err := run(ctx, []I{input})
	if err != nil {
		return nil, err
	}
	return vectors[0], unit(vectors[0])
}

// failAlone puts the failure of an input into its place; another error is given back.
func failAlone(place *jobspec.Embedding, err error) error {
	if !isRefused(err) {
		return err
	}
	f, _ := pipeline.FailureOf(err)
	place.Failure = &f
	return nil
}

// unit divides a vector by its length, as everybody who compares vectors would: twice
// changes nothing but the last bit, so it is done once.
func unit(vector []float32) error {
	square := 0.0
	for _, x := range vector {
		square += float64(x) * float64(x)
	}
	if square == 0 || math.IsNaN(square) || math.IsInf(square, 0) {
		return pipeline.NewError(jobspec.CodeInvalidInput, "The model gives no vector for it that has a direction.")
	}
	length := math.Sqrt(square)
	for i, x := range vector {
		vector[i] = float32(float64(x) / length)
	}
	return nil
}
