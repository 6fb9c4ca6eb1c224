package vector

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"parley/internal/vector/kernel"
)

// Load makes an index of a file that Save wrote, and gives the position that was
// saved. A file that is no whole one is ErrFile, one of another model or
// dimension ErrModel, one that is not there fs.ErrNotExist. None of them takes
// more memory than a whole file of its size.
func Load(path string, cfg Config) (x *Exact, position string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("vector: load: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, "", fmt.Errorf("vector: load: %w", err)
	}
	if x, err = New(cfg); err != nil {
		return nil, "", err
	}
	position, err = x.load(file, info.Size())
	if err != nil {
		_ = x.Close()
		return nil, "", fmt.Errorf("vector: load: %w", err)
	}
	return x, position, nil
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFile, fmt.Sprintf(format, args...))
}

// load fills an index that is empty and not yet shared.
func (x *Exact) load(file io.ReaderAt, size int64) (position string, err error) {
	const begin = int64(len(magicWord) + 4)
	first := make([]byte, begin)
	if size < begin+4 {
		return "", damaged("%d bytes are too few", size)
	}
	if _, err := file.ReadAt(first, 0); err != nil {
		return "", err
	}
	length := int64(binary.LittleEndian.Uint32(first[len(magicWord):]))
	if string(first[:len(magicWord)]) != magicWord || begin+length+4 > size {
		return "", damaged("it does not begin as one")
	}
	bytes := make([]byte, length+4)
	if _, err := file.ReadAt(bytes, begin); err != nil {
		return "", err
	}
	bytes, sum := bytes[:length], binary.LittleEndian.Uint32(bytes[length:])
	if crc32.Checksum(bytes, castagnoli) != sum {
		return "", damaged("the checksum of its head is wrong")
	}
	h := head{rest: bytes}
	if position, err = h.begin(x.cfg); err != nil {
		return "", err
	}
	at := begin + length + 4
	// There are no more rows than the file has room for.
	per := int64(rowSize(x.cfg.Dimension))
	rows, sums := int64(h.rows), (int64(h.rows)+blockRows-1)/blockRows
	if h.rows > uint64(size)/uint64(per) || h.rows > uint64(len(h.rest)) || at+rows*per+sums*4 != size {
		return "", damaged("%d rows and %d bytes don't fit", h.rows, size)
	}
	if err := x.loadBlocks(&h, file, at); err != nil {
		return "", err
	}
	return position, nil
}

// loadBlocks reads the rows: one goroutine their ids and labels, others the rest.
func (x *Exact) loadBlocks(h *head, file io.ReaderAt, at int64) error {
	c, err := x.begin()
	if err != nil {
		return err
	}
	for range h.rows {
		if _, err := c.add(func(*block, int) error { return nil }); err != nil {
			return err
		}
	}
	per := int64(rowSize(x.cfg.Dimension))
	sums := make([]byte, 4*len(c.blocks))
	if _, err := file.ReadAt(sums, at+int64(c.rows)*per); err != nil && len(sums) > 0 {
		return err
	}
	var next atomic.Int64
	var group errgroup.Group
	group.Go(func() error { return x.loadRows(h, c.blocks) })
	for range min(x.cfg.Goroutines, len(c.blocks)) {
		group.Go(func() error {
			bytes := make([]byte, blockRows*per)
			for n := next.Add(1) - 1; n < int64(len(c.blocks)); n = next.Add(1) - 1 {
				b := c.blocks[n]
				bytes := bytes[:int64(b.used)*per]
				if _, err := file.ReadAt(bytes, at+n*blockRows*per); err != nil {
					return err
				}
				if crc32.Checksum(bytes, castagnoli) != binary.LittleEndian.Uint32(sums[4*n:]) {
					return damaged("the checksum of the rows from %d on is wrong", n*blockRows)
				}
				if err := b.load(bytes, x.cfg.Dimension); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	c.publish()
	return nil
}

// loadRows names the rows of blocks.
func (x *Exact) loadRows(h *head, blocks []*block) error {
	x.places = newDirectory(int(h.rows))
	before, numbers := "", make([]uint32, 0, MaxLabels)
	labels := x.labels.known(h.labels)
	for i := range int(h.rows) {
		id, which, err := h.row(before, numbers)
		if err != nil {
			return err
		}
		for _, w := range which {
			labels[w].rows++
		}
		blocks[i/blockRows].name(i%blockRows, id, which)
		x.places.set(blocks, id, place(i))
		before = id
	}
	for i, l := range labels {
		if l.rows == 0 {
			return damaged("no row has the label %q", h.labels[i])
		}
	}
	if len(h.rest) > 0 {
		return damaged("%d bytes behind the last row", len(h.rest))
	}
	return nil
}

// load takes what appendRows wrote.
func (b *block) load(bytes []byte, dimension int) error {
	v := make([]float32, dimension)
	for row := range b.used {
		bytes = readFloats(v, bytes)
		if l := length(v); !(math.Abs(l-1) <= lengthError) {
			return damaged("a vector has the length %v", l)
		}
		if err := b.full.write(row, v); err != nil {
			return err
		}
	}
	codes := b.used * kernel.Codes(dimension) / 2
	copy(b.high, bytes[:codes])
	copy(b.low, bytes[codes:2*codes])
	bytes = bytes[2*codes:]
	for _, column := range [][]float32{b.scale, b.coarse, b.fine} {
		bytes = readFloats(column[:b.used], bytes)
	}
	return nil
}

// littleEndian tells that this machine has numbers in memory as they are in files.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// readFloats fills into from bytes, and gives the rest of these.
func readFloats(into []float32, bytes []byte) []byte {
	if littleEndian {
		return bytes[copy(raw(into), bytes):]
	}
	for i := range into {
		into[i] = math.Float32frombits(binary.LittleEndian.Uint32(bytes[4*i:]))
	}
	return bytes[4*len(into):]
}
