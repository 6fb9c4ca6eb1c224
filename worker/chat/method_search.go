package chat

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// window gives the part of a text between the characters start and end, and
// where in the text it begins; ok is false where start lies behind the text.
func window(s string, start, end value) (part string, from int, ok bool, err error) {
	size := int64(utf8.RuneCountInString(s))
	bounds := [2]int64{0, size}
	for i, v := range []value{start, end} {
		if !given(v) || v == nil {
			continue
		}
		n, isInt := toInt(v)
		if !isInt {
			return "", 0, false, fmt.Errorf("slice indices must be integers or None")
		}
		if n < 0 {
			n = max(0, n+size)
		}
		bounds[i] = n
	}
	bounds[1] = min(bounds[1], size)
	if bounds[0] > bounds[1] {
		return "", 0, false, nil
	}
	return s[byteOffset(s, bounds[0]):byteOffset(s, bounds[1])], int(bounds[0]), true, nil
}

// byteOffset is where the n-th character begins.
func byteOffset(s string, n int64) int {
	at := 0
	for ; n > 0 && at < len(s); n-- {
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return at
}

func find(s string, a []value, index func(s, sub string) int, must bool) (value, error) {
	sub, err := textArgument(a[0])
	if err != nil {
		return nil, err
	}
	part, from, ok, err := window(s, a[1], a[2])
	if err != nil {
		return nil, err
	}
	at := -1
	if ok {
		at = index(part, sub)
	}
	switch {
	case at >= 0:
		return int64(from + utf8.RuneCountInString(part[:at])), nil
	case must:
		return nil, fmt.Errorf("substring not found")
	}
	return int64(-1), nil
}

func countMethod(_ *run, s string, a []value) (value, error) {
	sub, err := textArgument(a[0])
	if err != nil {
		return nil, err
	}
	part, _, ok, err := window(s, a[1], a[2])
	if err != nil || !ok {
		return int64(0), err
	}
	return int64(strings.Count(part, sub)), nil
}

// affixed tells whether a text begins or ends with one, or one of several.
func affixed(s string, a []value, has func(s, affix string) bool) (value, error) {
	affixes := []value{a[0]}
	if several, ok := a[0].(tuple); ok {
		affixes = several
	}
	part, _, ok, err := window(s, a[1], a[2])
	if err != nil {
		return nil, err
	}
	for _, v := range affixes {
		affix, err := textArgument(v)
		if err != nil {
			return nil, err
		}
		if ok && has(part, affix) {
			return true, nil
		}
	}
	return false, nil
}

func split(r *run, s string, a []value, fromRight bool) (value, error) {
	most, err := intArgument(a[1], -1)
	if err != nil {
		return nil, err
	}
	most = min(most, int64(len(s)))
	if most < 0 {
		most = int64(len(s)) + 1
	}
	var parts []string
	if !given(a[0]) || a[0] == nil {
		parts = splitSpace(s, int(most), fromRight)
	} else {
		sep, err := textArgument(a[0])
		if err != nil {
			return nil, err
		}
		if sep == "" {
			return nil, fmt.Errorf("empty separator")
		}
		parts = splitAt(s, sep, int(most), fromRight)
	}
	return texts(r, parts)
}

// texts makes a list of texts.
func texts(r *run, parts []string) (value, error) {
	if err := r.chargeItems(len(parts)); err != nil {
		return nil, err
	}
	items := make([]value, len(parts))
	for i, part := range parts {
		items[i] = part
	}
	return &list{items}, r.stepBy(len(parts))
}

func splitAt(s, sep string, most int, fromRight bool) []string {
	if !fromRight {
		return strings.SplitN(s, sep, most+1)
	}
	var parts []string
	for ; most > 0; most-- {
		i := strings.LastIndex(s, sep)
		if i < 0 {
			break
		}
		parts = append(parts, s[i+len(sep):])
		s = s[:i]
	}
	parts = append(parts, s)
	slices.Reverse(parts)
	return parts
}

// splitSpace splits at runs of white space; what is left when enough was split
// keeps its inner white space.
func splitSpace(s string, most int, fromRight bool) []string {
	var parts []string
	if fromRight {
		for s = strings.TrimRightFunc(s, isSpace); s != ""; s = strings.TrimRightFunc(s, isSpace) {
			i := strings.LastIndexFunc(s, isSpace)
			if i < 0 || len(parts) == most {
				parts = append(parts, s)
				break
			}
			_, size := utf8.DecodeRuneInString(s[i:])
			parts = append(parts, s[i+size:])
			s = s[:i]
		}
		slices.Reverse(parts)
		return parts
	}
	for s = strings.TrimLeftFunc(s, isSpace); s != ""; s = strings.TrimLeftFunc(s, isSpace) {
		i := strings.IndexFunc(s, isSpace)
		if i < 0 || len(parts) == most {
			parts = append(parts, s)
			break
		}
		parts = append(parts, s[:i])
		s = s[i:]
	}
	return parts
}

func splitLinesMethod(r *run, s string, a []value) (value, error) {
	return texts(r, splitLines(s, given(a[0]) && truth(a[0])))
}

// splitLines splits at what Python takes for a line's end.
func splitLines(s string, keep bool) []string {
	var lines []string
	for s != "" {
		end := strings.IndexFunc(s, isLineEnd)
		if end < 0 {
			return append(lines, s)
		}
		_, size := utf8.DecodeRuneInString(s[end:])
		if strings.HasPrefix(s[end:], "\r\n") {
			size = 2
		}
		if keep {
			lines = append(lines, s[:end+size])
		} else {
			lines = append(lines, s[:end])
		}
		s = s[end+size:]
	}
	return lines
}

func isLineEnd(r rune) bool {
	return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
}

// padSide is where pad puts what is missing.
type padSide int

const (
	padLeft padSide = iota
	padRight
	padBoth
)

// pad fills a text up to a width.
func pad(r *run, s string, a []value, side padSide) (value, error) {
	width, err := intArgument(a[0], 0)
	if err != nil {
		return nil, err
	}
	fill := " "
	if given(a[1]) {
		if fill, err = textArgument(a[1]); err != nil {
			return nil, err
		}
		if utf8.RuneCountInString(fill) != 1 {
			return nil, fmt.Errorf("the fill character must be exactly one character long")
		}
	}
	gap := width - int64(utf8.RuneCountInString(s))
	if gap <= 0 {
		return s, nil
	}
	if gap > maxMemory/4 {
		return nil, r.charge(maxMemory + 1)
	}
	if err := r.charge(int(gap) * len(fill)); err != nil {
		return nil, err
	}
	left := gap
	switch side {
	case padRight:
		left = 0
	case padBoth:
		// Where the gap is odd Python leaves the greater half to the side
		// that its width decides.
		left = gap/2 + gap&width&1
	}
	return strings.Repeat(fill, int(left)) + s + strings.Repeat(fill, int(gap-left)), nil
}

func zeroFill(r *run, s string, a []value) (value, error) {
	sign := ""
	if s != "" && (s[0] == '+' || s[0] == '-') {
		sign, s = s[:1], s[1:]
	}
	width, err := intArgument(a[0], 0)
	if err != nil {
		return nil, err
	}
	filled, err := pad(r, s, []value{width - int64(len(sign)), "0"}, padLeft)
	if err != nil {
		return nil, err
	}
	return sign + filled.(string), nil
}
