package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// validText gives a text with U+FFFD for each byte of no character.
func validText(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return string([]rune(text))
}

// isLetter is \p{L} of the reference's regular expressions.
func isLetter(r rune) bool {
	if r < 0x80 {
		return r|0x20 >= 'a' && r|0x20 <= 'z'
	}
	return unicode.IsLetter(r) || r > 0x1c88 && unicode.Is(newLetters, r)
}

// isNumber is \p{N} of the reference's regular expressions.
func isNumber(r rune) bool {
	if r < 0x80 {
		return r >= '0' && r <= '9'
	}
	return unicode.IsNumber(r) || r > 0xffff && unicode.Is(newNumbers, r)
}

// isSpace is Unicode's White_Space.
func isSpace(r rune) bool {
	if r < 0x80 {
		return r == ' ' || r >= '\t' && r <= '\r'
	}
	return unicode.IsSpace(r)
}

// isMark is \p{M} of the reference's regular expressions.
func isMark(r rune) bool {
	return r >= 0x300 && (unicode.IsMark(r) || unicode.Is(newMarks, r))
}

// isWord is \w of the reference's regular expressions (crate regex).
func isWord(r rune) bool {
	if r < 0x80 {
		return isLetter(r) || isNumber(r) || r == '_'
	}
	return r == 0x200c || r == 0x200d || unicode.Is(newWords, r) ||
		unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic)
}

// isLower and isUpper leave out letters without case, which are both to the
// regular expressions that use them.
func isLower(r rune) bool {
	if r < 0x80 {
		return r >= 'a' && r <= 'z'
	}
	return unicode.Is(unicode.Ll, r) || r > 0x1c88 && unicode.Is(newLower, r)
}

func isUpper(r rune) bool {
	if r < 0x80 {
		return r >= 'A' && r <= 'Z'
	}
	return unicode.In(r, unicode.Lu, unicode.Lt) || r > 0x1c88 && unicode.Is(newUpper, r)
}

// isPunctuation is what BERT splits at: ASCII's punctuation and symbols, and
// Unicode 8's punctuation.
func isPunctuation(r rune) bool {
	if r < 0x80 {
		return r > ' ' && r < 0x7f && !isLetter(r) && !isNumber(r)
	}
	return unicode.IsPunct(r) && !unicode.Is(punctuationSince8, r) || unicode.Is(punctuationIn8, r)
}

// isControl is what BERT cleans away: Unicode 8's Cc, Cf and Co.
func isControl(r rune) bool {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return false
	case r < 0x80:
		return r < ' ' || r == 0x7f
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co) && !unicode.Is(formatSince8, r)
}

// isNonspacing is Mn of Unicode 8.
func isNonspacing(r rune) bool {
	return r >= 0x300 && (unicode.Is(unicode.Mn, r) && !unicode.Is(nonspacingSince8, r) || r == 0x1734)
}

// isCombining is M of Unicode 9.
func isCombining(r rune) bool {
	return r >= 0x300 && (unicode.IsMark(r) && !unicode.Is(marksSince9, r) || r == 0x1cf2 || r == 0x1cf3)
}

// isChinese is BERT's notion of it: the blocks of CJK ideographs, as the
// reference writes them.
func isChinese(r rune) bool {
	if r < 0x3400 {
		return false
	}
	switch {
	case r >= 0x4e00 && r <= 0x9fff, r >= 0x3400 && r <= 0x4dbf, r >= 0x20000 && r <= 0x2a6df,
		r >= 0x2a700 && r <= 0x2b73f, r >= 0x2b740 && r <= 0x2b81f, r >= 0x2b920 && r <= 0x2ceaf,
		r >= 0xf900 && r <= 0xfaff, r >= 0x2f800 && r <= 0x2fa1f:
		return true
	}
	return false
}

// lower gives a character's lower case as Rust does, one character for all but
// the dotted capital I.
func lower(out []rune, r rune) []rune {
	switch {
	case r < 0x80:
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return append(out, r)
	case r == 0x130:
		return append(out, 'i', 0x307)
	// What follows is newer than Go's tables: Unicode 16 and 17.
	case r == 0x1c89 || r == 0xa7cc || r == 0xa7ce || r == 0xa7d2 || r == 0xa7d4 || r == 0xa7da:
		return append(out, r+1)
	case r == 0xa7cb:
		return append(out, 0x264)
	case r == 0xa7dc:
		return append(out, 0x19b)
	case r >= 0x10d50 && r <= 0x10d65:
		return append(out, r+0x20)
	case r >= 0x16ea0 && r <= 0x16eb8:
		return append(out, r+0x1b)
	}
	return append(out, unicode.ToLower(r))
}
