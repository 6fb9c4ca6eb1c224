package tokenizer

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxMarks is how many marks in a row x/text puts into normal form before it
// inserts a joiner, which the reference does not.
const maxMarks = 30

// form gives the normal form of a text as the Rust library does: with the data
// of Unicode 9, so that newer characters stay as they are, and without the
// stream-safe joiners of x/text.
func form(f norm.Form) func(string) string {
	return func(text string) string {
		if ascii(text) {
			return text
		}
		var out strings.Builder
		for text != "" {
			end, marks := segment(text)
			if marks < maxMarks {
				out.WriteString(f.String(text[:end]))
			} else {
				out.WriteString(longForm(f, text[:end]))
			}
			text = text[end:]
			if text != "" {
				_, size := utf8.DecodeRuneInString(text)
				out.WriteString(text[:size])
				text = text[size:]
			}
		}
		return out.String()
	}
}

// segment gives where the first character newer than Unicode 9 stands, and the
// longest row of marks before it. Normal forms never reach across such a
// character.
func segment(text string) (end, marks int) {
	row := 0
	for i, r := range text {
		if r < 0x300 {
			row = 0
			continue
		}
		if unicode.Is(formsSince9, r) {
			return i, marks
		}
		// Decompositions may begin or end with marks; counting every
		// combining character is on the safe side of the limit.
		if unicode.IsMark(r) || norm.NFKD.PropertiesString(text[i:]).CCC() != 0 {
			row += 3
			marks = max(marks, row)
		} else {
			row = 0
		}
	}
	return len(text), marks
}

func ascii(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// longForm is the algorithm of Unicode's annex 15 for texts with long rows of
// marks.
func longForm(f norm.Form, text string) string {
	compatible := norm.NFD
	if f == norm.NFKC || f == norm.NFKD {
		compatible = norm.NFKD
	}
	var runes []rune
	for _, r := range text {
		// One character is never longer than the limit.
		runes = append(runes, []rune(compatible.String(string(r)))...)
	}
	order(runes)
	if f == norm.NFC || f == norm.NFKC {
		runes = compose(runes)
	}
	return string(runes)
}

func combiningClass(r rune) uint8 { return norm.NFD.PropertiesString(string(r)).CCC() }

// order sorts each row of marks by combining class, equal ones as they stood.
func order(runes []rune) {
	for start := 0; start < len(runes); start++ {
		end := start
		for end < len(runes) && combiningClass(runes[end]) != 0 {
			end++
		}
		slices.SortStableFunc(runes[start:end], func(a, b rune) int {
			return int(combiningClass(a)) - int(combiningClass(b))
		})
		start = end
	}
}

// compose joins each starter with the marks and starters behind it that nothing
// blocks.
func compose(runes []rune) []rune {
	out := runes[:0]
	starter := -1
	last := uint8(0)
	for _, r := range runes {
		class := combiningClass(r)
		adjacent := starter == len(out)-1
		if starter >= 0 && (adjacent || last < class) {
			if c, ok := pair(out[starter], r); ok {
				out[starter] = c
				continue
			}
		}
		if class == 0 {
			starter = len(out)
		}
		last = class
		out = append(out, r)
	}
	return out
}

// pair asks x/text for the composition of two characters.
func pair(a, b rune) (rune, bool) {
	if b < 0x300 {
		return 0, false
	}
	s := norm.NFC.String(string([]rune{a, b}))
	c, size := utf8.DecodeRuneInString(s)
	return c, size == len(s)
}
