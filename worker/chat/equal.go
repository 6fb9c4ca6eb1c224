package chat

import "fmt"

// equal is Python's ==.
func (r *run) equal(left, right value) (bool, error) { return r.equalIn(left, right, 0) }

func (r *run) equalIn(left, right value, depth int) (bool, error) {
	if depth > maxValueDepth {
		return false, errTooDeep
	}
	if err := r.step(); err != nil {
		return false, err
	}
	if isNumber(left) && isNumber(right) {
		sign, ordered := orderNumbers(left, right)
		return ordered && sign == 0, nil
	}
	switch l := left.(type) {
	case nil:
		return right == nil, nil
	case string, markup:
		a, _ := textOf(l)
		b, ok := textOf(right)
		return ok && a == b, r.stepBy(min(len(a), len(b)) / 64)
	case *undefined:
		_, ok := right.(*undefined)
		return ok, nil
	case *list:
		other, ok := right.(*list)
		if !ok {
			return false, nil
		}
		return r.equalItems(l.items, other.items, depth)
	case tuple:
		other, ok := right.(tuple)
		if !ok {
			return false, nil
		}
		return r.equalItems(l, other, depth)
	case *dict:
		other, ok := right.(*dict)
		if !ok {
			return false, nil
		}
		return r.equalDicts(l, other, depth)
	case *span:
		other, ok := right.(*span)
		return ok && sameSpan(l, other), nil
	case *view:
		if other, ok := right.(*view); ok && other != l {
			return false, fmt.Errorf("comparing %s with %s is not supported", l.kind, other.kind)
		}
	}
	return same(left, right), nil
}

func (r *run) equalItems(left, right []value, depth int) (bool, error) {
	if len(left) != len(right) {
		return false, nil
	}
	for i := range left {
		if ok, err := r.equalIn(left[i], right[i], depth+1); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func (r *run) equalDicts(left, right *dict, depth int) (bool, error) {
	if len(left.keys) != len(right.keys) {
		return false, nil
	}
	for hash, i := range left.index {
		v, ok := right.lookup(hash)
		if !ok {
			return false, nil
		}
		if ok, err := r.equalIn(left.values[i], v, depth+1); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func sameSpan(a, b *span) bool {
	n := a.length()
	return n == b.length() && (n == 0 || a.start == b.start && (n == 1 || a.step == b.step))
}

// same is Python's `is`, as far as it can be told here: plain values that are
// equal and of one type count as one.
func same(left, right value) bool {
	switch l := left.(type) {
	case nil:
		return right == nil
	case tuple:
		other, ok := right.(tuple)
		return ok && len(l) == len(other) && (len(l) == 0 || &l[0] == &other[0])
	}
	if _, ok := right.(tuple); ok {
		return false
	}
	return left == right
}
