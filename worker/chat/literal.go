package chat

import (
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	floatLiteral   = regexp.MustCompile(`^(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?[eE][+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)`)
	integerLiteral = regexp.MustCompile(`^(?:0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[\da-fA-F])+|[1-9](?:_?\d)*|0(?:_?0)*)`)
)

// number reads an integer or a float.
func (l *lexer) number(rest string) error {
	if l.pos == 0 || l.source[l.pos-1] != '.' {
		if text := floatLiteral.FindString(rest); text != "" {
			// Too large a float is infinite in Python too.
			f, _ := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
			l.literal(text, f)
			return nil
		}
	}
	text := integerLiteral.FindString(rest)
	if len(text) > maxDigits {
		return failAt(l.line, "an integer of more than %d digits", maxDigits)
	}
	n, ok := new(big.Int).SetString(strings.ReplaceAll(text, "_", ""), 0)
	if !ok {
		return failAt(l.line, "unexpected number %q", text)
	}
	l.literal(text, fromBig(n))
	return nil
}

func (l *lexer) literal(text string, number value) {
	l.tokens = append(l.tokens, token{kind: kindNumber, number: number, text: text, line: l.line})
	l.advance(len(text))
}

// quoted reads a string.
func (l *lexer) quoted(rest string) error {
	end := 1
	for ; end < len(rest) && rest[end] != rest[0]; end++ {
		if rest[end] == '\\' {
			end++
		}
	}
	if end >= len(rest) {
		return failAt(l.line, "a string that does not end")
	}
	text, err := unescape(rest[1:end])
	if err != nil {
		return at(l.line, err)
	}
	l.emit(kindString, text)
	l.advance(end + 1)
	return nil
}

// simpleEscapes are those of one character.
var simpleEscapes = map[byte]string{
	'\n': "", '\\': "\\", '\'': "'", '"': "\"", 'a': "\a", 'b': "\b", 'f': "\f",
	'n': "\n", 'r': "\r", 't': "\t", 'v': "\v",
}

// unescape reads a string's content as Python's codec unicode-escape does, to
// which jinja2 gives it.
func unescape(text string) (string, error) {
	if strings.IndexByte(text, '\\') < 0 {
		return text, nil
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			b.WriteByte(text[i])
			i++
			continue
		}
		size, err := unescapeOne(&b, text[i+1:])
		if err != nil {
			return "", err
		}
		i += 1 + size
	}
	return b.String(), nil
}

// unescapeOne writes what an escape stands for and gives its length without
// the backslash.
func unescapeOne(b *strings.Builder, text string) (int, error) {
	c := text[0]
	if s, ok := simpleEscapes[c]; ok {
		b.WriteString(s)
		return 1, nil
	}
	switch {
	case c >= '0' && c <= '7':
		end := 1
		for end < 3 && end < len(text) && text[end] >= '0' && text[end] <= '7' {
			end++
		}
		n, err := strconv.ParseUint(text[:end], 8, 32)
		b.WriteRune(rune(n))
		return end, err
	case c == 'x' || c == 'u' || c == 'U':
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
		if len(text) < 1+digits {
			return 0, fmt.Errorf(`a \%c escape is cut short`, c)
		}
		n, err := strconv.ParseUint(text[1:1+digits], 16, 32)
		if err != nil || !utf8.ValidRune(rune(n)) {
			return 0, fmt.Errorf(`\%s is no character`, text[:1+digits])
		}
		b.WriteRune(rune(n))
		return 1 + digits, nil
	case c == 'N':
		return 0, fmt.Errorf(`the escape \N is not supported`)
	case c >= utf8.RuneSelf:
		return unescapeForeign(b, text)
	}
	b.WriteByte('\\')
	b.WriteByte(c)
	return 1, nil
}

// unescapeForeign follows jinja2 in what it does, by accident, to a backslash
// before a character beyond ASCII: the character is escaped in between, and the
// two backslashes become one.
func unescapeForeign(b *strings.Builder, text string) (int, error) {
	r, size := utf8.DecodeRuneInString(text)
	switch {
	case r <= 0xff:
		fmt.Fprintf(b, `\x%02x`, r)
	case r <= 0xffff:
		fmt.Fprintf(b, `\u%04x`, r)
	default:
		fmt.Fprintf(b, `\U%08x`, r)
	}
	return size, nil
}
