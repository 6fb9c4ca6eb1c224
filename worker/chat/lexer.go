package chat

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// lexer cuts a template into tokens as jinja2's does with trim_blocks and
// lstrip_blocks: a tag that stands alone on its line leaves no trace of it.
type lexer struct {
	source string
	pos    int
	line   int
	// lineStart tells that what was read last ended with a line break.
	lineStart bool
	// open are the brackets that are still to be closed in a tag.
	open   []byte
	tokens []token
}

// tokenize gives the tokens of a template, with kindEnd as the last.
func tokenize(source string) ([]token, error) {
	source = strings.ReplaceAll(strings.ReplaceAll(source, "\r\n", "\n"), "\r", "\n")
	l := &lexer{source: strings.TrimSuffix(source, "\n"), line: 1, lineStart: true}
	for l.pos < len(l.source) {
		if err := l.root(); err != nil {
			return nil, err
		}
	}
	l.emit(kindEnd, "")
	return l.tokens, nil
}

func (l *lexer) emit(k kind, text string) {
	l.tokens = append(l.tokens, token{kind: k, text: text, line: l.line})
}

// advance goes on by n bytes and counts their lines.
func (l *lexer) advance(n int) {
	text := l.source[l.pos : l.pos+n]
	l.line += strings.Count(text, "\n")
	l.lineStart = strings.HasSuffix(text, "\n")
	l.pos += n
}

// root reads text up to the next tag, and the tag.
func (l *lexer) root() error {
	rest := l.source[l.pos:]
	begin := -1
	for i := 0; i+1 < len(rest); i++ {
		if rest[i] == '{' && (rest[i+1] == '%' || rest[i+1] == '{' || rest[i+1] == '#') {
			begin = i
			break
		}
	}
	if begin < 0 {
		l.emit(kindData, rest)
		l.advance(len(rest))
		return nil
	}
	tag, sign := rest[begin+1], signOf(rest[begin+2:])
	l.data(rest[:begin], sign, tag != '{')
	l.advance(begin)
	if end := rawBegin(l.source[l.pos:]); end > 0 {
		l.advance(end)
		return l.raw()
	}
	begun := l.line
	size := 2 + len(sign)
	switch tag {
	case '#':
		l.advance(size)
		return l.comment(begun)
	case '%':
		l.emit(kindBlockBegin, "")
		l.advance(size)
		return l.tag("%}", kindBlockEnd)
	}
	l.emit(kindVariableBegin, "")
	l.advance(size)
	return l.tag("}}", kindVariableEnd)
}

// signOf is the white space control at the head of a tag's inside.
func signOf(text string) string {
	if text != "" && (text[0] == '-' || text[0] == '+') {
		return text[:1]
	}
	return ""
}

// data emits the text before a tag, without what the tag takes from it. It
// does not advance.
func (l *lexer) data(text, sign string, lstrip bool) {
	switch {
	case sign == "-":
		text = strings.TrimRightFunc(text, isSpace)
	case sign != "+" && lstrip:
		head := strings.LastIndexByte(text, '\n') + 1
		if (head > 0 || l.lineStart) && strings.TrimLeftFunc(text[head:], isSpace) == "" {
			text = text[:head]
		}
	}
	if text != "" {
		l.emit(kindData, text)
	}
}

// rawBegin is the length of a {% raw %} tag at the head of text, 0 without.
func rawBegin(text string) int {
	inside, ok := strings.CutPrefix(text, "{%")
	if !ok {
		return 0
	}
	inside = strings.TrimLeftFunc(inside[len(signOf(inside)):], isSpace)
	inside, ok = strings.CutPrefix(inside, "raw")
	if !ok {
		return 0
	}
	inside = strings.TrimLeftFunc(inside, isSpace)
	if after, ok := strings.CutPrefix(inside, "-%}"); ok {
		return len(text) - len(strings.TrimLeftFunc(after, isSpace))
	}
	if after, ok := strings.CutPrefix(inside, "%}"); ok {
		return len(text) - len(after)
	}
	return 0
}

// raw reads up to {% endraw %}.
func (l *lexer) raw() error {
	rest := l.source[l.pos:]
	for from := 0; ; {
		i := strings.Index(rest[from:], "{%")
		if i < 0 {
			return failAt(l.line, "missing end of raw directive")
		}
		begin := from + i
		from = begin + 2
		inside := rest[from:]
		sign := signOf(inside)
		inside = strings.TrimLeftFunc(inside[len(sign):], isSpace)
		inside, ok := strings.CutPrefix(inside, "endraw")
		if !ok {
			continue
		}
		inside = strings.TrimLeftFunc(inside, isSpace)
		size := blockEnd(inside, "%}", true)
		if size == 0 {
			continue
		}
		l.data(rest[:begin], sign, true)
		l.advance(len(rest) - len(inside) + size)
		return nil
	}
}

// comment reads up to the comment's end.
func (l *lexer) comment(begun int) error {
	rest := l.source[l.pos:]
	end := strings.Index(rest, "#}")
	if end < 0 {
		return failAt(begun, "missing end of comment tag")
	}
	if end > 0 && (rest[end-1] == '-' || rest[end-1] == '+') {
		end--
	}
	l.advance(end + blockEnd(rest[end:], "#}", true))
	return nil
}

// blockEnd is the length of a tag's end at the head of text, with the white
// space that it takes along, and 0 where there is none.
func blockEnd(text, mark string, plus bool) int {
	if after, ok := strings.CutPrefix(text, "-"+mark); ok {
		return len(text) - len(strings.TrimLeftFunc(after, isSpace))
	}
	if plus && strings.HasPrefix(text, "+"+mark) {
		return len(mark) + 1
	}
	after, ok := strings.CutPrefix(text, mark)
	if !ok {
		return 0
	}
	if plus {
		after = strings.TrimPrefix(after, "\n")
	}
	return len(text) - len(after)
}

// tag reads the inside of a tag and its end.
func (l *lexer) tag(mark string, end kind) error {
	l.open = l.open[:0]
	for l.pos < len(l.source) {
		rest := l.source[l.pos:]
		if len(l.open) == 0 {
			if size := blockEnd(rest, mark, end == kindBlockEnd); size > 0 {
				l.emit(end, "")
				l.advance(size)
				return nil
			}
		}
		if spaces := len(rest) - len(strings.TrimLeftFunc(rest, isSpace)); spaces > 0 {
			l.advance(spaces)
			continue
		}
		if err := l.inside(rest); err != nil {
			return err
		}
	}
	return nil
}

// inside reads one token of a tag.
func (l *lexer) inside(rest string) error {
	c, size := utf8.DecodeRuneInString(rest)
	switch {
	case c >= '0' && c <= '9':
		return l.number(rest)
	case c == '_' || unicode.IsLetter(c):
		end := strings.IndexFunc(rest, func(r rune) bool { return !isNamePart(r) })
		if end < 0 {
			end = len(rest)
		}
		l.emit(kindName, rest[:end])
		l.advance(end)
		return nil
	case c == '"' || c == '\'':
		return l.quoted(rest)
	}
	if op := operatorAt(rest); op != "" {
		return l.operator(op)
	}
	return failAt(l.line, "unexpected character %q", rest[:size])
}

func isNamePart(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Mc, r)
}

// operatorAt is the longest operator at the head of text.
func operatorAt(text string) string {
	for _, op := range []string{"//", "**", "==", "!=", ">=", "<="} {
		if strings.HasPrefix(text, op) {
			return op
		}
	}
	if strings.IndexByte("+-/*%~[](){}><=.:|,;", text[0]) >= 0 {
		return text[:1]
	}
	return ""
}

// operator emits an operator and keeps the balance of brackets.
func (l *lexer) operator(op string) error {
	switch op {
	case "(", "[", "{":
		closing := map[string]byte{"(": ')', "[": ']', "{": '}'}
		l.open = append(l.open, closing[op])
	case ")", "]", "}":
		last := len(l.open) - 1
		if last < 0 {
			return failAt(l.line, "unexpected %q", op)
		}
		if l.open[last] != op[0] {
			return failAt(l.line, "unexpected %q, expected %q", op, l.open[last:])
		}
		l.open = l.open[:last]
	}
	l.emit(kindOperator, op)
	l.advance(len(op))
	return nil
}
