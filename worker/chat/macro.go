package chat

import "fmt"

type parameter struct {
	name string
	// fallback is the default, nil without.
	fallback expression
}

// macroNode is {% macro name(parameters) %}.
type macroNode struct {
	name       string
	parameters []parameter
	body       []node
	// varargs and kwargs tell whether the macro speaks of these names, and so
	// takes arguments beyond its parameters.
	varargs, kwargs bool
	line            int
}

func (n *macroNode) exec(_ *run, s *scope) (jump, error) {
	s.set(n.name, &macro{n, s})
	return jumpNone, nil
}

// macro is a macro with the scope that it was defined in.
type macro struct {
	*macroNode
	around *scope
}

func (m *macro) call(r *run, a arguments) (value, error) {
	inner := m.around.inner()
	named := a.named
	for i, p := range m.parameters {
		if i < len(a.positional) {
			inner.set(p.name, a.positional[i])
			continue
		}
		v, rest, ok := takeNamed(named, p.name)
		named = rest
		switch {
		case ok:
		case p.fallback == nil:
			v = &undefined{hint: fmt.Sprintf("parameter %s was not provided", quote(p.name))}
		default:
			var err error
			if v, err = r.eval(p.fallback, inner); err != nil {
				return nil, err
			}
		}
		inner.set(p.name, v)
	}
	if err := m.surplus(r, inner, a.positional, named); err != nil {
		return nil, err
	}
	if err := r.enter(); err != nil {
		return nil, err
	}
	text, _, err := r.capture(inner, m.body)
	r.depth--
	return text, err
}

// surplus sets varargs and kwargs, or refuses what is too much.
func (m *macro) surplus(r *run, inner *scope, positional []value, named []namedValue) error {
	switch {
	case m.kwargs:
		d := &dict{}
		for _, n := range named {
			if err := d.set(r, n.name, n.value); err != nil {
				return err
			}
		}
		inner.set("kwargs", d)
	case len(named) > 0:
		return fmt.Errorf("macro %s takes no keyword argument %s", quote(m.name), quote(named[0].name))
	}
	over := positional[min(len(m.parameters), len(positional)):]
	if m.varargs {
		inner.set("varargs", tuple(over))
	} else if len(over) > 0 {
		return fmt.Errorf("macro %s takes not more than %d argument(s)", quote(m.name), len(m.parameters))
	}
	return nil
}

// takeNamed takes one argument out of those given by name.
func takeNamed(named []namedValue, name string) (value, []namedValue, bool) {
	for i, n := range named {
		if n.name == name {
			rest := append(append([]namedValue{}, named[:i]...), named[i+1:]...)
			return n.value, rest, true
		}
	}
	return nil, named, false
}

// attribute gives what a macro tells of itself.
func (m *macro) attribute(name string) (value, bool) {
	switch name {
	case "name":
		return m.name, true
	case "arguments":
		names := tuple{}
		for _, p := range m.parameters {
			names = append(names, p.name)
		}
		return names, true
	case "catch_kwargs":
		return m.kwargs, true
	case "catch_varargs":
		return m.varargs, true
	case "caller":
		return false, true
	}
	return nil, false
}
