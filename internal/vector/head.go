package vector

import (
	"encoding/binary"
	"fmt"
)

// head reads that of a file, which may say anything.
type head struct {
	rest   []byte
	labels []string
	rows   uint64
}

func (h *head) number() (uint64, error) {
	n, size := binary.Uvarint(h.rest)
	if size <= 0 {
		return 0, damaged("a number is cut off")
	}
	h.rest = h.rest[size:]
	return n, nil
}

// word reads text of at least so many and at most so many bytes.
func (h *head) word(least, most int) (string, error) {
	n, err := h.number()
	if err != nil {
		return "", err
	}
	if n < uint64(least) || n > uint64(most) || n > uint64(len(h.rest)) {
		return "", damaged("a word of %d bytes", n)
	}
	s := string(h.rest[:n])
	h.rest = h.rest[n:]
	return s, nil
}

// begin reads up to the rows, and checks that they are of the model.
func (h *head) begin(cfg Config) (position string, err error) {
	var name, digest string
	for _, into := range []*string{&name, &digest, &position} {
		if *into, err = h.word(0, maxWord); err != nil {
			return "", err
		}
	}
	dimension, err := h.number()
	if err != nil {
		return "", err
	}
	if (Model{name, digest}) != cfg.Model || dimension != uint64(cfg.Dimension) {
		return "", fmt.Errorf("%w: %q %q of %d dimensions, want %q %q of %d",
			ErrModel, name, digest, dimension, cfg.Model.Name, cfg.Model.Digest, cfg.Dimension)
	}
	if err := h.readLabels(); err != nil {
		return "", err
	}
	h.rows, err = h.number()
	return position, err
}

func (h *head) readLabels() error {
	n, err := h.number()
	if err != nil {
		return err
	}
	if n > uint64(len(h.rest)) { // each has a byte at least
		return damaged("%d labels", n)
	}
	h.labels = make([]string, 0, n)
	for i := range int(n) {
		label, err := h.word(1, MaxLabel)
		if err != nil {
			return err
		}
		if i > 0 && label <= h.labels[i-1] {
			return damaged("label %q is not in its place", label)
		}
		h.labels = append(h.labels, label)
	}
	return nil
}

// row reads the next row, whose id must be higher than the one before. which are
// the places of its labels, in the buffer given.
func (h *head) row(before string, buffer []uint32) (id string, which []uint32, err error) {
	if id, err = h.word(1, MaxID); err != nil {
		return "", nil, err
	}
	if id <= before {
		return "", nil, damaged("row %q is not in its place", id)
	}
	n, err := h.number()
	if err != nil {
		return "", nil, err
	}
	if n > MaxLabels {
		return "", nil, damaged("row %q has %d labels", id, n)
	}
	which = buffer[:0]
	for i := range int(n) {
		label, err := h.number()
		if err != nil {
			return "", nil, err
		}
		if label >= uint64(len(h.labels)) || i > 0 && uint32(label) <= which[i-1] {
			return "", nil, damaged("row %q has the label %d", id, label)
		}
		which = append(which, uint32(label))
	}
	return id, which, nil
}
