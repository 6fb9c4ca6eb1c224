package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// sortBy puts indices in the order of their keys; equal ones stay as they are.
func (r *run) sortBy(indices []int, keys []value, backwards bool) error {
	var failed error
	slices.SortStableFunc(indices, func(i, j int) int {
		if failed != nil {
			return 0
		}
		sign, _, err := r.order(keys[i], keys[j], 0)
		if errors.Is(err, errNoOrder) {
			err = fmt.Errorf("'<' not supported between instances of '%s' and '%s'", typeName(keys[j]), typeName(keys[i]))
		}
		failed = err
		if backwards {
			return -sign
		}
		return sign
	})
	return failed
}

// sorted gives items in the order of their keys.
func (r *run) sorted(items, keys []value, backwards bool) ([]value, error) {
	if err := r.chargeItems(2 * len(items)); err != nil {
		return nil, err
	}
	indices := make([]int, len(items))
	for i := range indices {
		indices[i] = i
	}
	if err := r.sortBy(indices, keys, backwards); err != nil {
		return nil, err
	}
	ordered := make([]value, len(items))
	for i, at := range indices {
		ordered[i] = items[at]
	}
	return ordered, nil
}

// sortFilter sorts by the values or by one attribute or several of them, whose
// names commas separate.
func sortFilter(r *run, v value, a []value) (value, error) {
	attributes := []value{optional(a[2])}
	if text, ok := attributes[0].(string); ok {
		attributes = nil
		for _, name := range strings.Split(text, ",") {
			attributes = append(attributes, name)
		}
	}
	var getters []func(value) (value, error)
	for _, attribute := range attributes {
		get, err := r.getter(attribute, !flag(a[1]))
		if err != nil {
			return nil, err
		}
		getters = append(getters, get)
	}
	items, err := collect(r, v)
	if err != nil {
		return nil, err
	}
	keys := make([]value, len(items))
	for i, item := range items {
		key := make(tuple, len(getters))
		for j, get := range getters {
			if key[j], err = get(item); err != nil {
				return nil, err
			}
		}
		keys[i] = key
	}
	ordered, err := r.sorted(items, keys, flag(a[0]))
	return &list{ordered}, err
}

func dictsortFilter(r *run, v value, a []value) (value, error) {
	by := "key"
	if given(a[1]) {
		by, _ = textOf(a[1])
	}
	if by != "key" && by != "value" {
		return nil, errors.New(`you can only sort by either "key" or "value"`)
	}
	d, ok := v.(*dict)
	if !ok {
		return nil, fmt.Errorf("dictsort takes a dict, not %s", typeName(v))
	}
	keys := slices.Clone(d.keys)
	if by == "value" {
		keys = slices.Clone(d.values)
	}
	items := make([]value, len(keys))
	for i, key := range keys {
		items[i] = tuple{d.keys[i], d.values[i]}
		if text, ok := textOf(key); ok && !flag(a[0]) {
			keys[i] = lower(text)
		}
	}
	ordered, err := r.sorted(items, keys, flag(a[2]))
	return &list{ordered}, err
}

func minFilter(r *run, v value, a []value) (value, error) { return extreme(r, v, a, -1) }

func maxFilter(r *run, v value, a []value) (value, error) { return extreme(r, v, a, 1) }

// extreme gives the first of the least or greatest values.
func extreme(r *run, v value, a []value, sign int) (value, error) {
	get, err := r.getter(optional(a[1]), !flag(a[0]))
	if err != nil {
		return nil, err
	}
	next, err := iterate(r, v)
	if err != nil {
		return nil, err
	}
	var best, bestKey value
	for found := false; ; found = true {
		item, ok, err := next()
		switch {
		case err != nil:
			return nil, err
		case !ok && !found:
			return &undefined{hint: "No aggregated item, sequence was empty."}, nil
		case !ok:
			return best, nil
		}
		key, err := get(item)
		if err != nil {
			return nil, err
		}
		if !found {
			best, bestKey = item, key
			continue
		}
		op := "<"
		if sign > 0 {
			op = ">"
		}
		better, err := r.compare(op, key, bestKey)
		if err != nil {
			return nil, err
		}
		if better {
			best, bestKey = item, key
		}
	}
}
