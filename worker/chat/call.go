package chat

import "fmt"

// argumentList is what stands in a call's parentheses.
type argumentList struct {
	positional []expression
	names      []string
	named      []expression
	// spread and spreadNamed are *values and **values.
	spread, spreadNamed expression
}

func (a *argumentList) eval(r *run, s *scope) (arguments, error) {
	positional, err := evalAll(r, s, a.positional)
	if err != nil {
		return arguments{}, err
	}
	got := arguments{positional: positional}
	for i, e := range a.named {
		v, err := r.eval(e, s)
		if err != nil {
			return got, err
		}
		got.named = append(got.named, namedValue{a.names[i], v})
	}
	if a.spread != nil {
		v, err := r.eval(a.spread, s)
		if err != nil {
			return got, err
		}
		items, err := collect(r, v)
		if err != nil {
			return got, err
		}
		got.positional = append(got.positional, items...)
	}
	if a.spreadNamed != nil {
		return got, a.spreadInto(r, s, &got)
	}
	return got, nil
}

func (a *argumentList) spreadInto(r *run, s *scope, got *arguments) error {
	v, err := r.eval(a.spreadNamed, s)
	if err != nil {
		return err
	}
	d, ok := v.(*dict)
	if !ok {
		return fmt.Errorf("argument after ** must be a mapping, not %s", typeName(v))
	}
	for i, key := range d.keys {
		name, ok := textOf(key)
		if !ok {
			return fmt.Errorf("keywords must be strings")
		}
		for _, known := range got.named {
			if known.name == name {
				return fmt.Errorf("got multiple values for keyword argument %s", quote(name))
			}
		}
		got.named = append(got.named, namedValue{name, d.values[i]})
	}
	return nil
}

// callNode is function(arguments).
type callNode struct {
	function  expression
	arguments *argumentList
	line      int
}

func (n *callNode) eval(r *run, s *scope) (value, error) {
	f, err := r.eval(n.function, s)
	if err != nil {
		return nil, err
	}
	a, err := n.arguments.eval(r, s)
	if err != nil {
		return nil, at(n.line, err)
	}
	v, err := call(r, f, a)
	return v, at(n.line, err)
}

func call(r *run, f value, a arguments) (value, error) {
	switch f := f.(type) {
	case *function:
		return f.call(r, a)
	case *macro:
		return f.call(r, a)
	case *undefined:
		return nil, f.err()
	case *loop:
		return nil, fmt.Errorf("recursive loops are not supported")
	}
	return nil, fmt.Errorf("'%s' object is not callable", typeName(f))
}

// unset stands for an argument that was not given.
type unset struct{}

// signature says what a function takes: its parameters' names, of which the
// first required ones must be given. A name that ends with "/" is not to be
// given by name.
type signature struct {
	required   int
	parameters []string
}

// bind puts arguments in the order of the parameters; what is not given is
// unset.
func (s signature) bind(name string, a arguments) ([]value, error) {
	if len(a.positional) > len(s.parameters) {
		return nil, fmt.Errorf("%s takes at most %d arguments (%d given)", name, len(s.parameters), len(a.positional))
	}
	bound := make([]value, len(s.parameters))
	for i := range bound {
		bound[i] = unset{}
	}
	copy(bound, a.positional)
	for _, n := range a.named {
		at := -1
		for i, p := range s.parameters {
			if p == n.name {
				at = i
			}
		}
		if at < 0 {
			return nil, fmt.Errorf("%s got an unexpected keyword argument %s", name, quote(n.name))
		}
		if at < len(a.positional) {
			return nil, fmt.Errorf("%s got multiple values for argument %s", name, quote(n.name))
		}
		bound[at] = n.value
	}
	for i := range s.required {
		if bound[i] == (unset{}) {
			return nil, fmt.Errorf("%s misses the argument %s", name, quote(s.parameters[i]))
		}
	}
	return bound, nil
}

// given tells whether a bound argument is there.
func given(v value) bool { _, not := v.(unset); return !not }

// filterNode is `of | name(arguments)`.
type filterNode struct {
	of        expression
	name      string
	arguments *argumentList
	line      int
}

func (n *filterNode) eval(r *run, s *scope) (value, error) {
	v, err := r.eval(n.of, s)
	if err != nil {
		return nil, err
	}
	a, err := n.arguments.eval(r, s)
	if err == nil {
		v, err = applyFilter(r, n.name, v, a)
	}
	return v, at(n.line, err)
}

// testNode is `of is name(arguments)`.
type testNode struct {
	of        expression
	name      string
	arguments *argumentList
	line      int
}

func (n *testNode) eval(r *run, s *scope) (value, error) {
	v, err := r.eval(n.of, s)
	if err != nil {
		return nil, err
	}
	a, err := n.arguments.eval(r, s)
	if err != nil {
		return nil, at(n.line, err)
	}
	holds, err := applyTest(r, n.name, v, a)
	return holds, at(n.line, err)
}
