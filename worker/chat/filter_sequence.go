package chat

import (
	"errors"
	"fmt"
	"slices"
)

func lengthFilter(_ *run, v value, _ []value) (value, error) {
	if l, ok := v.(*loop); ok {
		n, err := l.size()
		return int64(n), err
	}
	n, ok := sized(v)
	if !ok {
		return nil, fmt.Errorf("object of type '%s' has no len()", typeName(v))
	}
	return int64(n), nil
}

func listFilter(r *run, v value, _ []value) (value, error) {
	items, err := collect(r, v)
	return &list{items}, err
}

func defaultFilter(_ *run, v value, a []value) (value, error) {
	_, missing := v.(*undefined)
	if !missing && (!flag(a[1]) || truth(v)) {
		return v, nil
	}
	if given(a[0]) {
		return a[0], nil
	}
	return "", nil
}

func firstFilter(r *run, v value, _ []value) (value, error) {
	next, err := iterate(r, v)
	if err != nil {
		return nil, err
	}
	first, ok, err := next()
	if err == nil && !ok {
		return &undefined{hint: "No first item, sequence was empty."}, nil
	}
	return first, err
}

// backwards gives the values of a sequence from its end.
func backwards(r *run, v value) (iterator, error) {
	switch v.(type) {
	case *list, tuple, *dict, *view, *span, string, markup, *undefined:
		items, err := collect(r, v)
		return reversed(r, items), err
	}
	return nil, fmt.Errorf("'%s' object is not reversible", typeName(v))
}

func lastFilter(r *run, v value, _ []value) (value, error) {
	next, err := backwards(r, v)
	if err != nil {
		return nil, err
	}
	last, ok, err := next()
	if err == nil && !ok {
		return &undefined{hint: "No last item, sequence was empty."}, nil
	}
	return last, err
}

func reverseFilter(r *run, v value, _ []value) (value, error) {
	if text, ok := textOf(v); ok {
		runes := []rune(text)
		slices.Reverse(runes)
		return likewise(v, string(runes)), r.charge(5 * len(text))
	}
	if next, err := backwards(r, v); err == nil {
		return &generator{next}, nil
	}
	items, err := collect(r, v)
	if err != nil {
		return nil, errors.New("argument must be iterable")
	}
	turned := slices.Clone(items)
	slices.Reverse(turned)
	return &list{turned}, nil
}

func itemsFilter(r *run, v value, _ []value) (value, error) {
	return lazily(r, func() (iterator, error) {
		switch v := v.(type) {
		case *undefined:
			return counted(r, 0, nil), nil
		case *dict:
			return iterate(r, &view{"dict_items", v})
		}
		return nil, errors.New("can only get item pairs from a mapping")
	}), nil
}

// batchFilter gives lists of so many values each; the last is filled up where
// there is something to fill it with.
func batchFilter(r *run, v value, a []value) (value, error) {
	size, err := intArgument(a[0], 0)
	if err != nil {
		return nil, err
	}
	return lazily(r, func() (iterator, error) {
		items, err := collect(r, v)
		if err != nil {
			return nil, err
		}
		if size < 1 {
			return nil, fmt.Errorf("a batch of %d is not supported", size)
		}
		return func() (value, bool, error) {
			if len(items) == 0 {
				return nil, false, nil
			}
			n := min(int(min(size, maxMemory)), len(items))
			part := slices.Clone(items[:n])
			items = items[n:]
			if fill := optional(a[1]); fill != nil {
				if err := r.chargeItems(int(min(size, maxMemory))); err != nil {
					return nil, false, err
				}
				for int64(len(part)) < size {
					part = append(part, fill)
				}
			}
			return &list{part}, true, r.chargeItems(n)
		}, nil
	}), nil
}

func uniqueFilter(r *run, v value, a []value) (value, error) {
	return lazily(r, func() (iterator, error) {
		get, err := r.getter(optional(a[1]), !flag(a[0]))
		if err != nil {
			return nil, err
		}
		next, err := iterate(r, v)
		if err != nil {
			return nil, err
		}
		seen := map[string]bool{}
		return func() (value, bool, error) {
			for {
				v, ok, err := next()
				if err != nil || !ok {
					return nil, false, err
				}
				key, err := get(v)
				if err != nil {
					return nil, false, err
				}
				hash, err := r.hash(key)
				if err != nil {
					return nil, false, err
				}
				if !seen[hash] {
					seen[hash] = true
					return v, true, r.charge(len(hash))
				}
			}
		}, nil
	}), nil
}
