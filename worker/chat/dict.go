package chat

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// dict is Python's dict: its keys keep the order in which they came.
type dict struct {
	keys   []value
	values []value
	index  map[string]int
}

// view is what a dict's keys(), values() and items() give.
type view struct {
	// kind is dict_keys, dict_values or dict_items.
	kind string
	of   *dict
}

func (v *view) at(i int) value {
	switch v.kind {
	case "dict_keys":
		return v.of.keys[i]
	case "dict_values":
		return v.of.values[i]
	}
	return tuple{v.of.keys[i], v.of.values[i]}
}

// textKey is the hash of text: itself. All other hashes begin with a byte that
// text, which is UTF-8, does not have.
func textKey(s string) string { return s }

// put sets a key of which the hash is known.
func (d *dict) put(hash string, key, v value) {
	if i, ok := d.index[hash]; ok {
		d.values[i] = v
		return
	}
	if d.index == nil {
		d.index = map[string]int{}
	}
	d.index[hash] = len(d.keys)
	d.keys, d.values = append(d.keys, key), append(d.values, v)
}

func (d *dict) set(r *run, key, v value) error {
	hash, err := r.hash(key)
	if err != nil {
		return err
	}
	if err := r.charge(32 + len(hash)); err != nil {
		return err
	}
	d.put(hash, key, v)
	return nil
}

func (d *dict) get(r *run, key value) (value, bool, error) {
	hash, err := r.hash(key)
	if err != nil {
		return nil, false, err
	}
	v, ok := d.lookup(hash)
	return v, ok, nil
}

func (d *dict) lookup(hash string) (value, bool) {
	if i, ok := d.index[hash]; ok {
		return d.values[i], true
	}
	return nil, false
}

// named gives the value of a key that is text.
func (d *dict) named(name string) (value, bool) { return d.lookup(textKey(name)) }

// hash gives a text that equal keys have in common: 1, 1.0 and True are one.
// What can't be a key, like a list, is an error.
func (r *run) hash(v value) (string, error) { return r.hashIn(v, 0) }

func (r *run) hashIn(v value, depth int) (string, error) {
	if depth > maxValueDepth {
		return "", errTooDeep
	}
	if err := r.step(); err != nil {
		return "", err
	}
	switch v := v.(type) {
	case nil:
		return "\xffn", nil
	case bool, int64, *big.Int:
		n, _ := toBig(v)
		return "\xffi" + n.String(), nil
	case float64:
		if v == math.Trunc(v) && !math.IsInf(v, 0) {
			n, _ := big.NewFloat(v).Int(nil)
			return "\xffi" + n.String(), nil
		}
		return "\xfff" + strconv.FormatFloat(v, 'g', -1, 64), nil
	case string:
		return textKey(v), nil
	case markup:
		return textKey(string(v)), nil
	case *undefined:
		return "\xffu", nil
	case tuple:
		var b strings.Builder
		for _, item := range v {
			h, err := r.hashIn(item, depth+1)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&b, "%d:%s", len(h), h)
		}
		return "\xfft" + b.String(), r.charge(b.Len())
	case *list, *dict, *view:
		return "", fmt.Errorf("unhashable type: '%s'", typeName(v))
	case *span:
		return fmt.Sprintf("\xffr%d,%d,%d", v.start, v.stop, v.step), nil
	}
	return fmt.Sprintf("\xffp%p", v), nil
}
