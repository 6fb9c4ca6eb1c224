package chat

import (
	"fmt"
	"slices"
)

// test is what stands behind `is`.
type test struct {
	// arguments is how many it takes.
	arguments int
	run       func(r *run, v value, a []value) (bool, error)
}

// isA makes a test of a plain question.
func isA(holds func(v value) bool) test {
	return test{0, func(_ *run, v value, _ []value) (bool, error) { return holds(v), nil }}
}

// compares makes a test of a comparison.
func compares(op string) test {
	return test{1, func(r *run, v value, a []value) (bool, error) { return r.compare(op, v, a[0]) }}
}

// leaves makes a test of what is left of a division.
func leaves(remainder int64) test {
	return test{0, func(r *run, v value, _ []value) (bool, error) { return divides(r, v, int64(2), remainder) }}
}

func divides(r *run, v, by value, remainder int64) (bool, error) {
	left, err := r.binary("%", v, by)
	if err != nil {
		return false, err
	}
	return r.equal(left, remainder)
}

// tests are jinja2's tests that are supported.
var tests = map[string]test{
	"boolean":   isA(func(v value) bool { _, ok := v.(bool); return ok }),
	"callable":  isA(isCallable),
	"defined":   isA(func(v value) bool { return !isUndefined(v) }),
	"undefined": isA(isUndefined),
	"escaped":   isA(safeText),
	"even":      leaves(0),
	"odd":       leaves(1),
	"false":     isA(func(v value) bool { return v == false }),
	"true":      isA(func(v value) bool { return v == true }),
	"float":     isA(func(v value) bool { _, ok := v.(float64); return ok }),
	"integer":   isA(isInteger),
	"iterable":  isA(isIterable),
	"mapping":   isA(func(v value) bool { _, ok := v.(*dict); return ok }),
	"none":      isA(func(v value) bool { return v == nil }),
	"number":    isA(isNumber),
	"sequence":  isA(isSequence),
	"string":    isA(func(v value) bool { _, ok := textOf(v); return ok }),
	"lower":     {0, func(r *run, v value, _ []value) (bool, error) { return cased(r, v, false) }},
	"upper":     {0, func(r *run, v value, _ []value) (bool, error) { return cased(r, v, true) }},
	"divisibleby": {1, func(r *run, v value, a []value) (bool, error) {
		return divides(r, v, a[0], 0)
	}},
	"sameas": {1, func(_ *run, v value, a []value) (bool, error) { return same(v, a[0]), nil }},
	"in":     {1, func(r *run, v value, a []value) (bool, error) { return r.contains(a[0], v) }},
	"==":     compares("=="), "eq": compares("=="), "equalto": compares("=="),
	"!=": compares("!="), "ne": compares("!="),
	">": compares(">"), "gt": compares(">"), "greaterthan": compares(">"),
	">=": compares(">="), "ge": compares(">="),
	"<": compares("<"), "lt": compares("<"), "lessthan": compares("<"),
	"<=": compares("<="), "le": compares("<="),
}

// testParameters are what the tests' single argument is called.
var testParameters = map[string]string{"divisibleby": "num", "sameas": "other", "in": "seq"}

func applyTest(r *run, name string, v value, a arguments) (bool, error) {
	t, ok := tests[name]
	if !ok {
		if slices.Contains([]string{"filter", "test"}, name) {
			return false, fmt.Errorf("the test %q is not supported", name)
		}
		return false, fmt.Errorf("no test named %q", name)
	}
	s := signature{t.arguments, []string{testParameters[name]}[:t.arguments]}
	bound, err := s.bind("the test "+name, a)
	if err != nil {
		return false, err
	}
	return t.run(r, v, bound)
}

func isUndefined(v value) bool { _, ok := v.(*undefined); return ok }

func isCallable(v value) bool {
	switch v.(type) {
	case *function, *macro, *loop, *undefined:
		return true
	}
	return false
}

func isInteger(v value) bool {
	_, isBool := v.(bool)
	_, ok := toBig(v)
	return ok && !isBool
}

func isIterable(v value) bool {
	switch v.(type) {
	case *generator, *loop:
		return true
	}
	_, ok := sized(v)
	return ok
}

func isSequence(v value) bool {
	switch v.(type) {
	case string, markup, *list, tuple, *dict, *span, *undefined:
		return true
	}
	return false
}

func cased(r *run, v value, wantUpper bool) (bool, error) {
	text, err := r.str(v)
	return isCase(text, wantUpper), err
}
