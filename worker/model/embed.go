package model

import (
	"parley/worker/bundle"
	"parley/worker/pipeline/embed"
)

// embedding is the family of models that turn texts and pictures into vectors.
var embedding = family{kinds: []bundle.Kind{bundle.KindEmbedding, bundle.KindCLIP}, verify: embed.Verify}
