package graphfile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// errBroken says that the bytes are no protobuf message.
var errBroken = errors.New("malformed protobuf")

// file is a file that is read in one go, with the parts left out that nobody asks for.
type file struct {
	*bufio.Reader
	source *os.File
	// left is how many bytes of the file are unread.
	left int64
}

// message is a protobuf message (https://protobuf.dev/programming-guides/encoding/) of
// which left bytes are unread, within a file. A message may be larger than memory.
type message struct {
	file *file
	left int64
}

// field is one field: a number, or a message, string or list that is read from body
// before each returns.
type field struct {
	number int
	value  uint64
	body   *message
}

// each calls visit for every field. What visit leaves unread is skipped.
func (m *message) each(visit func(field) error) error {
	for m.left > 0 {
		key, err := m.varint()
		if err != nil {
			return err
		}
		if key>>3 == 0 || key>>3 > 1<<29-1 {
			return errBroken
		}
		f := field{number: int(key >> 3)}
		switch key & 7 {
		case 0:
			f.value, err = m.varint()
		case 1:
			err = m.skip(8)
		case 5:
			err = m.skip(4)
		case 2:
			f.body, err = m.open()
		default:
			err = errBroken
		}
		if err != nil {
			return err
		}
		if err := visit(f); err != nil {
			return err
		}
		if f.body != nil {
			if err := f.body.skip(f.body.left); err != nil {
				return err
			}
		}
	}
	return nil
}

// open begins the message inside the next field; its bytes count as read of m.
func (m *message) open() (*message, error) {
	size, err := m.varint()
	if err != nil {
		return nil, err
	}
	if size > math.MaxInt64 || int64(size) > m.left {
		return nil, fmt.Errorf("%w: a part of %d bytes where %d are left", errBroken, size, m.left)
	}
	m.left -= int64(size)
	return &message{file: m.file, left: int64(size)}, nil
}

// ReadByte implements io.ByteReader within the message.
func (m *message) ReadByte() (byte, error) {
	if m.left <= 0 {
		return 0, errBroken
	}
	m.left--
	m.file.left--
	return m.file.Reader.ReadByte()
}

func (m *message) varint() (uint64, error) {
	v, err := binary.ReadUvarint(m)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errBroken, err)
	}
	return v, nil
}

// skip passes over n bytes, by seeking where they are many.
func (m *message) skip(n int64) error {
	if n > m.left {
		return errBroken
	}
	m.left -= n
	m.file.left -= n
	if m.file.left < 0 {
		return io.ErrUnexpectedEOF
	}
	buffered := int64(m.file.Buffered())
	if n <= buffered {
		_, err := m.file.Discard(int(n))
		return err
	}
	if _, err := m.file.source.Seek(n-buffered, io.SeekCurrent); err != nil {
		return err
	}
	m.file.Reset(m.file.source)
	return nil
}

// text reads what is left as a string, of at most a few kilobytes.
func (m *message) text() (string, error) {
	const most = 4 << 10
	if m.left > most {
		return "", fmt.Errorf("%w: a name of %d bytes", errBroken, m.left)
	}
	data := make([]byte, m.left)
	if _, err := io.ReadFull(m.file, data); err != nil {
		return "", fmt.Errorf("%w: %w", errBroken, err)
	}
	m.file.left -= m.left
	m.left = 0
	return string(data), nil
}
