package vector

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"unsafe"
)

// vectors are the full vectors of one block.
type vectors interface {
	// write stores that of a row.
	write(row int, v []float32) error
	// read gives that of a row, in buffer where it is not in memory.
	read(row int, buffer []float32) ([]float32, error)
}

// vault has room for full vectors: in memory or, with a file, on disk, where
// those of the few rows are read that the codes don't decide.
type vault struct {
	dimension int
	file      *os.File
	// named tells that the file could not be removed while it is open.
	named bool
	mu    sync.Mutex
	// end is how many blocks the file has, free are those of them that are unused.
	end  int64
	free []int64
}

// openVault makes a vault with a nameless file in a folder, or in memory where
// the folder is "".
func openVault(dimension int, folder string) (*vault, error) {
	v := &vault{dimension: dimension}
	if folder == "" {
		return v, nil
	}
	file, err := os.CreateTemp(folder, "vectors-*")
	if err != nil {
		return nil, fmt.Errorf("vector: file for vectors: %w", err)
	}
	v.file, v.named = file, os.Remove(file.Name()) != nil
	return v, nil
}

func (v *vault) close() error {
	if v.file == nil {
		return nil
	}
	err := v.file.Close()
	if v.named {
		_ = os.Remove(v.file.Name())
	}
	return err
}

// block makes room for the vectors of a block.
func (v *vault) block() (vectors, error) {
	if v.file == nil {
		memory, err := allocate(blockRows * v.dimension * 4)
		if err != nil {
			return nil, err
		}
		m := &inMemory{dimension: v.dimension}
		m.all, _ = column[float32](memory, blockRows*v.dimension)
		runtime.AddCleanup(m, release, memory)
		return m, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	number := v.end
	if n := len(v.free); n > 0 {
		number, v.free = v.free[n-1], v.free[:n-1]
	} else {
		v.end++
	}
	f := &inFile{file: v.file, size: int64(v.dimension) * 4, begin: number * blockRows * int64(v.dimension) * 4}
	// Views that still show the block's rows hold f, and so its room in the file.
	runtime.AddCleanup(f, v.giveBack, number)
	return f, nil
}

func (v *vault) giveBack(number int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.free = append(v.free, number)
}

type inMemory struct {
	dimension int
	all       []float32
}

func (m *inMemory) write(row int, v []float32) error {
	copy(m.all[row*m.dimension:][:m.dimension], v)
	return nil
}

func (m *inMemory) read(row int, _ []float32) ([]float32, error) {
	return m.all[row*m.dimension:][:m.dimension], nil
}

type inFile struct {
	file        *os.File
	begin, size int64
}

// raw gives the memory of numbers as bytes, in the order of this machine, which
// is the only one to read the file.
func raw(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*4)
}

func (f *inFile) write(row int, v []float32) error {
	_, err := f.file.WriteAt(raw(v), f.begin+int64(row)*f.size)
	return closedOr(err, "write a vector")
}

func (f *inFile) read(row int, buffer []float32) ([]float32, error) {
	_, err := f.file.ReadAt(raw(buffer), f.begin+int64(row)*f.size)
	return buffer, closedOr(err, "read a vector")
}

func closedOr(err error, what string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrClosed):
		return ErrClosed
	default:
		return fmt.Errorf("vector: %s: %w", what, err)
	}
}
