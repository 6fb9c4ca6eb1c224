package model

import (
	"context"

	"parley/worker/bundle"
	"parley/worker/pipeline"
	"parley/worker/pipeline/write"
)

// writing is the family of models that continue a text or a chat.
var writing = family{
	kinds: []bundle.Kind{bundle.KindCausal},
	verify: func(ctx context.Context, b *bundle.Bundle, o pipeline.Options, f *pipeline.Findings) error {
		return write.Verify(ctx, b, write.Options{Options: o}, f)
	},
}
