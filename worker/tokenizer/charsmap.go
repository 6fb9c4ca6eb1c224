package tokenizer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// charsmap is SentencePiece's precompiled normalization: a double-array trie
// (the darts-clone format, https://github.com/s-yata/darts-clone) whose values
// are offsets into a block of NUL-terminated replacements.
type charsmap struct {
	units        []uint32
	replacements []byte
	// plain are ASCII characters that no rule's key begins with.
	plain [256]bool
}

// parseCharsmap reads the blob of NormalizerSpec.precompiled_charsmap: the
// trie's size in bytes as a little-endian uint32, the trie, the replacements.
// An empty blob is the identity and gives nil.
func parseCharsmap(blob []byte) (*charsmap, error) {
	if len(blob) == 0 {
		return nil, nil
	}
	if len(blob) < 4 {
		return nil, errors.New("precompiled charsmap is cut short")
	}
	size := uint64(binary.LittleEndian.Uint32(blob))
	if size == 0 || size%4 != 0 || size > uint64(len(blob)-4) {
		return nil, errors.New("precompiled charsmap has an impossible size")
	}
	m := &charsmap{units: make([]uint32, size/4), replacements: blob[4+size:]}
	for i := range m.units {
		m.units[i] = binary.LittleEndian.Uint32(blob[4+4*i:])
	}
	for c := range utf8.RuneSelf {
		m.plain[c] = !m.begins(byte(c))
	}
	return m, nil
}

// longest finds the longest prefix of text that has a replacement. Its length
// is 0 when there is none.
func (m *charsmap) longest(text string) (replacement []byte, length int) {
	if m == nil {
		return nil, 0
	}
	value := -1
	at := offset(m.units[0])
	for i := 0; i < len(text); i++ {
		at ^= uint32(text[i])
		if uint64(at) >= uint64(len(m.units)) {
			break
		}
		unit := m.units[at]
		if unit&(1<<31|0xFF) != uint32(text[i]) {
			break
		}
		at ^= offset(unit)
		if unit>>8&1 == 1 && uint64(at) < uint64(len(m.units)) {
			value, length = int(m.units[at]&(1<<31-1)), i+1
		}
	}
	if length == 0 || value >= len(m.replacements) {
		return nil, 0
	}
	return untilNUL(m.replacements[value:]), length
}

// begins tells whether the key of a rule begins with a byte.
func (m *charsmap) begins(b byte) bool {
	at := offset(m.units[0]) ^ uint32(b)
	return uint64(at) < uint64(len(m.units)) && m.units[at]&(1<<31|0xFF) == uint32(b)
}

func untilNUL(b []byte) []byte {
	if end := bytes.IndexByte(b, 0); end >= 0 {
		return b[:end]
	}
	return b
}

// offset is where a unit's children lie, relative to the unit.
func offset(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }
