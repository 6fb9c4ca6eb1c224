package chat

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

var errTooDeep = errors.New("lists and dicts lie too deep in one another")

// isSpace is Python's str.isspace of one character: Unicode's white space and
// the four information separators.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// str is Python's str().
func (r *run) str(v value) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case markup:
		return string(v), nil
	case *undefined:
		return "", nil
	}
	return r.repr(v)
}

// repr is Python's repr().
func (r *run) repr(v value) (string, error) {
	p := printer{run: r}
	if err := p.print(v, 0); err != nil {
		return "", err
	}
	return p.b.String(), nil
}

type printer struct {
	run *run
	b   strings.Builder
}

func (p *printer) write(text string) error {
	p.b.WriteString(text)
	return p.run.charge(len(text))
}

func (p *printer) print(v value, depth int) error {
	if depth > maxValueDepth {
		return errTooDeep
	}
	if err := p.run.step(); err != nil {
		return err
	}
	switch v := v.(type) {
	case *list:
		return p.sequence("[", "]", v.items, depth)
	case tuple:
		if len(v) == 1 {
			return p.sequence("(", ",)", v, depth)
		}
		return p.sequence("(", ")", v, depth)
	case *dict:
		return p.dict(v, depth)
	case *view:
		items := make([]value, len(v.of.keys))
		for i := range items {
			items[i] = v.at(i)
		}
		return p.sequence(v.kind+"([", "])", items, depth)
	case *namespace:
		if err := p.write("<Namespace "); err != nil {
			return err
		}
		if err := p.dict(v.attributes, depth); err != nil {
			return err
		}
		return p.write(">")
	}
	text, err := plainRepr(v)
	if err != nil {
		return err
	}
	return p.write(text)
}

func (p *printer) sequence(open, end string, items []value, depth int) error {
	if err := p.write(open); err != nil {
		return err
	}
	for i, item := range items {
		if i > 0 {
			if err := p.write(", "); err != nil {
				return err
			}
		}
		if err := p.print(item, depth+1); err != nil {
			return err
		}
	}
	return p.write(end)
}

func (p *printer) dict(d *dict, depth int) error {
	if err := p.write("{"); err != nil {
		return err
	}
	for i, key := range d.keys {
		if i > 0 {
			if err := p.write(", "); err != nil {
				return err
			}
		}
		if err := p.print(key, depth+1); err != nil {
			return err
		}
		if err := p.write(": "); err != nil {
			return err
		}
		if err := p.print(d.values[i], depth+1); err != nil {
			return err
		}
	}
	return p.write("}")
}

// plainRepr is repr() of what holds nothing else. What Python prints with an
// address in memory is an error.
func plainRepr(v value) (string, error) {
	switch v := v.(type) {
	case nil:
		return "None", nil
	case bool:
		if v {
			return "True", nil
		}
		return "False", nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case *big.Int:
		return v.String(), nil
	case float64:
		return formatFloat(v), nil
	case string:
		return quote(v), nil
	case markup:
		return "Markup(" + quote(string(v)) + ")", nil
	case *undefined:
		return "Undefined", nil
	case *span:
		if v.step == 1 {
			return fmt.Sprintf("range(%d, %d)", v.start, v.stop), nil
		}
		return fmt.Sprintf("range(%d, %d, %d)", v.start, v.stop, v.step), nil
	case *macro:
		return "<Macro " + quote(v.name) + ">", nil
	case *loop:
		size, err := v.size()
		return fmt.Sprintf("<LoopContext %d/%d>", v.index0+1, size), err
	}
	return "", fmt.Errorf("printing a %s is not supported", typeName(v))
}

// formatFloat is repr() of a float: the shortest digits that mean it, with an
// exponent below 1e-4 and from 1e16 on.
func formatFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// quote is repr() of a string.
func quote(s string) string {
	mark := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		mark = '"'
	}
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte(mark)
	for _, c := range s {
		switch {
		case c == rune(mark) || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, c)
		case c <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			fmt.Fprintf(&b, `\U%08x`, c)
		}
	}
	b.WriteByte(mark)
	return b.String()
}

// isASCII tells whether each character of a text is one byte.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
