package tokenizer

import "unicode/utf8"

// Expressions that some tokenizers don't write down.
var (
	spaceExpression = `\s+`
	clipExpression  = `'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`
	// Qwen 2, one digit a token.
	qwen2Expression = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// knownPatterns are the expressions of well-known models.
var knownPatterns = map[string]pattern{
	spaceExpression: runs(isSpace),
	`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`: scanner(scanGPT2),
	clipExpression:  scanner(scanCLIP),
	qwen2Expression: scanner(scanQwen2),
	// Llama 3, up to three digits a token.
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`: scanner(scanLlama3),
	// GPT-4o.
	`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`: scanner(scanO200k),
}

// decode reads a character; past the end it gives -1, which is in no class.
func decode(text string, at int) (rune, int) {
	if at >= len(text) {
		return -1, 0
	}
	if c := text[at]; c < utf8.RuneSelf {
		return rune(c), 1
	}
	return utf8.DecodeRuneInString(text[at:])
}

// skip gives where a row of characters of a class ends.
func skip(text string, at int, is func(rune) bool) int {
	for at < len(text) {
		r, size := decode(text, at)
		if !is(r) {
			break
		}
		at += size
	}
	return at
}

func isOther(r rune) bool { return r >= 0 && !isSpace(r) && !isLetter(r) && !isNumber(r) }

// contraction gives the end of an English contraction ('s, 're) at a byte, or
// that byte. The long s is an s where case does not matter.
func contraction(text string, at int, anyCase bool) int {
	if at+1 >= len(text) || text[at] != '\'' {
		return at
	}
	fold := func(i int) byte {
		switch {
		case i >= len(text):
			return 0
		case anyCase && text[i] >= 'A' && text[i] <= 'Z':
			return text[i] + 'a' - 'A'
		}
		return text[i]
	}
	switch fold(at + 1) {
	case 's', 't', 'm', 'd':
		return at + 2
	case 'r', 'v':
		if fold(at+2) == 'e' {
			return at + 3
		}
	case 'l':
		if fold(at+2) == 'l' {
			return at + 3
		}
	case 0xc5:
		if anyCase && at+2 < len(text) && text[at+2] == 0xbf {
			return at + 3
		}
	}
	return at
}

// spaces gives the end of a row of spaces that is left to the word behind it:
// \s+(?!\S)|\s+.
func spaces(text string, at int) int {
	end := skip(text, at, isSpace)
	if end == len(text) {
		return end
	}
	_, last := utf8.DecodeLastRuneInString(text[:end])
	if end-last > at {
		return end - last
	}
	return end
}

func scanGPT2(text string, at int) int {
	if end := contraction(text, at, false); end > at {
		return end
	}
	r, size := decode(text, at)
	start := at
	if r == ' ' {
		if next, width := decode(text, at+1); next >= 0 && !isSpace(next) {
			start, r, size = at+1, next, width
		}
	}
	switch {
	case isLetter(r):
		return skip(text, start+size, isLetter)
	case isNumber(r):
		return skip(text, start+size, isNumber)
	case isSpace(r):
		return spaces(text, at)
	}
	return skip(text, start+size, isOther)
}

func scanCLIP(text string, at int) int {
	if end := contraction(text, at, false); end > at {
		return end
	}
	r, size := decode(text, at)
	switch {
	case isLetter(r):
		return skip(text, at+size, isLetter)
	case isNumber(r):
		return at + size
	case isSpace(r):
		return at
	}
	return skip(text, at+size, isOther)
}

func scanQwen2(text string, at int) int { return scanCL100K(text, at, 1) }

func scanLlama3(text string, at int) int { return scanCL100K(text, at, 3) }

func isBreak(r rune) bool { return r == '\r' || r == '\n' }

// scanCL100K is the expression of OpenAI's cl100k_base and of what came after
// it, with the given count of digits a token.
func scanCL100K(text string, at, digits int) int {
	if end := contraction(text, at, true); end > at {
		return end
	}
	r, size := decode(text, at)
	if isLetter(r) {
		return skip(text, at+size, isLetter)
	}
	if isNumber(r) {
		return numbers(text, at, digits)
	}
	if next, width := decode(text, at+size); !isBreak(r) && isLetter(next) {
		return skip(text, at+size+width, isLetter)
	}
	if end := others(text, at, isBreak); end > at {
		return end
	}
	return blank(text, at)
}

func numbers(text string, at, digits int) int {
	for ; digits > 0; digits-- {
		r, size := decode(text, at)
		if !isNumber(r) {
			break
		}
		at += size
	}
	return at
}

// others is " ?[^\s\p{L}\p{N}]+" with a row of characters behind it.
func others(text string, at int, behind func(rune) bool) int {
	start := at
	if text[at] == ' ' {
		start++
	}
	end := skip(text, start, isOther)
	if end == start {
		return at
	}
	return skip(text, end, behind)
}

// blank is "\s*[\r\n]+|\s+(?!\S)|\s+": up to the last line break of a row of
// spaces, else the row less what the next word takes.
func blank(text string, at int) int {
	end := skip(text, at, isSpace)
	for i := end; i > at; i-- {
		if text[i-1] == '\n' || text[i-1] == '\r' {
			return i
		}
	}
	return spaces(text, at)
}

// scanO200k is the expression of OpenAI's o200k_base: words end where lower
// case turns to upper.
func scanO200k(text string, at int) int {
	r, size := decode(text, at)
	start := at
	if !isBreak(r) && !isLetter(r) && !isNumber(r) {
		start += size
	}
	// The character in front is optional, and a mark can be it or part of the
	// word: in the order in which the expression tries them.
	for _, word := range []func(string, int) int{lowerWord, upperWord} {
		for _, from := range []int{start, at} {
			if end := word(text, from); end > from {
				return max(end, contraction(text, end, true))
			}
		}
	}
	if isNumber(r) {
		return numbers(text, at, 3)
	}
	if end := others(text, at, func(r rune) bool { return isBreak(r) || r == '/' }); end > at {
		return end
	}
	return blank(text, at)
}

func isUpperish(r rune) bool { return isMark(r) || isLetter(r) && !isLower(r) }

func isLowerish(r rune) bool { return isMark(r) || isLetter(r) && !isUpper(r) }

// lowerWord is upper case letters and at least one of lower case. Letters
// without case and marks are both, so that the lower part may begin with what
// the upper part gives back.
func lowerWord(text string, at int) int {
	head := skip(text, at, isUpperish)
	if tail := skip(text, head, isLowerish); tail > head {
		return tail
	}
	for back := head; back > at; {
		r, size := utf8.DecodeLastRuneInString(text[at:back])
		if isLowerish(r) {
			return skip(text, back-size, isLowerish)
		}
		back -= size
	}
	return at
}

// upperWord is what lowerWord refuses: upper case letters alone.
func upperWord(text string, at int) int { return skip(text, at, isUpperish) }
