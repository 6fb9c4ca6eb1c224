//go:build unix && !race

package vector

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// allocate gives zeroed memory outside of the heap, which takes room only where
// it is written to. Inside, the collector would let the heap grow to twice what
// the rows need before it looked at it.
func allocate(size int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("vector: memory for %d bytes: %w", size, err)
	}
	return b, nil
}

// release gives memory back. It can fail only for memory that allocate did not
// give.
func release(b []byte) { _ = unix.Munmap(b) }
