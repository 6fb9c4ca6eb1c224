package vector

import (
	"math/bits"
	"runtime"
	"unsafe"

	"parley/internal/vector/kernel"
)

// blockRows is how many rows a block has room for: at 384 dimensions its coarse
// codes take 192 KiB, so that several queries read them from the processor's
// second cache.
const blockRows = 1024

// slab is the memory of a block, in columns. A row is written once, before any
// reader is told that it is there. The memory is given back when the collector
// finds that nothing holds the slab any more; who reads a column sees to it that
// something does (runtime.KeepAlive).
type slab struct {
	high, low           []byte
	scale, coarse, fine []float32
	// marks has a bit for each label of a row, shared by many labels, so that most
	// rows which a filter leaves out are left out without a look at their labels.
	marks []uint64
	// ids and labels hold those of all rows one after another, up to the ends.
	ids              []byte
	labels           []uint32
	idEnds, labelEnd []uint32
	full             vectors
}

// newSlab allocates the columns of a block for vectors of n numbers.
func newSlab(n int, full vectors) (*slab, error) {
	half := kernel.Codes(n) / 2
	memory, err := allocate(blockRows * (2*half + 3*4 + 8 + MaxID + 4*MaxLabels + 2*4))
	if err != nil {
		return nil, err
	}
	s := &slab{full: full}
	rest := memory
	s.high, rest = rest[:blockRows*half], rest[blockRows*half:]
	s.low, rest = rest[:blockRows*half], rest[blockRows*half:]
	s.marks, rest = column[uint64](rest, blockRows)
	s.scale, rest = column[float32](rest, blockRows)
	s.coarse, rest = column[float32](rest, blockRows)
	s.fine, rest = column[float32](rest, blockRows)
	s.idEnds, rest = column[uint32](rest, blockRows)
	s.labelEnd, rest = column[uint32](rest, blockRows)
	s.labels, s.ids = column[uint32](rest, blockRows*MaxLabels)
	runtime.AddCleanup(s, release, memory)
	return s, nil
}

// column cuts n numbers off a piece of memory that is aligned for them.
func column[T uint32 | uint64 | float32](memory []byte, n int) (cut []T, rest []byte) {
	size := n * int(unsafe.Sizeof(*new(T)))
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(memory[:size]))), n), memory[size:]
}

func span[T any](all []T, ends []uint32, i int) []T {
	begin := uint32(0)
	if i > 0 {
		begin = ends[i-1]
	}
	return all[begin:ends[i]]
}

// id gives the bytes of a row's id, which lie in the slab.
func (s *slab) id(i int) []byte { return span(s.ids, s.idEnds, i) }

// labelsOf gives the numbers of a row's labels, rising.
func (s *slab) labelsOf(i int) []uint32 { return span(s.labels, s.labelEnd, i) }

// name writes a row's id and labels. Rows are named in their order.
func (s *slab) name(i int, id string, labels []uint32) {
	idAt, labelAt := uint32(0), uint32(0)
	if i > 0 {
		idAt, labelAt = s.idEnds[i-1], s.labelEnd[i-1]
	}
	s.idEnds[i] = idAt + uint32(copy(s.ids[idAt:], id))
	s.labelEnd[i] = labelAt + uint32(copy(s.labels[labelAt:], labels))
	s.marks[i] = marksOf(labels)
}

// encode writes the codes of a row's vector, filled up with zeros.
func (s *slab) encode(i int, padded []float32) {
	half := len(padded) / 2
	c := encode(s.high[i*half:][:half], s.low[i*half:][:half], padded)
	s.scale[i], s.coarse[i], s.fine[i] = c.scale, c.coarse, c.fine
}

// move copies a row from another slab.
func (s *slab) move(i int, from *slab, j int, buffer []float32) error {
	v, err := from.full.read(j, buffer)
	if err != nil {
		return err
	}
	if err := s.full.write(i, v); err != nil {
		return err
	}
	half := len(s.high) / blockRows
	copy(s.high[i*half:][:half], from.high[j*half:])
	copy(s.low[i*half:][:half], from.low[j*half:])
	s.scale[i], s.coarse[i], s.fine[i] = from.scale[j], from.coarse[j], from.fine[j]
	s.name(i, string(from.id(j)), from.labelsOf(j))
	return nil
}

// block is a slab as one view of the index sees it. It does not change.
type block struct {
	*slab
	// used counts the rows that are written, dead those of them that are deleted.
	used, dead int
	alive      [blockRows / 64]uint64
}

func (b *block) sealed() bool { return b.used == blockRows }

// wasteful tells that a block is to be written anew: it takes no more rows, and
// more than a quarter of those that it has are dead.
func (b *block) wasteful() bool { return b.sealed() && b.dead > blockRows/4 }

// each calls do with every live row in their order.
func (b *block) each(do func(i int) error) error {
	for w, word := range b.alive {
		for ; word != 0; word &= word - 1 {
			if err := do(w*64 + bits.TrailingZeros64(word)); err != nil {
				return err
			}
		}
	}
	return nil
}

// place is where a row lies: the number of its block, and its number there.
type place uint32

func placeOf(block, row int) place { return place(block*blockRows + row) }

func (p place) block() int { return int(p) / blockRows }
func (p place) row() int   { return int(p) % blockRows }
