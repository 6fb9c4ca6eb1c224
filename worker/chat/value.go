package chat

import (
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"
)

// value is what a template reckons with, as Python has it: nil is None; bool;
// int64, and *big.Int beyond its range; float64; string and markup; *list,
// tuple, *dict, *view, *span (a range), *generator, *namespace, *loop, *macro,
// *function and *undefined.
type value = any

// markup is text that is marked as safe: what is added to it is escaped.
type markup string

// list is Python's list. No template can change one.
type list struct{ items []value }

type tuple []value

// undefined is what a name or key that is not there gives: it prints nothing,
// and is an error as soon as more is asked of it.
type undefined struct {
	// hint is what the error says.
	hint string
}

func (u *undefined) err() error { return fmt.Errorf("%s", u.hint) }

// namespace is what namespace() makes: the one thing that can be changed.
type namespace struct{ attributes *dict }

// set sets an attribute. Like transformers it refuses names with an underscore
// in front.
func (n *namespace) set(name string, v value) error {
	if strings.HasPrefix(name, "_") {
		return fmt.Errorf("chat templates cannot store underscore-prefixed attributes on a namespace, but got %s", quote(name))
	}
	n.attributes.put(textKey(name), name, v)
	return nil
}

// namedValue is an argument given by name.
type namedValue struct {
	name  string
	value value
}

// arguments are what a function, filter or test is called with.
type arguments struct {
	positional []value
	named      []namedValue
}

// function is something that can be called: a global or a method.
type function struct {
	name string
	call func(r *run, a arguments) (value, error)
}

// generator gives its values once.
type generator struct{ next iterator }

// iterator gives one value after the other, and false at the end.
type iterator func() (value, bool, error)

// span is Python's range.
type span struct{ start, stop, step int64 }

func (s *span) length() int {
	switch {
	case s.step > 0 && s.start < s.stop:
		return int((s.stop-s.start-1)/s.step + 1)
	case s.step < 0 && s.start > s.stop:
		return int((s.start-s.stop-1)/-s.step + 1)
	}
	return 0
}

// fromBig gives an integer in the form that all integers of its size have.
func fromBig(n *big.Int) value {
	if n.IsInt64() {
		return n.Int64()
	}
	return n
}

// toBig gives an integer or a bool as a big.Int.
func toBig(v value) (*big.Int, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return big.NewInt(1), true
		}
		return new(big.Int), true
	case int64:
		return big.NewInt(v), true
	case *big.Int:
		return v, true
	}
	return nil, false
}

// toInt gives an integer or a bool as an int64.
func toInt(v value) (int64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return v, true
	}
	return 0, false
}

// textOf gives text, marked as safe or not.
func textOf(v value) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case markup:
		return string(v), true
	}
	return "", false
}

// truth is Python's bool().
func truth(v value) bool {
	switch v := v.(type) {
	case nil, *undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case *big.Int:
		return v.Sign() != 0
	case float64:
		return v != 0
	}
	if size, ok := sized(v); ok {
		return size > 0
	}
	return true
}

// sized is Python's len(), where a value has one.
func sized(v value) (int, bool) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), true
	case markup:
		return utf8.RuneCountInString(string(v)), true
	case *list:
		return len(v.items), true
	case tuple:
		return len(v), true
	case *dict:
		return len(v.keys), true
	case *view:
		return len(v.of.keys), true
	case *span:
		return v.length(), true
	case *undefined:
		return 0, true
	}
	return 0, false
}

// typeName is the name of a value's type, as Python's errors have it.
func typeName(v value) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case markup:
		return "Markup"
	case *list:
		return "list"
	case tuple:
		return "tuple"
	case *dict:
		return "dict"
	case *view:
		return v.kind
	case *span:
		return "range"
	case *generator:
		return "generator"
	case *namespace:
		return "Namespace"
	case *loop:
		return "LoopContext"
	case *macro:
		return "Macro"
	case *function:
		return "function"
	}
	return "Undefined"
}
