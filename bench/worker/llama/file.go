package llama

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"
	"os"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of TensorProto.DataType (onnx.proto of https://github.com/onnx/onnx).
const (
	typeFloat = 1
	typeUint8 = 2
	typeInt32 = 6
	typeInt64 = 7
	typeBool  = 9
)

// tensor is an initializer, whose bytes are made when the file is written.
type tensor struct {
	name string
	kind int
	dims []int64
	// size is how many bytes fill writes.
	size int64
	fill func(w io.Writer) error
}

// field appends a field that holds bytes.
func field(to []byte, number protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(to, number, protowire.BytesType), content)
}

func text(to []byte, number protowire.Number, content string) []byte {
	return protowire.AppendString(protowire.AppendTag(to, number, protowire.BytesType), content)
}

func whole(to []byte, number protowire.Number, value int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(to, number, protowire.VarintType), uint64(value)) //nolint:gosec // as protobuf writes an int64
}

// attribute makes an AttributeProto.
func attribute(name string, value any) []byte {
	a := text(nil, 1, name)
	switch v := value.(type) {
	case float32:
		a = protowire.AppendFixed32(protowire.AppendTag(a, 2, protowire.Fixed32Type), math.Float32bits(v))
		return whole(a, 20, 1)
	case int:
		return whole(whole(a, 3, int64(v)), 20, 2)
	case []int64:
		for _, i := range v {
			a = whole(a, 8, i)
		}
		return whole(a, 20, 7)
	}
	panic("an attribute of a kind that no graph here has")
}

// port makes a ValueInfoProto; a dimension is a number or a name.
func port(name string, kind int64, dims ...any) []byte {
	var shape []byte
	for _, d := range dims {
		switch v := d.(type) {
		case int:
			shape = field(shape, 1, whole(nil, 1, int64(v)))
		case string:
			shape = field(shape, 1, text(nil, 2, v))
		}
	}
	of := field(whole(nil, 1, kind), 2, shape)
	return field(text(nil, 1, name), 2, field(nil, 1, of))
}

// head is a TensorProto but for its raw bytes, which are the last field.
func (t *tensor) head() []byte {
	var h []byte
	for _, d := range t.dims {
		h = whole(h, 1, d)
	}
	h = text(whole(h, 2, int64(t.kind)), 8, t.name)
	h = protowire.AppendTag(h, 9, protowire.BytesType)
	return protowire.AppendVarint(h, uint64(t.size)) //nolint:gosec // a size
}

// write writes a ModelProto with one graph. Weights are never all in memory.
func write(path string, nodes, ports []byte, weights []tensor) (err error) {
	out, err := os.Create(path) //nolint:gosec // where the caller says
	if err != nil {
		return err
	}
	defer func() {
		if closing := out.Close(); err == nil {
			err = closing
		}
	}()
	w := bufio.NewWriterSize(out, 1<<20)
	size := int64(len(nodes) + len(ports))
	for i := range weights {
		h := int64(len(weights[i].head())) + weights[i].size
		size += int64(protowire.SizeTag(5)) + int64(protowire.SizeVarint(uint64(h))) + h //nolint:gosec // a size
	}
	var model []byte
	model = text(whole(model, 1, 8), 2, "parley bench")
	for domain, version := range map[string]int64{"": 18, "com.microsoft": 1} {
		model = field(model, 8, whole(text(nil, 1, domain), 2, version))
	}
	model = protowire.AppendVarint(protowire.AppendTag(model, 7, protowire.BytesType), uint64(size)) //nolint:gosec // a size
	for _, part := range [][]byte{model, nodes, ports} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	for i := range weights {
		if err := weights[i].write(w); err != nil {
			return err
		}
	}
	return w.Flush()
}

func (t *tensor) write(w io.Writer) error {
	h := t.head()
	start := protowire.AppendVarint(protowire.AppendTag(nil, 5, protowire.BytesType), uint64(int64(len(h))+t.size)) //nolint:gosec // a size
	if _, err := w.Write(append(start, h...)); err != nil {
		return err
	}
	return t.fill(w)
}

// values makes a tensor of numbers that are there.
func values[T int64 | float32](name string, kind int, dims []int64, numbers []T) tensor {
	return tensor{name: name, kind: kind, dims: dims, size: int64(binary.Size(numbers)), fill: func(w io.Writer) error {
		return binary.Write(w, binary.LittleEndian, numbers)
	}}
}
