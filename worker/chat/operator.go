package chat

import (
	"errors"
	"fmt"
	"strings"
)

// binary is `left op right` for the operators of arithmetic.
func (r *run) binary(op string, left, right value) (value, error) {
	if u, ok := left.(*undefined); ok {
		return nil, u.err()
	}
	if text, ok := textOf(left); ok && op == "%" {
		if safeText(left) {
			return nil, errors.New("% of a Markup is not supported")
		}
		return r.printf(text, right)
	}
	if u, ok := right.(*undefined); ok {
		return nil, u.err()
	}
	if isNumber(left) && isNumber(right) {
		return arithmetic(op, left, right)
	}
	switch op {
	case "+":
		return r.join(left, right)
	case "*":
		if n, ok := toInt(right); ok {
			return r.repeat(left, n)
		}
		if n, ok := toInt(left); ok {
			return r.repeat(right, n)
		}
	}
	return nil, unsupported(op, left, right)
}

func unsupported(op string, left, right value) error {
	return fmt.Errorf("unsupported operand type(s) for %s: '%s' and '%s'", op, typeName(left), typeName(right))
}

// join is + of text, lists and tuples. What is added to safe text is escaped.
func (r *run) join(left, right value) (value, error) {
	switch l := left.(type) {
	case *list:
		if other, ok := right.(*list); ok {
			err := r.chargeItems(len(l.items) + len(other.items))
			if err != nil {
				return nil, err
			}
			return &list{append(append([]value{}, l.items...), other.items...)}, nil
		}
	case tuple:
		if other, ok := right.(tuple); ok {
			err := r.chargeItems(len(l) + len(other))
			if err != nil {
				return nil, err
			}
			return append(append(tuple{}, l...), other...), nil
		}
	case string, markup:
		a, _ := textOf(left)
		b, ok := textOf(right)
		if !ok {
			return nil, fmt.Errorf(`can only concatenate str (not "%s") to str`, typeName(right))
		}
		safe := safeText(left) || safeText(right)
		if safe {
			a, b = escaped(left, a), escaped(right, b)
		}
		if err := r.charge(len(a) + len(b)); err != nil {
			return nil, err
		}
		if safe {
			return markup(a + b), nil
		}
		return a + b, nil
	}
	return nil, unsupported("+", left, right)
}

func safeText(v value) bool { _, ok := v.(markup); return ok }

var htmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&#39;", `"`, "&#34;")

// escaped escapes the text of a value that is not marked as safe.
func escaped(v value, text string) string {
	if safeText(v) {
		return text
	}
	return htmlEscapes.Replace(text)
}

// repeat is n * v.
func (r *run) repeat(v value, n int64) (value, error) {
	n = max(n, 0)
	size := func(one int) error {
		if one > 0 && n > int64(maxMemory/one) {
			return r.charge(maxMemory + 1)
		}
		return r.charge(one * int(n))
	}
	switch v := v.(type) {
	case string, markup:
		text, _ := textOf(v)
		if err := size(len(text)); err != nil || text == "" {
			return v, err
		}
		if safeText(v) {
			return markup(strings.Repeat(text, int(n))), nil
		}
		return strings.Repeat(text, int(n)), nil
	case *list:
		items, err := repeatItems(v.items, n, size(16*len(v.items)))
		return &list{items}, err
	case tuple:
		items, err := repeatItems(v, n, size(16*len(v)))
		return tuple(items), err
	}
	return nil, unsupported("*", v, n)
}

func repeatItems(items []value, n int64, err error) ([]value, error) {
	if err != nil || len(items) == 0 {
		return nil, err
	}
	all := make([]value, 0, len(items)*int(n))
	for range n {
		all = append(all, items...)
	}
	return all, nil
}

// compare is `left op right` for the operators of comparison.
func (r *run) compare(op string, left, right value) (bool, error) {
	switch op {
	case "==":
		return r.equal(left, right)
	case "!=":
		same, err := r.equal(left, right)
		return !same, err
	case "in":
		return r.contains(right, left)
	case "not in":
		found, err := r.contains(right, left)
		return !found, err
	}
	sign, ordered, err := r.order(left, right, 0)
	if errors.Is(err, errNoOrder) {
		err = fmt.Errorf("'%s' not supported between instances of '%s' and '%s'", op, typeName(left), typeName(right))
	}
	if err != nil || !ordered {
		return false, err
	}
	switch op {
	case "<":
		return sign < 0, nil
	case "<=":
		return sign <= 0, nil
	case ">":
		return sign > 0, nil
	}
	return sign >= 0, nil
}

var errNoOrder = errors.New("the values have no order")

// order tells whether left comes before right, by the sign; ordered is false
// where one is not a number (NaN).
func (r *run) order(left, right value, depth int) (sign int, ordered bool, err error) {
	if depth > maxValueDepth {
		return 0, false, errTooDeep
	}
	if err := r.step(); err != nil {
		return 0, false, err
	}
	for _, v := range []value{left, right} {
		if u, ok := v.(*undefined); ok {
			return 0, false, u.err()
		}
	}
	if isNumber(left) && isNumber(right) {
		sign, ordered = orderNumbers(left, right)
		return sign, ordered, nil
	}
	a, okA := textOf(left)
	b, okB := textOf(right)
	if okA && okB {
		return strings.Compare(a, b), true, r.stepBy(min(len(a), len(b)) / 64)
	}
	if l, ok := left.(*list); ok {
		if other, ok := right.(*list); ok {
			return r.orderItems(l.items, other.items, depth)
		}
	}
	if l, ok := left.(tuple); ok {
		if other, ok := right.(tuple); ok {
			return r.orderItems(l, other, depth)
		}
	}
	return 0, false, errNoOrder
}

func (r *run) orderItems(left, right []value, depth int) (int, bool, error) {
	for i := range min(len(left), len(right)) {
		same, err := r.equalIn(left[i], right[i], depth+1)
		if err != nil {
			return 0, false, err
		}
		if !same {
			return r.order(left[i], right[i], depth+1)
		}
	}
	return len(left) - len(right), true, nil
}

// contains is `item in v`.
func (r *run) contains(v, item value) (bool, error) {
	switch v := v.(type) {
	case string, markup:
		text, _ := textOf(v)
		part, ok := textOf(item)
		if !ok {
			if _, is := item.(*undefined); !is {
				return false, fmt.Errorf("'in <string>' requires string as left operand, not %s", typeName(item))
			}
			return false, fmt.Errorf("'in <string>' requires string as left operand, not Undefined")
		}
		return strings.Contains(text, part), r.stepBy(len(text) / 64)
	case *dict:
		_, ok, err := v.get(r, item)
		return ok, err
	case *view:
		if v.kind == "dict_keys" {
			_, ok, err := v.of.get(r, item)
			return ok, err
		}
	case *list, tuple, *span, *generator, *loop, *undefined:
	default:
		return false, fmt.Errorf("argument of type '%s' is not iterable", typeName(v))
	}
	next, err := iterate(r, v)
	if err != nil {
		return false, err
	}
	for {
		one, ok, err := next()
		if err != nil || !ok {
			return false, err
		}
		if same, err := r.equal(one, item); err != nil || same {
			return same, err
		}
	}
}
