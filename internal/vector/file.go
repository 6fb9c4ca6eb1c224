package vector

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"parley/internal/vector/kernel"
)

// A file holds, all numbers little-endian:
//
//	"PARLEYV1", uint32 length of the head
//	head: words (uvarint length and bytes) for the model's name and digest and the
//	      position; uvarint dimension, uvarint number of labels, each a word,
//	      rising; uvarint number of rows, by rising id: the id as a word, uvarint
//	      number of labels, for each uvarint which one it is, rising
//	uint32 CRC-32C of the head
//	the rows in the same order, blockRows at a time: their vectors, upper and
//	      lower codes, scales, coarse and fine distances, as in slab
//	uint32 CRC-32C of each blockRows rows
//
// So two indexes that hold the same have the same file, whatever was done to them.
// The codes could be made of the vectors again, at three times the cost of reading them.
const (
	magicWord = "PARLEYV1"
	// maxWord is the most bytes of a model's name and digest, and of a position.
	maxWord = 1024
	// maxHead is what the length of a head can say.
	maxHead = math.MaxUint32
)

// ErrFile is what a file is refused with that is cut off, damaged or no index.
var ErrFile = errors.New("not a whole file of a vector index")

// ErrModel is what a file is refused with that was made by another model.
var ErrModel = errors.New("the file of a vector index is of another model")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Save writes the index as it is at one moment to a file, which replaces the one
// of the same name in one step; changes go on meanwhile. The position says up to
// which event the index was kept, in the caller's words of at most 1,024 bytes;
// who saves sees to it that no other change is under way.
func (x *Exact) Save(path, position string) (err error) {
	if len(position) > maxWord {
		return invalidf("a position of %d bytes, %d are allowed", len(position), maxWord)
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("vector: save: %w", err)
	}
	defer func() {
		if err != nil {
			_ = temporary.Close()
			_ = os.Remove(temporary.Name())
		}
	}()
	if err := x.write(temporary, position); err != nil {
		return err
	}
	if err := temporary.Sync(); err != nil {
		return fmt.Errorf("vector: save: %w", err)
	}
	if err := temporary.Close(); err != nil {
		return fmt.Errorf("vector: save: %w", err)
	}
	if err := os.Rename(temporary.Name(), path); err != nil {
		return fmt.Errorf("vector: save: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a rename last through a power cut, where folders can be synced.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("vector: save: %w", err)
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil && runtime.GOOS != "windows" {
		return fmt.Errorf("vector: save: %w", err)
	}
	return nil
}

// savedRow is a row and where it lies.
type savedRow struct {
	id []byte
	at place
}

func (x *Exact) write(to io.Writer, position string) error {
	var v *view
	names := map[uint32]string{}
	if err := x.read(func(now *view, l *labels) {
		v = now
		for number, name := range l.names {
			names[number] = name
		}
	}); err != nil {
		return err
	}
	defer runtime.KeepAlive(v)
	rows := make([]savedRow, 0, v.rows)
	for number, b := range v.blocks {
		if b != nil {
			_ = b.each(func(i int) error {
				rows = append(rows, savedRow{b.id(i), placeOf(number, i)})
				return nil
			})
		}
	}
	slices.SortFunc(rows, func(a, b savedRow) int { return bytes.Compare(a.id, b.id) })
	head := x.head(v, rows, names, position)
	if len(head) > maxHead {
		return fmt.Errorf("vector: save: ids and labels of %d bytes are too many", len(head))
	}
	out := bufio.NewWriterSize(to, 1<<20)
	begin := binary.LittleEndian.AppendUint32([]byte(magicWord), uint32(len(head)))
	end := binary.LittleEndian.AppendUint32(nil, crc32.Checksum(head, castagnoli))
	for _, part := range [][]byte{begin, head, end} {
		if _, err := out.Write(part); err != nil {
			return fmt.Errorf("vector: save: %w", err)
		}
	}
	if err := writeRows(out, v, rows, x.cfg.Dimension); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("vector: save: %w", err)
	}
	return nil
}

func (x *Exact) head(v *view, rows []savedRow, names map[uint32]string, position string) []byte {
	var head []byte
	number := func(n int) { head = binary.AppendUvarint(head, uint64(n)) }
	word := func(s string) {
		number(len(s))
		head = append(head, s...)
	}
	word(x.cfg.Model.Name)
	word(x.cfg.Model.Digest)
	word(position)
	number(x.cfg.Dimension)
	sorted, order := make([]string, 0, len(names)), make(map[uint32]int, len(names))
	for _, name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for n, name := range names {
		order[n], _ = slices.BinarySearch(sorted, name)
	}
	number(len(sorted))
	for _, name := range sorted {
		word(name)
	}
	number(len(rows))
	var which []int
	for _, r := range rows {
		number(len(r.id))
		head = append(head, r.id...)
		which = which[:0]
		for _, n := range v.blocks[r.at.block()].labelsOf(r.at.row()) {
			which = append(which, order[n])
		}
		slices.Sort(which)
		number(len(which))
		for _, n := range which {
			number(n)
		}
	}
	return head
}

// rowSize is how many bytes a row takes behind the head.
func rowSize(dimension int) int { return 4*dimension + kernel.Codes(dimension) + 3*4 }

// writeRows writes rows and then the checksums of each blockRows of them.
func writeRows(out *bufio.Writer, v *view, rows []savedRow, dimension int) error {
	var sums, bytes []byte
	for some := range slices.Chunk(rows, blockRows) {
		var err error
		if bytes, err = appendRows(bytes[:0], v, some, dimension); err != nil {
			return err
		}
		sums = binary.LittleEndian.AppendUint32(sums, crc32.Checksum(bytes, castagnoli))
		if _, err := out.Write(bytes); err != nil {
			return fmt.Errorf("vector: save: %w", err)
		}
	}
	if _, err := out.Write(sums); err != nil {
		return fmt.Errorf("vector: save: %w", err)
	}
	return nil
}

// appendRows adds the columns of rows.
func appendRows(bytes []byte, v *view, rows []savedRow, dimension int) ([]byte, error) {
	buffer := make([]float32, dimension)
	for _, r := range rows {
		full, err := v.blocks[r.at.block()].full.read(r.at.row(), buffer)
		if err != nil {
			return nil, err
		}
		for _, n := range full {
			bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(n))
		}
	}
	half := kernel.Codes(dimension) / 2
	for column := range 2 {
		for _, r := range rows {
			b := v.blocks[r.at.block()]
			codes := [2][]byte{b.high, b.low}[column]
			bytes = append(bytes, codes[r.at.row()*half:][:half]...)
		}
	}
	for column := range 3 {
		for _, r := range rows {
			b := v.blocks[r.at.block()]
			numbers := [3][]float32{b.scale, b.coarse, b.fine}[column]
			bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(numbers[r.at.row()]))
		}
	}
	return bytes, nil
}
