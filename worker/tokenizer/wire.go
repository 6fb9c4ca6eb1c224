package tokenizer

import (
	"encoding/binary"
	"errors"
	"math"
)

var errWire = errors.New("malformed protobuf")

// field is one field of a protobuf message: number, and depending on its wire
// type the integer, the four bytes as a float, or the bytes.
type field struct {
	number int
	value  uint64
	bytes  []byte
}

func (f field) float() float32 { return math.Float32frombits(uint32(f.value)) }

func (f field) bool() bool { return f.value != 0 }

// eachField walks a protobuf message (the encoding is described at
// https://protobuf.dev/programming-guides/encoding/) and stops at the first
// error. Groups, which no file of ours holds, are refused.
func eachField(message []byte, visit func(field) error) error {
	for len(message) > 0 {
		key, n := binary.Uvarint(message)
		if n <= 0 || key>>3 == 0 || key>>3 > 1<<29 {
			return errWire
		}
		message = message[n:]
		f := field{number: int(key >> 3)}
		used, err := f.read(int(key&7), message)
		if err != nil {
			return err
		}
		message = message[used:]
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}

// read fills the field from the start of b and gives the bytes used.
func (f *field) read(wireType int, b []byte) (int, error) {
	switch wireType {
	case 0:
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, errWire
		}
		f.value = v
		return n, nil
	case 1:
		if len(b) < 8 {
			return 0, errWire
		}
		f.value = binary.LittleEndian.Uint64(b)
		return 8, nil
	case 2:
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return 0, errWire
		}
		f.bytes = b[n : n+int(size)]
		return n + int(size), nil
	case 5:
		if len(b) < 4 {
			return 0, errWire
		}
		f.value = uint64(binary.LittleEndian.Uint32(b))
		return 4, nil
	}
	return 0, errWire
}
