package chat

import (
	"errors"
	"fmt"
	"time"
)

// globals are the names that every template knows.
var globals = map[string]*function{
	"range":           {name: "range", call: rangeGlobal},
	"dict":            {name: "dict", call: func(r *run, a arguments) (value, error) { return newDict(r, "dict", a) }},
	"namespace":       {name: "namespace", call: namespaceGlobal},
	"raise_exception": methodOf("raise_exception", signature{1, []string{"message"}}, raise),
	"strftime_now":    methodOf("strftime_now", signature{1, []string{"format"}}, strftimeNow),
	"cycler":          refusedGlobal("cycler"),
	"joiner":          refusedGlobal("joiner"),
	"lipsum":          refusedGlobal("lipsum"),
}

func refusedGlobal(name string) *function {
	return &function{name: name, call: func(*run, arguments) (value, error) {
		return nil, fmt.Errorf("the function %q is not supported", name)
	}}
}

// maxRange is the greatest range; the sandbox has the same.
const maxRange = 100_000

func rangeGlobal(_ *run, a arguments) (value, error) {
	if len(a.named) > 0 {
		return nil, errors.New("range() takes no keyword arguments")
	}
	var n []int64
	for _, v := range a.positional {
		i, err := intArgument(v, 0)
		if err != nil {
			return nil, err
		}
		if i < -1<<40 || i > 1<<40 {
			return nil, fmt.Errorf("a range to %d is not supported", i)
		}
		n = append(n, i)
	}
	s := &span{step: 1}
	switch len(n) {
	case 1:
		s.stop = n[0]
	case 2:
		s.start, s.stop = n[0], n[1]
	case 3:
		s.start, s.stop, s.step = n[0], n[1], n[2]
	default:
		return nil, fmt.Errorf("range expected 1 to 3 arguments, got %d", len(n))
	}
	if s.step == 0 {
		return nil, errors.New("range() arg 3 must not be zero")
	}
	if s.length() > maxRange {
		return nil, fmt.Errorf("range too big: the sandbox blocks ranges larger than %d", maxRange)
	}
	return s, nil
}

// newDict makes a dict of another, of pairs, and of arguments with names.
func newDict(r *run, name string, a arguments) (*dict, error) {
	d := &dict{}
	if len(a.positional) > 1 {
		return nil, fmt.Errorf("%s expected at most 1 argument, got %d", name, len(a.positional))
	}
	if len(a.positional) == 1 {
		if err := d.fill(r, a.positional[0]); err != nil {
			return nil, err
		}
	}
	for _, n := range a.named {
		if err := d.set(r, n.name, n.value); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *dict) fill(r *run, from value) error {
	if other, ok := from.(*dict); ok {
		from = &view{"dict_items", other}
	}
	pairs, err := collect(r, from)
	if err != nil {
		return err
	}
	for _, v := range pairs {
		pair, err := collect(r, v)
		if err != nil {
			return err
		}
		if len(pair) != 2 {
			return fmt.Errorf("a dict is made of pairs; %d is required, got %d", 2, len(pair))
		}
		if err := d.set(r, pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}

func namespaceGlobal(r *run, a arguments) (value, error) {
	d, err := newDict(r, "namespace", a)
	if err != nil {
		return nil, err
	}
	n := &namespace{&dict{}}
	for i, key := range d.keys {
		name, ok := textOf(key)
		if !ok {
			return nil, fmt.Errorf("a namespace's attribute is named by a str, not %s", typeName(key))
		}
		if err := n.set(name, d.values[i]); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func raise(r *run, a []value) (value, error) {
	text, err := r.str(a[0])
	if err != nil {
		return nil, err
	}
	return nil, &Raised{Message: text}
}

func strftimeNow(r *run, a []value) (value, error) {
	format, err := textArgument(a[0])
	if err != nil {
		return nil, err
	}
	if r.now.IsZero() {
		return nil, errors.New("strftime_now was called, and no time was given")
	}
	return strftime(r.now, format)
}

// strftime writes a time as C's function of that name does, in English.
func strftime(t time.Time, format string) (string, error) {
	var out []byte
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			out = append(out, format[i])
			continue
		}
		i++
		pad := byte(0)
		if i < len(format) && (format[i] == '-' || format[i] == '_' || format[i] == '0') {
			pad = format[i]
			i++
		}
		if i >= len(format) {
			return "", fmt.Errorf("strftime_now: the format %s ends in %%", quote(format))
		}
		var err error
		if out, err = appendTime(out, t, format[i], pad); err != nil {
			return "", err
		}
	}
	return string(out), nil
}

// timeTexts are directives that Go has a layout for.
var timeTexts = map[byte]string{
	'A': "Monday", 'a': "Mon", 'B': "January", 'b': "Jan", 'h': "Jan", 'p': "PM",
	'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06", 'x': "01/02/06", 'X': "15:04:05", 'c': "Mon Jan _2 15:04:05 2006",
}

// appendTime writes one directive; pad is -, _ or 0 where the format asks for
// no padding, blanks or zeros.
func appendTime(out []byte, t time.Time, directive, pad byte) ([]byte, error) {
	if layout, ok := timeTexts[directive]; ok && pad == 0 {
		return t.AppendFormat(out, layout), nil
	}
	fill, width, n := byte('0'), 2, 0
	switch directive {
	case '%', 'n', 't', 'Z', 'z':
		// Python's clock here knows no zone.
		text := map[byte]string{'%': "%", 'n': "\n", 't': "\t"}[directive]
		return append(out, text...), nil
	case 'd':
		n = t.Day()
	case 'e':
		n, fill = t.Day(), ' '
	case 'm':
		n = int(t.Month())
	case 'Y':
		n, width = t.Year(), 1
	case 'y':
		n = t.Year() % 100
	case 'H':
		n = t.Hour()
	case 'I':
		n = (t.Hour()+11)%12 + 1
	case 'M':
		n = t.Minute()
	case 'S':
		n = t.Second()
	case 'j':
		n, width = t.YearDay(), 3
	case 'f':
		n, width = t.Nanosecond()/1000, 6
	case 'u':
		n, width = (int(t.Weekday())+6)%7+1, 1
	case 'w':
		n, width = int(t.Weekday()), 1
	default:
		return nil, fmt.Errorf("strftime_now: the directive %%%c is not supported", directive)
	}
	switch pad {
	case '-':
		width = 1
	case '_':
		fill = ' '
	case '0':
		fill = '0'
	}
	text := fmt.Sprint(n)
	for range width - len(text) {
		out = append(out, fill)
	}
	return append(out, text...), nil
}
