package model

import (
	"parley/worker/bundle"
	"parley/worker/pipeline/draw"
)

// drawing is the family of models that make pictures of words.
var drawing = family{kinds: []bundle.Kind{bundle.KindDiffusion}, verify: draw.Verify}
