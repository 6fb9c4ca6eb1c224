package chat

import "fmt"

// forNode is {% for target in over if filter %}.
type forNode struct {
	target, over, filter expression
	body, otherwise      []node
	line                 int
}

func (n *forNode) exec(r *run, s *scope) (jump, error) {
	over, err := r.eval(n.over, s)
	if err != nil {
		return jumpNone, at(n.line, err)
	}
	l, err := n.loop(r, s, over)
	if err != nil {
		return jumpNone, at(n.line, err)
	}
	// jinja2 runs the else block unless a body came to its end: it does after a
	// break, or with nothing but continue.
	completed := false
	for {
		more, err := l.advance()
		if err != nil {
			return jumpNone, at(n.line, err)
		}
		if !more {
			break
		}
		j, err := n.iterate(r, s.inner(), l)
		if err != nil {
			return jumpNone, at(n.line, err)
		}
		if j == jumpBreak {
			break
		}
		completed = completed || j == jumpNone
	}
	if !completed {
		return execAll(r, s.inner(), n.otherwise)
	}
	return jumpNone, nil
}

// iterate runs the body for the loop's current item.
func (n *forNode) iterate(r *run, s *scope, l *loop) (jump, error) {
	if err := r.step(); err != nil {
		return jumpNone, err
	}
	s.set("loop", l)
	if err := assign(r, s, n.target, l.current); err != nil {
		return jumpNone, err
	}
	return execAll(r, s, n.body)
}

// loop gives the loop over a value, filtered as it goes.
func (n *forNode) loop(r *run, s *scope, over value) (*loop, error) {
	next, err := iterate(r, over)
	if err != nil {
		return nil, err
	}
	l := &loop{run: r, next: next, index0: -1, length: -1}
	if n.filter == nil {
		if size, ok := sized(over); ok {
			l.length = size
		}
		return l, nil
	}
	l.next = func() (value, bool, error) {
		for {
			v, ok, err := next()
			if err != nil || !ok {
				return nil, false, err
			}
			inner := s.inner()
			if err := assign(r, inner, n.target, v); err != nil {
				return nil, false, err
			}
			keep, err := r.eval(n.filter, inner)
			if err != nil || truth(keep) {
				return v, true, err
			}
		}
	}
	return l, nil
}

// loop is the variable of that name in a loop's body.
type loop struct {
	run    *run
	next   iterator
	index0 int
	// length is -1 while it is unknown.
	length                   int
	current, before          value
	ahead                    []value
	changed                  value
	hasChanged, hasPredecess bool
}

// advance goes on to the next item.
func (l *loop) advance() (bool, error) {
	ok, err := l.peek()
	if err != nil || !ok {
		return false, err
	}
	l.before, l.hasPredecess = l.current, l.index0 >= 0
	l.current, l.ahead = l.ahead[0], l.ahead[1:]
	l.index0++
	return true, nil
}

// peek makes sure of the next item, if there is one.
func (l *loop) peek() (bool, error) {
	if len(l.ahead) > 0 {
		return true, nil
	}
	v, ok, err := l.next()
	if err == nil && ok {
		l.ahead = append(l.ahead, v)
	}
	return ok, err
}

// size is the number of items, for which what has none of its own is read to
// its end.
func (l *loop) size() (int, error) {
	for l.length < 0 {
		v, ok, err := l.next()
		if err != nil {
			return 0, err
		}
		if !ok {
			l.length = l.index0 + 1 + len(l.ahead)
			break
		}
		if err := l.run.chargeItems(1); err != nil {
			return 0, err
		}
		l.ahead = append(l.ahead, v)
	}
	return l.length, nil
}

// attribute gives loop.name.
func (l *loop) attribute(name string) (v value, ok bool, err error) {
	var n int
	var more bool
	switch name {
	case "index":
		return int64(l.index0 + 1), true, nil
	case "index0":
		return int64(l.index0), true, nil
	case "first":
		return l.index0 == 0, true, nil
	case "last":
		more, err = l.peek()
		return !more, true, err
	case "length":
		n, err = l.size()
		return int64(n), true, err
	case "revindex":
		n, err = l.size()
		return int64(n - l.index0), true, err
	case "revindex0":
		n, err = l.size()
		return int64(n - l.index0 - 1), true, err
	case "depth":
		return int64(1), true, nil
	case "depth0":
		return int64(0), true, nil
	case "previtem":
		if !l.hasPredecess {
			return &undefined{hint: "there is no previous item"}, true, nil
		}
		return l.before, true, nil
	case "nextitem":
		if more, err = l.peek(); err != nil || !more {
			return &undefined{hint: "there is no next item"}, true, err
		}
		return l.ahead[0], true, nil
	case "cycle":
		return &function{name: "cycle", call: l.cycle}, true, nil
	case "changed":
		return &function{name: "changed", call: l.hasNew}, true, nil
	}
	return nil, false, nil
}

func (l *loop) cycle(_ *run, a arguments) (value, error) {
	if len(a.positional) == 0 || len(a.named) > 0 {
		return nil, fmt.Errorf("no items for cycling given")
	}
	return a.positional[l.index0%len(a.positional)], nil
}

// hasNew tells whether it is called with other values than the last time.
func (l *loop) hasNew(r *run, a arguments) (value, error) {
	values := tuple(a.positional)
	if l.hasChanged {
		same, err := r.equal(l.changed, values)
		if err != nil || same {
			return false, err
		}
	}
	l.changed, l.hasChanged = values, true
	return true, nil
}
