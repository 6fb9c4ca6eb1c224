// Package onnx is the small part of ONNX Runtime that the pipelines need: find
// and load the shared library, open a model, run it into buffers that the
// caller owns, stop a run when its context ends. No other package knows the
// binding.
package onnx

import (
	"context"
	"errors"
	"fmt"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"parley/worker/graphfile"
)

// Port is one input or output of a model. Dimensions that the model leaves
// open are -1.
type Port struct {
	Name  string
	Type  Type
	Shape []int64
}

// Options are the settings of a session.
type Options struct {
	// Threads is how many threads one run may use; 0 means one for each core.
	Threads int
	// Outputs chooses the outputs that are wanted, nil for all of them.
	Outputs func(all []Port) []Port
}

// Session is one loaded model file. Runs may be concurrent.
type Session struct {
	inner   *ort.DynamicAdvancedSession
	graph   *graphfile.Graph
	inputs  []Port
	outputs []Port

	// running is held for reading by every run, so that Close waits for them.
	running sync.RWMutex
	mu      sync.Mutex
	idle    []*ort.RunOptions
}

// ErrClosed is returned for a run on a closed session.
var ErrClosed = errors.New("the session is closed")

// Open loads a model file. Start must have succeeded before. A file that names others
// outside of its folder is refused before ONNX Runtime sees it.
func Open(path string, o Options) (*Session, error) {
	defer trim()
	s := &Session{}
	var err error
	if s.graph, err = graphfile.Read(path); err != nil {
		return nil, err
	}
	if !s.takePorts() {
		if err := s.readPorts(path); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
	}
	if o.Outputs != nil {
		s.outputs = o.Outputs(s.outputs)
	}
	options, err := sessionOptions(o, ort.GraphOptimizationLevelEnableAll)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { _ = options.Destroy() }()
	s.inner, err = ort.NewDynamicAdvancedSession(path, names(s.inputs), names(s.outputs), options)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return s, nil
}

// takePorts takes the inputs and outputs from the file, where it says all of them.
func (s *Session) takePorts() bool {
	take := func(values []graphfile.Value) (all []Port, ok bool) {
		for _, v := range values {
			if v.Type == 0 || !v.Shaped {
				return nil, false
			}
			all = append(all, Port{Name: v.Name, Type: Type(v.Type), Shape: v.Shape})
		}
		return all, len(all) > 0
	}
	inputs, ok := take(s.graph.Inputs)
	outputs, too := take(s.graph.Outputs)
	s.inputs, s.outputs = inputs, outputs
	return ok && too
}

// readPorts lets ONNX Runtime say them, which opens the model once more.
func (s *Session) readPorts(path string) error {
	options, err := sessionOptions(Options{Threads: 1}, ort.GraphOptimizationLevelDisableAll)
	if err != nil {
		return err
	}
	defer func() { _ = options.Destroy() }()
	inputs, outputs, err := ort.GetInputOutputInfoWithOptions(path, options)
	if err != nil {
		return err
	}
	s.inputs, s.outputs = ports(inputs), ports(outputs)
	return nil
}

func ports(infos []ort.InputOutputInfo) []Port {
	all := make([]Port, len(infos))
	for i, info := range infos {
		all[i] = Port{Name: info.Name, Type: Type(info.DataType), Shape: info.Dimensions}
	}
	return all
}

func names(ports []Port) []string {
	all := make([]string, len(ports))
	for i, p := range ports {
		all[i] = p.Name
	}
	return all
}

func sessionOptions(o Options, level ort.GraphOptimizationLevel) (*ort.SessionOptions, error) {
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	steps := []error{
		options.SetGraphOptimizationLevel(level),
		options.SetInterOpNumThreads(1),
		options.SetIntraOpNumThreads(max(0, o.Threads)),
		// Threads that spin between operators take the cores from everything
		// else in the process and win little.
		options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		options.AddSessionConfigEntry("session.inter_op.allow_spinning", "0"),
	}
	if err := errors.Join(steps...); err != nil {
		_ = options.Destroy()
		return nil, err
	}
	return options, nil
}

// Graph is what the model file says of its graph.
func (s *Session) Graph() *graphfile.Graph { return s.graph }

// Inputs are the model's inputs, in the order in which Run takes them.
func (s *Session) Inputs() []Port { return s.inputs }

// Outputs are the model's outputs, in the order in which Run gives them.
func (s *Session) Outputs() []Port { return s.outputs }

// Run runs the model once, with one tensor for each of Inputs. An output that
// is given is written in place and must have the shape that comes out; one that
// is nil is made and belongs to the caller. The run stops between two operators
// when ctx ends, and the error is then that of ctx.
func (s *Session) Run(ctx context.Context, inputs, outputs []*Tensor) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.running.RLock()
	defer s.running.RUnlock()
	if s.inner == nil {
		return ErrClosed
	}
	if len(inputs) != len(s.inputs) || len(outputs) != len(s.outputs) {
		return fmt.Errorf("run with %d inputs and %d outputs, the model has %d and %d", len(inputs), len(outputs), len(s.inputs), len(s.outputs))
	}
	in, out := make([]ort.Value, len(inputs)), make([]ort.Value, len(outputs))
	for i, t := range inputs {
		if t == nil || t.value == nil {
			return fmt.Errorf("run without the input %q", s.inputs[i].Name)
		}
		in[i] = t.value
	}
	for i, t := range outputs {
		if t != nil {
			out[i] = t.value
		}
	}
	if err := s.run(ctx, in, out); err != nil {
		return err
	}
	for i, t := range outputs {
		if t == nil {
			outputs[i] = &Tensor{value: out[i], shape: out[i].GetShape()}
		}
	}
	return nil
}

func (s *Session) run(ctx context.Context, in, out []ort.Value) error {
	options, err := s.runOptions()
	if err != nil {
		return fmt.Errorf("run options: %w", err)
	}
	var terminated chan struct{}
	stop := func() bool { return true }
	if ctx.Done() != nil {
		terminated = make(chan struct{})
		stop = context.AfterFunc(ctx, func() {
			_ = options.Terminate()
			close(terminated)
		})
	}
	err = s.inner.RunWithOptions(in, out, options)
	if stop() {
		s.keep(options)
	} else {
		<-terminated
		_ = options.Destroy()
	}
	if err != nil {
		if ctxErr := ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// runOptions gives options that no other run uses.
func (s *Session) runOptions() (*ort.RunOptions, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.idle) - 1; last >= 0 {
		options := s.idle[last]
		s.idle = s.idle[:last]
		return options, nil
	}
	return ort.NewRunOptions()
}

func (s *Session) keep(options *ort.RunOptions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, options)
}

// Close waits for the runs under way and releases the model. Closing twice is
// allowed.
func (s *Session) Close() error {
	s.running.Lock()
	defer s.running.Unlock()
	if s.inner == nil {
		return nil
	}
	for _, options := range s.idle {
		_ = options.Destroy()
	}
	err := s.inner.Destroy()
	s.inner, s.idle = nil, nil
	if err != nil {
		return fmt.Errorf("close session: %w", err)
	}
	return nil
}
