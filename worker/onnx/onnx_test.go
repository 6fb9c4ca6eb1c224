package onnx

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/graphfile"
)

func encoder(t testing.TB) *Session {
	t.Helper()
	require.NoError(t, Start(testkit.ONNX(t)))
	s, err := Open(testkit.Shared(t, "models", "random", "marian-random", "onnx", "encoder_model.onnx"), Options{Threads: 1})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, s.Close())
	})
	return s
}

// input gives both inputs of the encoder, all of them a token that counts.
func input(t testing.TB, rows, length int) []*Tensor {
	t.Helper()
	both := make([]*Tensor, 2)
	for i := range both {
		m := &Memory{}
		x, err := NewTensor[int64](m, int64(rows), int64(length))
		require.NoError(t, err)
		for j := range x.Int64() {
			x.Int64()[j] = 1
		}
		both[i] = x
		t.Cleanup(func() { x.Close(); m.Free() })
	}
	return both
}

func TestPortsAreDescribed(t *testing.T) {
	s := encoder(t)
	assert.Equal(t, []string{"input_ids", "attention_mask"}, names(s.Inputs()))
	out := s.Outputs()
	require.Len(t, out, 1)
	assert.Equal(t, "last_hidden_state", out[0].Name)
	assert.Equal(t, Float32, out[0].Type)
	assert.Equal(t, []int64{-1, -1, 64}, out[0].Shape)
	assert.Equal(t, Int64, s.Inputs()[0].Type, "%+v", s.Inputs())
	assert.Equal(t, "int64", Int64.String(), "%+v", s.Inputs())
	assert.Equal(t, "type 99", Type(99).String(), "%+v", s.Inputs())
}

// What is read from the files is what ONNX Runtime says of them.
func TestPortsFromTheFileAreThoseOfTheRuntime(t *testing.T) {
	require.NoError(t, Start(testkit.ONNX(t)))
	for _, file := range []string{
		"translate-mini/onnx/decoder_model_merged.onnx", "caption-mini/onnx/model.onnx", "random/gpt2-random/onnx/model.onnx", "random/t5-random/onnx/encoder_model.onnx",
		"random/lcm-random/unet/model.onnx", "random/lcm-random/vae_decoder/model.onnx", "random/clip-random/onnx/vision_model.onnx", "sticker-mini/onnx/text_model.onnx",
	} {
		path := testkit.Shared(t, "models", filepath.FromSlash(file))
		graph, err := graphfile.Read(path)
		require.NoError(t, err)
		fast, slow := &Session{graph: graph}, &Session{}
		require.True(t, fast.takePorts(), file)
		require.NoError(t, slow.readPorts(path))
		for i, p := range slow.inputs {
			if len(p.Shape) == 0 {
				slow.inputs[i].Shape = nil
			}
		}
		assert.Equal(t, slow.inputs, fast.inputs, file)
		assert.Equal(t, slow.outputs, fast.outputs, file)
	}
}

func TestOutputsInPlaceAndMade(t *testing.T) {
	s := encoder(t)
	in := input(t, 2, 5)
	made := []*Tensor{nil}
	require.NoError(t, s.Run(t.Context(), in, made))
	defer made[0].Close()
	var m Memory
	defer m.Free()
	placed, err := NewTensor[float32](&m, 2, 5, 64)
	require.NoError(t, err)
	defer placed.Close()
	require.NoError(t, s.Run(t.Context(), in, []*Tensor{placed}))
	assert.Equal(t, placed.Shape(), made[0].Shape(), "the two outputs differ")
	assert.Equal(t, placed.Float32(), made[0].Float32(), "the two outputs differ")
	assert.NotZero(t, placed.Float32()[0], "the two outputs differ")
	assert.Same(t, &placed.Float32()[0], &m.Float32()[0], "the output was copied")
}

func TestRunRefusesWhatDoesNotFit(t *testing.T) {
	s := encoder(t)
	in := input(t, 1, 3)
	assert.Error(t, s.Run(t.Context(), in[:1], []*Tensor{nil}), "one input too few is accepted")
	err := s.Run(t.Context(), []*Tensor{in[0], nil}, []*Tensor{nil})
	assert.Error(t, err)
	assert.ErrorContains(t, err, "attention_mask")
	var m Memory
	defer m.Free()
	wrong, err := NewTensor[float32](&m, 1, 4, 64)
	require.NoError(t, err)
	defer wrong.Close()
	assert.Error(t, s.Run(t.Context(), in, []*Tensor{wrong}), "an output of the wrong shape is accepted")
	_, err = NewTensor[int64](&m, -1)
	assert.Error(t, err, "a negative dimension is accepted")
	_, err = Open(filepath.Join(t.TempDir(), "none.onnx"), Options{})
	assert.Error(t, err)
	assert.ErrorContains(t, err, "none.onnx")
}

// A run far longer than a cancellation takes ends with the context's error, and
// the session goes on working.
func TestCancelInsideARun(t *testing.T) {
	s := encoder(t)
	long := input(t, 512, 128)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		assert.ErrorIs(t, s.Run(ctx, long, []*Tensor{nil}), context.Canceled)
	}
	out := []*Tensor{nil}
	require.NoError(t, s.Run(t.Context(), input(t, 1, 4), out))
	out[0].Close()
}

func TestCloseWaitsForRuns(t *testing.T) {
	s := encoder(t)
	var wait sync.WaitGroup
	for range 4 {
		in := input(t, 8, 32)
		wait.Go(func() {
			for {
				out := []*Tensor{nil}
				err := s.Run(t.Context(), in, out)
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				out[0].Close()
			}
		})
	}
	assert.NoError(t, errors.Join(s.Close(), s.Close()))
	wait.Wait()
}

func TestMemoryGrows(t *testing.T) {
	t.Parallel()
	var m Memory
	defer m.Free()
	for _, size := range []int{1, 100, 50, 1000} {
		assert.NoError(t, m.Reserve(size), "%d bytes of %d", m.size, size)
		assert.GreaterOrEqual(t, m.size, size, "%d bytes of %d", m.size, size)
		for i := range m.Float32() {
			m.Float32()[i] = 1
		}
	}
	m.Free()
	assert.Zero(t, m.size, "not freed")
}

// A size that can't be had is an error; the process lives on.
func TestMemoryThatThereIsNot(t *testing.T) {
	require.NoError(t, Start(testkit.ONNX(t)))
	var m Memory
	defer m.Free()
	require.NoError(t, m.Reserve(100))
	assert.ErrorIs(t, m.Reserve(1<<56), ErrMemory)
	for _, shape := range [][]int64{{1 << 40, 1 << 40}, {-1, 4}, {1 << 62}, {1 << 47}} {
		_, err := NewTensor[float32](&m, shape...)
		assert.ErrorIs(t, err, ErrMemory, "%v", shape)
	}
	x, err := NewTensor[float32](&m, 2, 0, 3)
	require.NoError(t, err)
	assert.Empty(t, x.Float32())
	x.Close()
}
