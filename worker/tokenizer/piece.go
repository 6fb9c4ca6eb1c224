package tokenizer

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// join is SentencePiece's DecodePieces: pieces become text, the space symbol a
// space, spaces at the start go, and runs of byte pieces become characters.
func (s *sentencePiece) join(pieces []string) string {
	var out strings.Builder
	var raw []byte
	start := true
	spec := s.normalizer.spec
	for _, p := range pieces {
		kind := s.kind(p)
		if kind == pieceByte {
			raw = append(raw, byteOf(p))
			continue
		}
		writeBytes(&out, raw)
		raw = raw[:0]
		start = start && out.Len() == 0
		text, hadSpace := p, false
		switch {
		case kind == pieceControl:
			text = ""
		case kind == pieceUnknown && p == s.unkPiece:
			text = s.unkSurface
		case kind == pieceUnknown:
		default:
			if start && (spec.dummyPrefix || spec.removeExtra) {
				text, hadSpace = strings.CutPrefix(p, spaceSymbol)
				// Without extra whitespace every space at the start goes.
				hadSpace = hadSpace && !spec.removeExtra
			}
			text = strings.ReplaceAll(text, spaceSymbol, " ")
		}
		out.WriteString(text)
		start = start && !hadSpace
	}
	writeBytes(&out, raw)
	return out.String()
}

func (s *sentencePiece) kind(p string) pieceType {
	if kind, ok := s.reserved[p]; ok {
		return kind
	}
	if id := s.model.trie.find(p); id >= 0 {
		return s.model.kinds[id]
	}
	return pieceUnknown
}

// byteOf reads "<0x41>"; anything else is 0.
func byteOf(p string) byte {
	if len(p) != 6 {
		return 0
	}
	v, err := strconv.ParseUint(p[3:5], 16, 8)
	if err != nil {
		return 0
	}
	return byte(v)
}

// writeBytes writes bytes as text, each one that is no UTF-8 as U+FFFD.
func writeBytes(out *strings.Builder, raw []byte) {
	for len(raw) > 0 {
		r, size := utf8.DecodeRune(raw)
		out.WriteRune(r)
		raw = raw[size:]
	}
}
