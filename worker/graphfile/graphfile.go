// Package graphfile looks into an ONNX file (onnx.proto of
// https://github.com/onnx/onnx) before it is loaded: what has to be known of a graph to
// run it rightly, and whether the files that it names are in its own folder. Weights
// are passed over, so that a file of gigabytes takes milliseconds.
package graphfile

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Graph is what a file says.
type Graph struct {
	// Operators counts the nodes of each kind, those in branches included.
	Operators map[string]int
	// Readers are, for each input of the graph, the kinds of nodes that read it; a
	// branch or function that reads it counts as "If", whatever is inside.
	Readers map[string][]string
	// Inputs are those that a run has to give, Outputs what it gives.
	Inputs, Outputs []Value
	// External are the files that hold weights, relative to the folder.
	External []string
}

// Bounds of what is read: far more than any model has.
const (
	maxDepth = 32
	maxNodes = 4 << 20
	maxFiles = 10_000
)

// ErrOutside says that a file names another one outside of its folder.
var ErrOutside = errors.New("the weights lie outside of the model's folder")

// Read looks into the file at path. It fails on what is no ONNX file, and on weights in
// other files that are not there as the file says, or not in its folder.
func Read(path string) (*Graph, error) {
	source, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return nil, err
	}
	r := reader{dir: filepath.Dir(path), graph: &Graph{Operators: map[string]int{}, Readers: map[string][]string{}}, external: map[string]int64{}}
	whole := &message{file: &file{Reader: bufio.NewReader(source), source: source, left: info.Size()}, left: info.Size()}
	seen := false
	r.weights = map[string]bool{}
	// ModelProto
	err = whole.each(func(f field) error {
		switch {
		case f.body == nil:
		case f.number == 7:
			seen = true
			return r.readGraph(f.body, 0)
		case f.number == 25:
			return r.readFunction(f.body)
		}
		return nil
	})
	if err == nil && !seen {
		err = errors.New("there is no graph in it")
	}
	if err == nil {
		err = r.checkExternal()
	}
	// Old files name their weights among the inputs.
	r.graph.Inputs = slices.DeleteFunc(r.graph.Inputs, func(v Value) bool { return r.weights[v.Name] })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r.graph, nil
}

// reader collects while a file is read.
type reader struct {
	dir   string
	graph *Graph
	nodes int
	// weights are the names of the graph's own.
	weights map[string]bool
	// external is how large each file has to be at least.
	external map[string]int64
}

// readGraph reads a GraphProto, that of a branch at a depth above 0.
func (r *reader) readGraph(m *message, depth int) error {
	if depth > maxDepth {
		return errors.New("its branches lie too deep in each other")
	}
	return m.each(func(f field) error {
		if f.body == nil {
			return nil
		}
		switch f.number {
		case 1:
			return r.readNode(f.body, depth)
		case 5:
			name, err := r.readTensor(f.body)
			r.weights[name] = true
			return err
		case 11, 12:
			return r.readPort(f, depth)
		case 15: // SparseTensorProto
			return f.body.each(func(f field) error {
				if f.body != nil && (f.number == 1 || f.number == 2) {
					_, err := r.readTensor(f.body)
					return err
				}
				return nil
			})
		}
		return nil
	})
}

// readFunction reads a FunctionProto, whose nodes stand where a node of the graph calls it.
func (r *reader) readFunction(m *message) error {
	return m.each(func(f field) error {
		switch {
		case f.body == nil:
		case f.number == 7:
			return r.readNode(f.body, 1)
		case f.number == 11:
			return r.readAttribute(f.body, 1)
		}
		return nil
	})
}

// readNode reads a NodeProto.
func (r *reader) readNode(m *message, depth int) error {
	if r.nodes++; r.nodes > maxNodes {
		return errors.New("it has too many nodes")
	}
	var inputs []string
	operator := ""
	err := m.each(func(f field) error {
		if f.body == nil {
			return nil
		}
		var err error
		switch f.number {
		case 1:
			var name string
			name, err = f.body.text()
			inputs = append(inputs, name)
		case 4:
			operator, err = f.body.text()
		case 5:
			err = r.readAttribute(f.body, depth)
		}
		return err
	})
	if err != nil {
		return err
	}
	r.graph.Operators[operator]++
	if depth > 0 {
		operator = "If"
	}
	for _, name := range inputs {
		r.graph.Readers[name] = append(r.graph.Readers[name], operator)
	}
	return nil
}

// readAttribute reads an AttributeProto: tensors and graphs in it.
func (r *reader) readAttribute(m *message, depth int) error {
	return m.each(func(f field) error {
		switch {
		case f.body == nil:
		case f.number == 5 || f.number == 10:
			_, err := r.readTensor(f.body)
			return err
		case f.number == 6 || f.number == 11:
			return r.readGraph(f.body, depth+1)
		}
		return nil
	})
}

// readTensor reads a TensorProto and gives its name.
func (r *reader) readTensor(m *message) (name string, err error) {
	elements := uint64(1)
	outside := map[string]string{}
	err = m.each(func(f field) (err error) {
		switch {
		case f.number == 1 && f.body == nil:
			return multiply(&elements, f.value)
		case f.number == 1:
			for f.body.left > 0 {
				d, err := f.body.varint()
				if err != nil {
					return err
				}
				if err := multiply(&elements, d); err != nil {
					return err
				}
			}
		case f.number == 8 && f.body != nil:
			name, err = f.body.text()
		case f.number == 13 && f.body != nil: // external_data
			return readEntry(f.body, outside)
		}
		return err
	})
	if err == nil && len(outside) > 0 {
		err = r.addExternal(outside)
	}
	return name, err
}

// multiply refuses a size that no memory has.
func multiply(elements *uint64, dimension uint64) error {
	high, low := bits.Mul64(*elements, dimension)
	if high != 0 || low > 1<<48 || int64(dimension) < 0 {
		return errors.New("a tensor has an impossible size")
	}
	*elements = low
	return nil
}

// readEntry reads a StringStringEntryProto.
func readEntry(m *message, into map[string]string) error {
	var pair [2]string
	err := m.each(func(f field) (err error) {
		if f.body != nil && (f.number == 1 || f.number == 2) {
			pair[f.number-1], err = f.body.text()
		}
		return err
	})
	into[pair[0]] = pair[1]
	return err
}

func (r *reader) addExternal(entry map[string]string) error {
	location := filepath.FromSlash(entry["location"])
	if location == "" || !filepath.IsLocal(location) || strings.ContainsAny(location, "\\\x00") {
		return fmt.Errorf("%w: %q", ErrOutside, entry["location"])
	}
	end := uint64(0)
	for _, name := range []string{"offset", "length"} {
		if entry[name] == "" {
			continue
		}
		n, err := strconv.ParseUint(entry[name], 10, 63)
		if err != nil || end+n > math.MaxInt64 {
			return fmt.Errorf("weights in %q have the %s %q", location, name, entry[name])
		}
		end += n
	}
	if _, known := r.external[location]; !known && len(r.external) >= maxFiles {
		return errors.New("its weights lie in too many files")
	}
	r.external[location] = max(r.external[location], int64(end))
	return nil
}

// checkExternal looks at the files themselves; where they lead is what counts.
func (r *reader) checkExternal() error {
	for location, size := range r.external {
		path := filepath.Join(r.dir, location)
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("weights in %q: %w", location, err)
		}
		if !info.Mode().IsRegular() || info.Size() < size {
			return fmt.Errorf("weights in %q: it has %d bytes, not %d", location, info.Size(), size)
		}
		r.graph.External = append(r.graph.External, filepath.ToSlash(location))
	}
	return nil
}

// Dynamic tells a graph that quantizes activations while it runs: the scale is taken
// over all rows of a batch, so that a row's numbers depend on the others.
func (g *Graph) Dynamic() bool {
	return g.Operators["DynamicQuantizeLinear"]+g.Operators["DynamicQuantizeMatMul"]+g.Operators["DynamicQuantizeLSTM"] > 0
}

// Shares tells whether the caches of a decoder may lie in one buffer before and after a
// step: every one of inputs is read by attention that is made for it, and by nothing else.
func (g *Graph) Shares(inputs []string) bool {
	for _, name := range inputs {
		readers := g.Readers[name]
		if len(readers) == 0 {
			return false
		}
		for _, r := range readers {
			if r != "GroupQueryAttention" {
				return false
			}
		}
	}
	return len(inputs) > 0
}
