package chat

import (
	"fmt"
	"slices"
	"strings"
)

// ownAttribute gives what a value has under a name by itself, which are mostly
// methods. What would change a list or dict is undefined, as in the sandbox.
func ownAttribute(v value, name string) (value, bool, error) {
	if strings.HasPrefix(name, "__") && strings.HasSuffix(name, "__") {
		return unsafe(v, name), true, nil
	}
	switch v := v.(type) {
	case *namespace:
		found, ok := v.attributes.named(name)
		return found, ok, nil
	case *loop:
		return v.attribute(name)
	case *macro:
		found, ok := v.attribute(name)
		return found, ok, nil
	case string, markup:
		return textMethod(v, name)
	case *dict:
		return dictMethod(v, name)
	case *list, tuple, *span:
		return sequenceMethod(v, name)
	}
	if slices.Contains(refusedAttributes[typeName(v)], name) {
		return nil, false, fmt.Errorf("%s.%s is not supported", typeName(v), name)
	}
	return nil, false, nil
}

func unsafe(v value, name string) *undefined {
	return &undefined{hint: fmt.Sprintf("access to attribute %s of '%s' object is unsafe.", quote(name), typeName(v))}
}

var intAttributes = []string{"as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator", "from_bytes", "imag", "numerator", "real", "to_bytes"}

// refusedAttributes are what Python's types have besides.
var refusedAttributes = map[string][]string{
	"int":         intAttributes,
	"bool":        intAttributes,
	"float":       {"as_integer_ratio", "conjugate", "fromhex", "hex", "imag", "is_integer", "real"},
	"dict_keys":   {"isdisjoint", "mapping"},
	"dict_values": {"mapping"},
	"dict_items":  {"isdisjoint", "mapping"},
	"generator":   {"close", "send", "throw"},
}

// methodOf makes a function of a method.
func methodOf(name string, s signature, of func(r *run, a []value) (value, error)) *function {
	return &function{name: name, call: func(r *run, a arguments) (value, error) {
		bound, err := s.bind(name, a)
		if err != nil {
			return nil, err
		}
		return of(r, bound)
	}}
}

func dictMethod(d *dict, name string) (value, bool, error) {
	switch name {
	case "keys", "values", "items":
		return methodOf(name, signature{}, func(*run, []value) (value, error) {
			return &view{"dict_" + name, d}, nil
		}), true, nil
	case "copy":
		return methodOf(name, signature{}, func(r *run, _ []value) (value, error) { return copyDict(r, d) }), true, nil
	case "get":
		return methodOf(name, signature{1, []string{"", ""}}, func(r *run, a []value) (value, error) {
			v, ok, err := d.get(r, a[0])
			if err != nil || ok || !given(a[1]) {
				return v, err
			}
			return a[1], nil
		}), true, nil
	case "clear", "pop", "popitem", "setdefault", "update":
		return unsafe(d, name), true, nil
	case "fromkeys":
		return nil, false, fmt.Errorf("dict.fromkeys is not supported")
	}
	return nil, false, nil
}

func copyDict(r *run, d *dict) (*dict, error) {
	c := &dict{}
	for i, key := range d.keys {
		if err := c.set(r, key, d.values[i]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func sequenceMethod(v value, name string) (value, bool, error) {
	_, isList := v.(*list)
	switch name {
	case "count":
		return methodOf(name, signature{1, []string{""}}, func(r *run, a []value) (value, error) {
			n, _, err := countItems(r, v, a[0], false)
			return n, err
		}), true, nil
	case "index":
		return methodOf(name, signature{1, []string{""}}, func(r *run, a []value) (value, error) {
			_, i, err := countItems(r, v, a[0], true)
			if err == nil && i < 0 {
				err = fmt.Errorf("the value is not in the %s", typeName(v))
			}
			return i, err
		}), true, nil
	case "copy":
		if isList {
			return methodOf(name, signature{}, func(*run, []value) (value, error) {
				return &list{v.(*list).items}, nil
			}), true, nil
		}
	case "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove":
		if isList {
			return unsafe(v, name), true, nil
		}
	case "start", "stop", "step":
		if s, ok := v.(*span); ok {
			return map[string]int64{"start": s.start, "stop": s.stop, "step": s.step}[name], true, nil
		}
	}
	return nil, false, nil
}

// countItems counts the items that equal one, and tells where the first is, -1
// for nowhere; with first it goes no further.
func countItems(r *run, v, item value, first bool) (count, index int64, err error) {
	items, err := collect(r, v)
	if err != nil {
		return 0, 0, err
	}
	index = -1
	for i, one := range items {
		same, err := r.equal(one, item)
		if err != nil {
			return 0, 0, err
		}
		if !same {
			continue
		}
		if count++; index < 0 {
			index = int64(i)
		}
		if first {
			break
		}
	}
	return count, index, nil
}
