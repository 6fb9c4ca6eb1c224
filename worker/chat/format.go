package chat

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// format is Python's str.format, for fields without a format after a colon.
func (r *run) format(text string, a arguments) (value, error) {
	f := &formatter{run: r, arguments: a}
	for text != "" {
		i := strings.IndexAny(text, "{}")
		if i < 0 {
			break
		}
		f.b.WriteString(text[:i])
		mark := text[i]
		text = text[i+1:]
		switch {
		case text != "" && text[0] == mark:
			f.b.WriteByte(mark)
			text = text[1:]
		case mark == '}':
			return nil, fmt.Errorf("single '}' encountered in format string")
		default:
			end := strings.IndexByte(text, '}')
			if end < 0 {
				return nil, fmt.Errorf("expected '}' before end of string")
			}
			if err := f.field(text[:end]); err != nil {
				return nil, err
			}
			text = text[end+1:]
		}
	}
	f.b.WriteString(text)
	return f.b.String(), r.charge(f.b.Len())
}

type formatter struct {
	run       *run
	arguments arguments
	b         strings.Builder
	// automatic counts the fields without a number; numbered tells that one had.
	automatic int
	numbered  bool
}

// field writes what a field stands for, such as `0`, `name.key!r` or nothing.
func (f *formatter) field(field string) error {
	if strings.ContainsAny(field, ":{") {
		return fmt.Errorf("the format field %s is not supported", quote(field))
	}
	field, conversion, converted := strings.Cut(field, "!")
	end := strings.IndexAny(field, ".[")
	if end < 0 {
		end = len(field)
	}
	v, err := f.named(field[:end])
	for rest := field[end:]; err == nil && rest != ""; {
		v, rest, err = f.part(v, rest)
	}
	if err != nil {
		return err
	}
	var text string
	switch {
	case !converted || conversion == "s":
		text, err = f.run.str(v)
	case conversion == "r":
		text, err = f.run.repr(v)
	default:
		err = fmt.Errorf("the format conversion %s is not supported", quote(conversion))
	}
	if err == nil {
		err = f.run.charge(len(text))
	}
	f.b.WriteString(text)
	return err
}

// named gives the argument that a field begins with.
func (f *formatter) named(name string) (value, error) {
	at, err := strconv.Atoi(name)
	switch {
	case name == "":
		if f.numbered {
			return nil, fmt.Errorf("cannot switch from manual field specification to automatic field numbering")
		}
		at = f.automatic
		f.automatic++
	case err != nil:
		for _, n := range f.arguments.named {
			if n.name == name {
				return n.value, nil
			}
		}
		return nil, fmt.Errorf("format misses the argument %s", quote(name))
	default:
		if f.automatic > 0 {
			return nil, fmt.Errorf("cannot switch from automatic field numbering to manual field specification")
		}
		f.numbered = true
	}
	if at < 0 || at >= len(f.arguments.positional) {
		return nil, fmt.Errorf("replacement index %d out of range for positional args tuple", at)
	}
	return f.arguments.positional[at], nil
}

// part follows one `.attribute` or `[item]`, and gives what comes behind.
func (f *formatter) part(v value, rest string) (value, string, error) {
	if rest[0] == '.' {
		end := strings.IndexAny(rest[1:], ".[") + 1
		if end == 0 {
			end = len(rest)
		}
		v, err := f.run.attribute(v, rest[1:end])
		return v, rest[end:], err
	}
	end := strings.IndexByte(rest, ']')
	if end < 0 {
		return nil, "", fmt.Errorf("missing ']' in format string")
	}
	var key value = rest[1:end]
	if i, err := strconv.ParseInt(rest[1:end], 10, 64); err == nil && i >= 0 {
		key = i
	}
	v, err := f.run.item(v, key)
	return v, rest[end+1:], err
}

// printf is `text % v` of Python: %s, %r, %d, %i, %f and %x, with width,
// precision and the flags - and 0.
func (r *run) printf(text string, v value) (value, error) {
	values, ok := v.(tuple)
	if !ok {
		values = tuple{v}
	}
	d, _ := v.(*dict)
	var b strings.Builder
	used := 0
	for {
		i := strings.IndexByte(text, '%')
		if i < 0 {
			break
		}
		b.WriteString(text[:i])
		spec, rest, err := readSpec(text[i+1:])
		if err != nil {
			return nil, err
		}
		text = rest
		var written string
		switch {
		case spec.verb == '%':
			written = "%"
		case spec.keyed && d == nil:
			return nil, fmt.Errorf("format requires a mapping")
		case spec.keyed:
			item, ok := d.named(spec.key)
			if !ok {
				return nil, fmt.Errorf("there is no key %s", quote(spec.key))
			}
			written, err = spec.print(r, item)
		case used >= len(values):
			return nil, fmt.Errorf("not enough arguments for format string")
		default:
			written, err = spec.print(r, values[used])
			used++
		}
		if err == nil {
			err = r.charge(len(written))
		}
		if err != nil {
			return nil, err
		}
		b.WriteString(written)
	}
	if used < len(values) && !subscriptable(v) {
		return nil, fmt.Errorf("not all arguments converted during string formatting")
	}
	b.WriteString(text)
	return b.String(), r.charge(b.Len())
}

// subscriptable tells whether Python lets printf leave a value unused, as it
// might have been asked for its keys.
func subscriptable(v value) bool {
	switch v.(type) {
	case *dict, *list, *span, *undefined:
		return true
	}
	return false
}

// spec is one conversion of printf.
type spec struct {
	key        string
	keyed      bool
	left, zero bool
	width      int
	// precision is -1 where none is given.
	precision int
	verb      byte
}

// readSpec reads a conversion behind its %.
func readSpec(text string) (spec, string, error) {
	s := spec{precision: -1}
	if strings.HasPrefix(text, "(") {
		end := strings.IndexByte(text, ')')
		if end < 0 {
			return s, "", fmt.Errorf("incomplete format key")
		}
		s.key, s.keyed, text = text[1:end], true, text[end+1:]
	}
	for text != "" && (text[0] == '-' || text[0] == '0') {
		s.left, s.zero = s.left || text[0] == '-', s.zero || text[0] == '0'
		text = text[1:]
	}
	s.width, text = readCount(text)
	if strings.HasPrefix(text, ".") {
		s.precision, text = readCount(text[1:])
	}
	if text == "" {
		return s, "", fmt.Errorf("incomplete format")
	}
	s.verb = text[0]
	return s, text[1:], nil
}

// readCount reads a number of at most three digits.
func readCount(text string) (int, string) {
	end := 0
	for end < len(text) && end < 3 && isDigit(text[end]) {
		end++
	}
	n, _ := strconv.Atoi(text[:end])
	return n, text[end:]
}

func (s spec) print(r *run, v value) (string, error) {
	var text string
	var err error
	switch s.verb {
	case 's', 'r':
		if s.verb == 's' {
			text, err = r.str(v)
		} else {
			text, err = r.repr(v)
		}
		if s.precision >= 0 {
			text = text[:byteOffset(text, int64(s.precision))]
		}
		s.zero = false
	case 'd', 'i', 'x':
		if text, err = s.integer(v); err != nil {
			return "", err
		}
	case 'f':
		f, err := toFloat(v)
		if err != nil {
			return "", err
		}
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return "", fmt.Errorf("%%f of %v is not supported", f)
		}
		precision := 6
		if s.precision >= 0 {
			precision = s.precision
		}
		text = strconv.FormatFloat(f, 'f', precision, 64)
	default:
		return "", fmt.Errorf("the format %%%c is not supported", s.verb)
	}
	return s.padded(text), err
}

func (s spec) integer(v value) (string, error) {
	if f, ok := v.(float64); ok && s.verb != 'x' {
		n, ok := truncated(f)
		if !ok {
			return "", fmt.Errorf("cannot convert float to integer")
		}
		v = n
	}
	n, ok := toBig(v)
	if !ok || s.precision >= 0 {
		return "", fmt.Errorf("%%%c format: a number is required, not %s", s.verb, typeName(v))
	}
	if s.verb == 'x' {
		return n.Text(16), nil
	}
	return n.String(), nil
}

func (s spec) padded(text string) string {
	gap := s.width - utf8.RuneCountInString(text)
	switch {
	case gap <= 0:
		return text
	case s.left:
		return text + strings.Repeat(" ", gap)
	case s.zero:
		sign := ""
		if strings.HasPrefix(text, "-") {
			sign, text = "-", text[1:]
		}
		return sign + strings.Repeat("0", gap) + text
	}
	return strings.Repeat(" ", gap) + text
}
