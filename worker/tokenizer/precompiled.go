package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxCluster is the size in bytes from which the Rust library takes a cluster
// apart before it looks it up.
const maxCluster = 6

// replaceAll normalizes as the Rust library's Precompiled does: a short cluster
// of characters that a rule's key begins is replaced whole, by the rule with
// the shortest key; else each character for itself.
func (m *charsmap) replaceAll(text string) string {
	if m == nil {
		return text
	}
	var out strings.Builder
	out.Grow(len(text))
	for text != "" {
		if n := m.plainRun(text); n > 0 {
			out.WriteString(text[:n])
			text = text[n:]
			continue
		}
		size := cluster(text)
		if size < maxCluster {
			if replacement, ok := m.shortest(text[:size]); ok {
				out.Write(replacement)
				text = text[size:]
				continue
			}
		}
		for _, r := range text[:size] {
			width := utf8.RuneLen(r)
			if replacement, ok := m.shortest(text[:width]); ok {
				out.Write(replacement)
			} else {
				out.WriteString(text[:width])
			}
			text = text[width:]
		}
	}
	return out.String()
}

// plainRun gives how many characters at the start of a text are their own
// clusters and begin no rule. The character before one that is not ASCII may
// belong to it.
func (m *charsmap) plainRun(text string) int {
	n := 0
	for n < len(text) && m.plain[text[n]] {
		n++
	}
	if n < len(text) && n > 0 && text[n] >= utf8.RuneSelf {
		n--
	}
	return n
}

// cluster gives the size of the grapheme cluster at the start of a valid text
// (Unicode's annex 29), exact where it is below maxCluster. Longer ones may be
// cut: they are taken apart anyway.
func cluster(text string) int {
	r, size := utf8.DecodeRuneInString(text)
	if size == len(text) {
		return size
	}
	if r < 0x80 && text[size] < 0x80 {
		if r == '\r' && text[size] == '\n' {
			return 2
		}
		return size
	}
	for size < len(text) && size < maxCluster {
		next, width := utf8.DecodeRuneInString(text[size:])
		if breaks(r) || !extends(next) && (!prepends(r) || breaks(next)) {
			break
		}
		r, size = next, size+width
	}
	return size
}

// breaks tells control characters, which stand alone.
func breaks(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029:
		return true
	case r == 0x200c, r == 0x200d, prepends(r), r >= 0xe0020 && r <= 0xe007f:
		return false
	}
	return unicode.Is(unicode.Cf, r)
}

// extends tells Extend, ZWJ and SpacingMark.
func extends(r rune) bool {
	switch {
	case r < 0x300:
		return false
	case r == 0x200c, r == 0x200d, r == 0xff9e, r == 0xff9f, r == 0xe33, r == 0xeb3,
		r >= 0x1f3fb && r <= 0x1f3ff, r >= 0xe0020 && r <= 0xe007f:
		return true
	}
	return isMark(r) && !unicode.Is(notSpacing, r)
}

// notSpacing are the spacing combining marks that extend no cluster.
var notSpacing = &unicode.RangeTable{R16: []unicode.Range16{
	{0x102b, 0x102c, 1}, {0x1038, 0x1038, 1}, {0x1062, 0x1064, 1}, {0x1067, 0x106d, 1}, {0x1083, 0x1083, 1},
	{0x1087, 0x108c, 1}, {0x108f, 0x108f, 1}, {0x109a, 0x109c, 1}, {0x1a61, 0x1a61, 1}, {0x1a63, 0x1a64, 1},
	{0xaa7b, 0xaa7b, 1}, {0xaa7d, 0xaa7d, 1},
}, R32: []unicode.Range32{{0x11720, 0x11721, 1}}}

// prepends tells Prepended_Concatenation_Mark, as far as a cluster with one can
// stay below maxCluster.
func prepends(r rune) bool {
	return r >= 0x600 && (r <= 0x605 || r == 0x6dd || r == 0x70f || r == 0x890 || r == 0x891 || r == 0x8e2 || r == 0xd4e)
}

// shortest finds the rule with the shortest key that text begins with.
func (m *charsmap) shortest(text string) (replacement []byte, ok bool) {
	at := offset(m.units[0])
	for i := 0; i < len(text) && text[i] != 0; i++ {
		at ^= uint32(text[i])
		if uint64(at) >= uint64(len(m.units)) {
			return nil, false
		}
		unit := m.units[at]
		if unit&(1<<31|0xFF) != uint32(text[i]) {
			return nil, false
		}
		at ^= offset(unit)
		if unit>>8&1 == 1 && uint64(at) < uint64(len(m.units)) {
			return m.replacement(int(m.units[at] & (1<<31 - 1)))
		}
	}
	return nil, false
}

func (m *charsmap) replacement(at int) ([]byte, bool) {
	if at >= len(m.replacements) {
		return nil, false
	}
	return untilNUL(m.replacements[at:]), true
}
