package onnx

import (
	"fmt"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"
)

// Type is the type of a tensor's elements.
type Type int

// The types, with the numbers of ONNX's TensorProto.DataType.
const (
	Float32 Type = 1
	Uint8   Type = 2
	Int8    Type = 3
	Int32   Type = 6
	Int64   Type = 7
	Bool    Type = 9
	Float16 Type = 10
	Float64 Type = 11
)

// String gives the name of the type, as in Go where Go has it.
func (t Type) String() string {
	names := map[Type]string{Float32: "float32", Uint8: "uint8", Int8: "int8", Int32: "int32", Int64: "int64", Bool: "bool", Float16: "float16", Float64: "float64"}
	if name, ok := names[t]; ok {
		return name
	}
	return fmt.Sprintf("type %d", int(t))
}

// element is what a tensor made here may hold.
type element interface {
	ort.TensorData
	float32 | int32 | int64 | bool
}

// Tensor is a value that goes into or comes out of a run. It is not safe for
// concurrent use.
type Tensor struct {
	value ort.Value
	shape []int64
}

// maxElements is more than any memory holds, and small enough to be counted in bytes.
const maxElements = 1 << 48

// NewTensor makes a tensor of the given shape over the start of m, which is
// reserved to be large enough and must outlive the tensor. The content stays.
func NewTensor[T element](m *Memory, shape ...int64) (*Tensor, error) {
	count := int64(1)
	for _, d := range shape {
		if d < 0 || d > 0 && count > maxElements/d {
			return nil, fmt.Errorf("tensor of shape %v: %w", shape, ErrMemory)
		}
		count *= d
	}
	var zero T
	// One byte at least: a tensor without elements has an address too.
	if err := m.Reserve(max(1, int(count)*int(unsafe.Sizeof(zero)))); err != nil {
		return nil, fmt.Errorf("tensor of shape %v: %w", shape, err)
	}
	value, err := ort.NewTensor(ort.Shape(shape), unsafe.Slice((*T)(m.start), count))
	if err != nil {
		return nil, fmt.Errorf("tensor of shape %v: %w", shape, err)
	}
	return &Tensor{value: value, shape: append([]int64(nil), shape...)}, nil
}

// NewScalar makes a tensor of no dimensions, which holds one element.
func NewScalar[T element](v T) (*Tensor, error) {
	value, err := ort.NewScalar(v)
	if err != nil {
		return nil, fmt.Errorf("scalar: %w", err)
	}
	return &Tensor{value: value}, nil
}

// Shape gives the dimensions; it must not be changed.
func (t *Tensor) Shape() []int64 { return t.shape }

// Float32 gives the elements without copying; nil when they are of another type.
func (t *Tensor) Float32() []float32 { return elements[float32](t) }

// Int64 gives the elements without copying; nil when they are of another type.
func (t *Tensor) Int64() []int64 { return elements[int64](t) }

// Int32 gives the elements without copying; nil when they are of another type.
func (t *Tensor) Int32() []int32 { return elements[int32](t) }

// Bool gives the elements without copying; nil when they are of another type.
func (t *Tensor) Bool() []bool { return elements[bool](t) }

func elements[T ort.TensorData](t *Tensor) []T {
	if v, ok := t.value.(*ort.Tensor[T]); ok {
		return v.GetData()
	}
	return nil
}

// Close releases the tensor; the memory under it stays. Nil is allowed.
func (t *Tensor) Close() {
	if t == nil || t.value == nil {
		return
	}
	_ = t.value.Destroy()
	t.value = nil
}
