package onnx

/*
#include <stdlib.h>

// C.malloc ends the process where there is no memory; this gives NULL.
static void *reserve(size_t size) { return malloc(size); }

// Other C libraries than glibc have no malloc_trim.
#ifdef __GLIBC__
#include <malloc.h>
static void trim(void) { malloc_trim(0); }
#else
static void trim(void) {}
#endif
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// ErrMemory says that a block is larger than what can be had.
var ErrMemory = errors.New("out of memory")

// trim gives the pages that the C heap holds without using them back to the system. To open a
// model, ONNX Runtime takes up much more than it keeps (it reads, optimizes and packs the
// weights), and glibc keeps most of that for later.
func trim() { C.trim() }

// Memory is a block outside of the Go heap, which ONNX Runtime may keep
// pointers to. Its content is undefined at first. It is not safe for
// concurrent use.
type Memory struct {
	start unsafe.Pointer
	size  int
}

// Reserve makes the block at least size bytes large. A block that has to grow
// loses its content and the tensors on it become invalid; it grows by half at
// least, so that a slow rise costs little.
func (m *Memory) Reserve(size int) error {
	if size <= m.size {
		return nil
	}
	size = max(size, m.size+m.size/2, 64)
	m.Free()
	start := C.reserve(C.size_t(size))
	if start == nil {
		return fmt.Errorf("%w: %d bytes", ErrMemory, size)
	}
	m.start, m.size = start, size
	return nil
}

// Size is how large the block is, in bytes.
func (m *Memory) Size() int { return m.size }

// Free gives the block back. The zero Memory that stays may be used again.
func (m *Memory) Free() {
	C.free(m.start)
	m.start, m.size = nil, 0
}

// Float32 gives the block as floats, without copying; valid until it grows or
// is freed.
func (m *Memory) Float32() []float32 { return unsafe.Slice((*float32)(m.start), m.size/4) }
