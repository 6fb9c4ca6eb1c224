package tokenizer

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// joined is SentencePiece's DecodePieces over pieces as they come: they become
// text, the space symbol a space, spaces at the start go, and byte pieces become
// characters, each byte of no character a U+FFFD.
type joined struct {
	out    flow
	model  *sentencePiece
	raw    []byte
	begun  bool
	spaced bool
}

func (j *joined) write(p string, last bool) {
	s := j.model
	kind := s.kind(p)
	if kind == pieceByte {
		j.raw = append(j.raw, byteOf(p))
		whole := wholeRunes(j.raw)
		j.emit(characters(j.raw[:whole]), false)
		j.raw = append(j.raw[:0], j.raw[whole:]...)
		return
	}
	j.flush()
	start := !j.begun && !j.spaced
	text := p
	switch {
	case kind == pieceControl:
		text = ""
	case kind == pieceUnknown && p == s.unkPiece:
		text = s.unkSurface
	case kind == pieceUnknown:
	default:
		spec := s.normalizer.spec
		if start && (spec.dummyPrefix || spec.removeExtra) {
			var had bool
			text, had = strings.CutPrefix(p, spaceSymbol)
			// Without extra whitespace every space at the start goes.
			j.spaced = had && !spec.removeExtra
		}
		text = strings.ReplaceAll(text, spaceSymbol, " ")
	}
	j.emit(text, last)
}

func (j *joined) emit(text string, last bool) {
	j.begun = j.begun || text != ""
	j.out.write(text, last)
}

func (j *joined) flush() {
	j.emit(characters(j.raw), false)
	j.raw = j.raw[:0]
}

func (j *joined) end() {
	j.flush()
	j.out.end()
}

// restart begins a new text, as if nothing had come.
func (j *joined) restart() {
	j.flush()
	j.begun, j.spaced = false, false
}

// apart writes special tokens between the texts that the pieces beside them
// make, as transformers' Python tokenizers do.
type apart struct {
	joined
	special map[string]bool
	// behind follows each special token.
	behind string
}

func (a *apart) write(p string, last bool) {
	if !a.special[p] {
		a.joined.write(p, last)
		return
	}
	a.restart()
	a.out.write(p+a.behind, last)
}

func (s *sentencePiece) kind(p string) pieceType {
	if kind, ok := s.reserved[p]; ok {
		return kind
	}
	if id := s.trie.find(p); id >= 0 {
		return s.pieces[id].kind
	}
	return pieceUnknown
}

// byteToken reads "<0x41>".
func byteToken(p string) (byte, bool) {
	if len(p) != 6 || p[:3] != "<0x" || p[5] != '>' {
		return 0, false
	}
	v, err := strconv.ParseUint(p[3:5], 16, 8)
	return byte(v), err == nil
}

// byteOf reads "<0x41>"; anything else is 0.
func byteOf(p string) byte {
	v, _ := byteToken(p)
	return v
}

// characters gives bytes as text, each one that is no UTF-8 as U+FFFD.
func characters(raw []byte) string {
	if utf8.Valid(raw) {
		return string(raw)
	}
	var out strings.Builder
	for len(raw) > 0 {
		r, size := utf8.DecodeRune(raw)
		out.WriteRune(r)
		raw = raw[size:]
	}
	return out.String()
}
