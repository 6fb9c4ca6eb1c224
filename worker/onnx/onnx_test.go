package onnx

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"parley/internal/testkit"
)

func encoder(t testing.TB) *Session {
	t.Helper()
	if err := Start(testkit.ONNX(t)); err != nil {
		t.Fatal(err)
	}
	s, err := Open(testkit.Shared(t, "models", "random", "marian-random", "onnx", "encoder_model.onnx"), Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
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
		if err != nil {
			t.Fatal(err)
		}
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
	if got := names(s.Inputs()); !slices.Equal(got, []string{"input_ids", "attention_mask"}) {
		t.Error(got)
	}
	out := s.Outputs()
	if len(out) != 1 || out[0].Name != "last_hidden_state" || out[0].Type != Float32 || !slices.Equal(out[0].Shape, []int64{-1, -1, 64}) {
		t.Errorf("%+v", out)
	}
	if s.Inputs()[0].Type != Int64 || Int64.String() != "int64" || Type(99).String() != "type 99" {
		t.Errorf("%+v", s.Inputs())
	}
}

func TestOutputsInPlaceAndMade(t *testing.T) {
	s := encoder(t)
	in := input(t, 2, 5)
	made := []*Tensor{nil}
	if err := s.Run(t.Context(), in, made); err != nil {
		t.Fatal(err)
	}
	defer made[0].Close()
	var m Memory
	defer m.Free()
	placed, err := NewTensor[float32](&m, 2, 5, 64)
	if err != nil {
		t.Fatal(err)
	}
	defer placed.Close()
	if err := s.Run(t.Context(), in, []*Tensor{placed}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(made[0].Shape(), placed.Shape()) || !slices.Equal(made[0].Float32(), placed.Float32()) || placed.Float32()[0] == 0 {
		t.Error("the two outputs differ")
	}
	if &m.Float32()[0] != &placed.Float32()[0] {
		t.Error("the output was copied")
	}
}

func TestRunRefusesWhatDoesNotFit(t *testing.T) {
	s := encoder(t)
	in := input(t, 1, 3)
	if err := s.Run(t.Context(), in[:1], []*Tensor{nil}); err == nil {
		t.Error("one input too few is accepted")
	}
	if err := s.Run(t.Context(), []*Tensor{in[0], nil}, []*Tensor{nil}); err == nil || !strings.Contains(err.Error(), "attention_mask") {
		t.Error(err)
	}
	var m Memory
	defer m.Free()
	wrong, err := NewTensor[float32](&m, 1, 4, 64)
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	if err := s.Run(t.Context(), in, []*Tensor{wrong}); err == nil {
		t.Error("an output of the wrong shape is accepted")
	}
	if _, err := NewTensor[int64](&m, -1); err == nil {
		t.Error("a negative dimension is accepted")
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none.onnx"), Options{}); err == nil || !strings.Contains(err.Error(), "none.onnx") {
		t.Error(err)
	}
}

// A run far longer than a cancellation takes ends with the context's error, and
// the session goes on working.
func TestCancelInsideARun(t *testing.T) {
	s := encoder(t)
	long := input(t, 512, 128)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if err := s.Run(ctx, long, []*Tensor{nil}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	out := []*Tensor{nil}
	if err := s.Run(t.Context(), input(t, 1, 4), out); err != nil {
		t.Fatal(err)
	}
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
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	wait.Wait()
}

func TestMemoryGrows(t *testing.T) {
	t.Parallel()
	var m Memory
	defer m.Free()
	for _, size := range []int{1, 100, 50, 1000} {
		if err := m.Reserve(size); err != nil || m.size < size {
			t.Errorf("%d bytes of %d: %v", m.size, size, err)
		}
		for i := range m.Float32() {
			m.Float32()[i] = 1
		}
	}
	m.Free()
	if m.size != 0 {
		t.Error("not freed")
	}
}
