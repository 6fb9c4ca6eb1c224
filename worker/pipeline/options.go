// Package pipeline is what the families of models share: options, the lanes in which
// they run, the memory that they take, failures and their codes, batching while busy,
// and the decoding rules and searches by which models write. What one family alone
// needs is in a package of its own below.
package pipeline

import (
	goruntime "runtime"

	"parley/internal/jobspec"
	"parley/worker/onnx"
)

// Options are the settings that every family takes. The zero value is usable.
type Options struct {
	// Library is the path of ONNX Runtime's shared library, "" to look for it.
	Library string
	// Threads is how many threads a run may use; 0 means one for each core.
	Threads int
	// Gate bounds how many models run at once in each lane; nil means one of its own.
	Gate *Gate
	// Keeper bounds the memory that models take; nil means one without a limit.
	Keeper *Keeper
	// OnUse loads a model when it is first needed; otherwise it is loaded when it is
	// opened, so that a broken one is found then.
	OnUse bool
	// RunBytes bounds what one run of a model may take beside the model, by an estimate
	// of its caches, logits and activations; 0 means 1 GiB.
	RunBytes int64
}

// WithDefaults fills in what is not set.
func (o Options) WithDefaults() Options {
	if o.Threads <= 0 {
		o.Threads = goruntime.NumCPU()
	}
	if o.Gate == nil {
		o.Gate = NewGate(1)
	}
	if o.RunBytes <= 0 {
		o.RunBytes = defaultRunBytes
	}
	if o.Keeper == nil {
		o.Keeper = NewKeeper(0)
	}
	return o
}

// StartRuntime makes sure of ONNX Runtime, which every model needs. Its error is
// an *Error.
func (o Options) StartRuntime() error {
	if err := onnx.Start(o.Library); err != nil {
		return &Error{Code: jobspec.CodeInternal, Message: "The worker has no ONNX Runtime.", cause: err}
	}
	return nil
}
