package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// fromJSON reads one JSON value; the keys of objects keep their order.
func fromJSON(raw []byte) (value, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := readJSON(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

func readJSON(d *json.Decoder, depth int) (value, error) {
	if depth > maxValueDepth {
		return nil, errTooDeep
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return readObject(d, depth)
		}
		items := []value{}
		for d.More() {
			item, err := readJSON(d, depth+1)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		_, err := d.Token()
		return &list{items}, err
	case json.Number:
		return readNumber(string(t))
	}
	return t, nil
}

func readObject(d *json.Decoder, depth int) (value, error) {
	o := &dict{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, fmt.Errorf("%v is no key", key)
		}
		v, err := readJSON(d, depth+1)
		if err != nil {
			return nil, err
		}
		o.put(textKey(name), name, v)
	}
	_, err := d.Token()
	return o, err
}

// readNumber gives an integer where there is neither a point nor an exponent.
func readNumber(text string) (value, error) {
	if !strings.ContainsAny(text, ".eE") {
		if len(text) > maxDigits {
			return nil, errLongInteger
		}
		n, ok := new(big.Int).SetString(text, 10)
		if !ok {
			return nil, fmt.Errorf("%q is no number", text)
		}
		return fromBig(n), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, err
	}
	return f, nil
}

// fromGo gives a value of Go's as a template sees it. The keys of a Go map are
// put in order.
func fromGo(v any, depth int) (value, error) {
	if depth > maxValueDepth {
		return nil, errTooDeep
	}
	switch v := v.(type) {
	case nil, bool, int64, float64:
		return v, nil
	case string:
		return strings.ToValidUTF8(v, "\uFFFD"), nil
	case int:
		return int64(v), nil
	case json.Number:
		return readNumber(string(v))
	case json.RawMessage:
		return fromJSON(v)
	case []string:
		l := &list{}
		for _, text := range v {
			l.items = append(l.items, strings.ToValidUTF8(text, "\uFFFD"))
		}
		return l, nil
	case []any:
		l := &list{}
		for _, one := range v {
			item, err := fromGo(one, depth+1)
			if err != nil {
				return nil, err
			}
			l.items = append(l.items, item)
		}
		return l, nil
	case map[string]any:
		d := &dict{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			item, err := fromGo(v[key], depth+1)
			if err != nil {
				return nil, err
			}
			d.put(textKey(key), key, item)
		}
		return d, nil
	}
	return nil, fmt.Errorf("a template can't be given a %T", v)
}

// jsonStyle are the arguments of the filter tojson.
type jsonStyle struct {
	ascii, sorted bool
	// indent is put before each line as often as it is deep; lines is false
	// for everything on one line.
	indent string
	lines  bool
	// item and key are what separates items, and keys from their values.
	item, key string
}

// jsonWriter writes as Python's json.dumps does.
type jsonWriter struct {
	printer
	style jsonStyle
}

func (w *jsonWriter) value(v value, depth int) error {
	if depth > maxValueDepth {
		return errTooDeep
	}
	if err := w.run.step(); err != nil {
		return err
	}
	switch v := v.(type) {
	case string, markup:
		text, _ := textOf(v)
		return w.text(text)
	case *list:
		return w.array(v.items, depth)
	case tuple:
		return w.array(v, depth)
	case *dict:
		return w.object(v, depth)
	}
	text, ok := jsonPlain(v)
	if !ok {
		return fmt.Errorf("Object of type %s is not JSON serializable", typeName(v))
	}
	return w.write(text)
}

// jsonPlain is JSON of None, bools and numbers, as Python has it.
func jsonPlain(v value) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "null", true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case *big.Int:
		return v.String(), true
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN", true
		case math.IsInf(v, 1):
			return "Infinity", true
		case math.IsInf(v, -1):
			return "-Infinity", true
		}
		return formatFloat(v), true
	}
	return "", false
}

// line begins a line, where there are any.
func (w *jsonWriter) line(depth int) error {
	if !w.style.lines {
		return nil
	}
	if err := w.run.charge(depth * len(w.style.indent)); err != nil {
		return err
	}
	return w.write("\n" + strings.Repeat(w.style.indent, depth))
}

func (w *jsonWriter) array(items []value, depth int) error {
	if len(items) == 0 {
		return w.write("[]")
	}
	if err := w.write("["); err != nil {
		return err
	}
	for i, item := range items {
		if err := w.between(i, depth); err != nil {
			return err
		}
		if err := w.value(item, depth+1); err != nil {
			return err
		}
	}
	if err := w.line(depth); err != nil {
		return err
	}
	return w.write("]")
}

// between separates the i-th item from the one before it.
func (w *jsonWriter) between(i, depth int) error {
	if i > 0 {
		if err := w.write(w.style.item); err != nil {
			return err
		}
	}
	return w.line(depth + 1)
}

func (w *jsonWriter) object(d *dict, depth int) error {
	if len(d.keys) == 0 {
		return w.write("{}")
	}
	order := make([]int, len(d.keys))
	for i := range order {
		order[i] = i
	}
	if w.style.sorted {
		if err := w.run.sortBy(order, d.keys, false); err != nil {
			return err
		}
	}
	if err := w.write("{"); err != nil {
		return err
	}
	for i, at := range order {
		if err := w.between(i, depth); err != nil {
			return err
		}
		if err := w.objectKey(d.keys[at]); err != nil {
			return err
		}
		if err := w.write(w.style.key); err != nil {
			return err
		}
		if err := w.value(d.values[at], depth+1); err != nil {
			return err
		}
	}
	if err := w.line(depth); err != nil {
		return err
	}
	return w.write("}")
}

func (w *jsonWriter) objectKey(key value) error {
	text, ok := textOf(key)
	if !ok {
		if text, ok = jsonPlain(key); !ok {
			return fmt.Errorf("keys must be str, int, float, bool or None, not %s", typeName(key))
		}
	}
	return w.text(text)
}

var jsonEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\f': `\f`, '\b': `\b`}

func (w *jsonWriter) text(text string) error {
	if err := w.run.charge(len(text)); err != nil {
		return err
	}
	w.b.WriteByte('"')
	for _, c := range text {
		escape, ok := jsonEscapes[c]
		switch {
		case ok:
			w.b.WriteString(escape)
		case c < 0x20 || w.style.ascii && c > 0x7e && c <= 0xffff:
			fmt.Fprintf(&w.b, `\u%04x`, c)
		case w.style.ascii && c > 0xffff:
			fmt.Fprintf(&w.b, `\u%04x\u%04x`, 0xd800+(c-0x10000)>>10, 0xdc00+(c-0x10000)&0x3ff)
		default:
			w.b.WriteRune(c)
		}
	}
	w.b.WriteByte('"')
	return nil
}
