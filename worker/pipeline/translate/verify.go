package translate

import (
	"context"
	"errors"
	"time"

	"parley/worker/bundle"
	"parley/worker/onnx"
	"parley/worker/pipeline"
	"parley/worker/pipeline/decoder"
	"parley/worker/tokenizer"
)

// Verify loads the bundle and compares it with its reference, into f. The error says
// that it does not load or that a case could not be run.
func Verify(ctx context.Context, b *bundle.Bundle, o Options, f *pipeline.Findings) (err error) {
	o = o.withDefaults()
	if err := onnx.Start(o.Library); err != nil {
		return err
	}
	begun := time.Now()
	tok, err := tokenizer.Open(b.Dir)
	if err != nil {
		return err
	}
	m, err := decoder.OpenSeq2seq(b, o.Threads)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	f.Loaded, f.LoadMillis = true, time.Since(begun).Milliseconds()
	return f.Compare(ctx, b, tok, pipeline.NewGenerator(m, o.Gate))
}
