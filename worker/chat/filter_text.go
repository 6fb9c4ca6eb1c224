package chat

import (
	"fmt"
	"strings"
)

// textFilter makes a filter of what is done to text; other values are printed
// first.
func textFilter(of func(string) string) func(r *run, v value, _ []value) (value, error) {
	return func(r *run, v value, _ []value) (value, error) {
		text, err := r.str(v)
		if err != nil {
			return nil, err
		}
		if err := r.charge(len(text)); err != nil {
			return nil, err
		}
		return likewise(v, of(text)), nil
	}
}

// likewise marks text as safe where v is.
func likewise(v value, text string) value {
	if safeText(v) {
		return markup(text)
	}
	return text
}

func stringFilter(r *run, v value, _ []value) (value, error) {
	if _, ok := textOf(v); ok {
		return v, nil
	}
	return r.str(v)
}

func safeFilter(r *run, v value, _ []value) (value, error) {
	text, err := r.str(v)
	return markup(text), err
}

func escapeFilter(r *run, v value, _ []value) (value, error) {
	text, err := r.str(v)
	if err != nil {
		return nil, err
	}
	if err := r.charge(5 * len(text)); err != nil {
		return nil, err
	}
	return markup(escaped(v, text)), nil
}

func trimFilter(r *run, v value, a []value) (value, error) {
	text, err := r.str(v)
	if err != nil {
		return nil, err
	}
	got, err := strip(text, a[0], true, true)
	if err != nil {
		return nil, err
	}
	return likewise(v, got.(string)), nil
}

func replaceFilter(r *run, v value, a []value) (value, error) {
	var parts [3]string
	for i, part := range []value{v, a[0], a[1]} {
		text, err := r.str(part)
		if err != nil {
			return nil, err
		}
		parts[i] = text
	}
	count := int64(-1)
	if optional(a[2]) != nil {
		var err error
		if count, err = intArgument(a[2], -1); err != nil {
			return nil, err
		}
	}
	return replace(r, parts[0], parts[1], parts[2], count)
}

func formatFilter(r *run, v value, a arguments) (value, error) {
	if len(a.positional) > 0 && len(a.named) > 0 {
		return nil, fmt.Errorf("can't handle positional and keyword arguments at the same time")
	}
	text, err := r.str(v)
	if err != nil {
		return nil, err
	}
	if len(a.named) == 0 {
		return r.printf(text, tuple(a.positional))
	}
	d := &dict{}
	for _, n := range a.named {
		if err := d.set(r, n.name, n.value); err != nil {
			return nil, err
		}
	}
	return r.printf(text, d)
}

// indentFilter puts white space, or another text, before lines: before all but
// the first, and but the empty ones.
func indentFilter(r *run, v value, a []value) (value, error) {
	text, ok := textOf(v)
	if !ok {
		if u, ok := v.(*undefined); ok {
			return nil, u.err()
		}
		return nil, fmt.Errorf("indent takes a str, not %s", typeName(v))
	}
	indent := "    "
	if given(a[0]) {
		if indent, ok = textOf(a[0]); !ok {
			n, err := intArgument(a[0], 4)
			if err != nil {
				return nil, err
			}
			if n > maxOutput {
				return nil, r.charge(maxMemory + 1)
			}
			indent = strings.Repeat(" ", int(max(n, 0)))
		}
	}
	lines := splitLines(text+"\n", false)
	if err := r.charge(len(text) + 16*len(lines)); err != nil {
		return nil, err
	}
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			line = "\n" + line
			if flag(a[2]) || len(line) > 1 {
				line = "\n" + indent + line[1:]
			}
		} else if flag(a[1]) {
			line = indent + line
		}
		if err := r.charge(len(line)); err != nil {
			return nil, err
		}
		b.WriteString(line)
	}
	return likewise(v, b.String()), nil
}

func joinFilter(r *run, v value, a []value) (value, error) {
	separator := ""
	if given(a[0]) {
		var err error
		if separator, err = r.str(a[0]); err != nil {
			return nil, err
		}
	}
	next, err := iterate(r, v)
	if err != nil {
		return nil, err
	}
	get, err := r.getter(optional(a[1]), false)
	if err != nil {
		return nil, err
	}
	items, err := collect(r, &generator{mapped(next, get)})
	if err != nil {
		return nil, err
	}
	return joined(r, separator, items)
}

// tojsonFilter is the one that transformers puts in jinja2's place: nothing is
// escaped for HTML, and keys keep their order.
func tojsonFilter(r *run, v value, a []value) (value, error) {
	style := jsonStyle{ascii: flag(a[0]), sorted: flag(a[3]), item: ", ", key: ": "}
	if indent := optional(a[1]); indent != nil {
		style.lines, style.item = true, ","
		text, ok := textOf(indent)
		if !ok {
			n, err := intArgument(indent, 0)
			if err != nil {
				return nil, err
			}
			if n > maxOutput {
				return nil, r.charge(maxMemory + 1)
			}
			text = strings.Repeat(" ", int(max(n, 0)))
		}
		style.indent = text
	}
	if separators := optional(a[2]); separators != nil {
		pair, err := collect(r, separators)
		if err != nil {
			return nil, err
		}
		if len(pair) != 2 {
			return nil, fmt.Errorf("separators are two texts, not %d", len(pair))
		}
		if style.item, err = textArgument(pair[0]); err != nil {
			return nil, err
		}
		if style.key, err = textArgument(pair[1]); err != nil {
			return nil, err
		}
	}
	w := jsonWriter{printer{run: r}, style}
	if err := w.value(v, 0); err != nil {
		return nil, err
	}
	return w.b.String(), nil
}
