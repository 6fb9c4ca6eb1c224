package embed

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"parley/worker/bundle"
	"parley/worker/picture"
	"parley/worker/pipeline"
)

// agreement is the least cosine to the reference at which a vector counts as equal.
const agreement = 0.9999

// reference is reference.json of a bundle that embeds.
type reference struct {
	Cases  []vector                  `json:"cases"`
	Texts  []vector                  `json:"texts"`
	Images []vector                  `json:"images"`
	Tokens []pipeline.ReferenceToken `json:"tokens"`
}

// vector is what the reference gives for a text, or for a file of the bundle.
type vector struct {
	Input     string    `json:"input"`
	IDs       []int64   `json:"input_ids"`
	Embedding []float32 `json:"embedding"`
}

// Verify loads the bundle and compares it with its reference, into f. The error says
// that it does not load or that a case could not be run.
func Verify(ctx context.Context, b *bundle.Bundle, o pipeline.Options, f *pipeline.Findings) (err error) {
	begun := time.Now()
	o.OnUse = false
	texts, err := OpenTexts(ctx, b, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, texts.Close()) }()
	var pictures *Pictures
	if b.Kind == bundle.KindCLIP {
		if pictures, err = OpenPictures(ctx, b, o); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, pictures.Close()) }()
	}
	f.Loaded, f.LoadMillis = true, time.Since(begun).Milliseconds()
	var ref reference
	if err := f.ReadReference(b.Dir, &ref); err != nil {
		return err
	}
	f.CompareTokens(texts.tokenizer, ref.Tokens)
	if err := compareTexts(ctx, texts, append(ref.Cases, ref.Texts...), f); err != nil || pictures == nil {
		return err
	}
	return comparePictures(ctx, b, pictures, ref.Images, f)
}

// compareTexts runs each text alone and then all of them together, which has to give
// the same to the last bit.
func compareTexts(ctx context.Context, texts *Texts, cases []vector, f *pipeline.Findings) error {
	t, release, err := texts.kept.Use(ctx)
	if err != nil {
		return err
	}
	defer release()
	all := make([][]int64, len(cases))
	alone := make([][]float32, len(cases))
	for i, c := range cases {
		all[i] = t.Encode(c.Input)
		vectors, err := t.work(ctx, all[i:i+1])
		if err != nil {
			return err
		}
		alone[i] = vectors[0]
		f.Count(&f.Cases, slices.Equal(all[i], c.IDs) && cosine(alone[i], c.Embedding) >= agreement,
			"%q: tokens %v, reference %v, cosine %.5f", c.Input, all[i], c.IDs, cosine(alone[i], c.Embedding))
	}
	vectors, err := t.Do(ctx, all)
	if err != nil {
		return err
	}
	for i, v := range vectors {
		f.Count(&f.Batch, slices.Equal(v, alone[i]), "%q gives other numbers in company", cases[i].Input)
	}
	return nil
}

// comparePictures runs each picture alone and then all of them together.
func comparePictures(ctx context.Context, b *bundle.Bundle, pictures *Pictures, cases []vector, f *pipeline.Findings) error {
	p, release, err := pictures.kept.Use(ctx)
	if err != nil {
		return err
	}
	defer release()
	var all, alone [][]float32
	for _, c := range cases {
		one, err := readPicture(b, c.Input)
		if err != nil {
			return err
		}
		pixels, err := p.Pixels(one)
		if err != nil {
			return err
		}
		vectors, err := p.work(ctx, [][]float32{pixels})
		if err != nil {
			return err
		}
		all, alone = append(all, pixels), append(alone, vectors[0])
		f.Count(&f.Pictures, cosine(vectors[0], c.Embedding) >= agreement, "%s: cosine %.5f", c.Input, cosine(vectors[0], c.Embedding))
	}
	for at := 0; at < len(all); at += p.Rows {
		vectors, err := p.work(ctx, all[at:min(at+p.Rows, len(all))])
		if err != nil {
			return err
		}
		for i, v := range vectors {
			f.Count(&f.Batch, slices.Equal(v, alone[at+i]), "%s gives other numbers in company", cases[at+i].Input)
		}
	}
	return nil
}

// readPicture reads a file of the bundle as the reference did, which leaves the
// orientation as it is.
func readPicture(b *bundle.Bundle, name string) (*picture.Picture, error) {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return nil, fmt.Errorf("%w: reference.json names a file outside of the folder: %q", bundle.ErrBroken, name)
	}
	data, err := os.ReadFile(filepath.Join(b.Dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", bundle.ErrMissing, err)
	}
	return picture.Decode(data, picture.DecodeOptions{IgnoreOrientation: true})
}

// cosine is that of the angle between two vectors, -1 where they don't fit together.
func cosine(a, b []float32) float64 {
	if len(a) != len(b) {
		return -1
	}
	var dot, aa, bb float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	return dot / math.Sqrt(aa*bb)
}
