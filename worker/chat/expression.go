package chat

import "fmt"

// expression is a part of a template that has a value.
type expression interface {
	eval(r *run, s *scope) (value, error)
}

type literalNode struct{ value value }

func (n *literalNode) eval(*run, *scope) (value, error) { return n.value, nil }

type nameNode struct {
	name string
	line int
}

func (n *nameNode) eval(_ *run, s *scope) (value, error) {
	if v, ok := s.lookup(n.name); ok {
		return v, nil
	}
	if f, ok := globals[n.name]; ok {
		return f, nil
	}
	return &undefined{hint: quote(n.name) + " is undefined"}, nil
}

// sequenceNode is a list or a tuple.
type sequenceNode struct {
	items []expression
	tuple bool
}

func (n *sequenceNode) eval(r *run, s *scope) (value, error) {
	items, err := evalAll(r, s, n.items)
	if err != nil {
		return nil, err
	}
	if n.tuple {
		return tuple(items), nil
	}
	return &list{items}, nil
}

func evalAll(r *run, s *scope, expressions []expression) ([]value, error) {
	if err := r.chargeItems(len(expressions)); err != nil {
		return nil, err
	}
	values := make([]value, len(expressions))
	for i, e := range expressions {
		v, err := r.eval(e, s)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

type dictNode struct {
	keys, values []expression
	line         int
}

func (n *dictNode) eval(r *run, s *scope) (value, error) {
	d := &dict{}
	for i := range n.keys {
		key, err := r.eval(n.keys[i], s)
		if err != nil {
			return nil, err
		}
		v, err := r.eval(n.values[i], s)
		if err != nil {
			return nil, err
		}
		if err := d.set(r, key, v); err != nil {
			return nil, at(n.line, err)
		}
	}
	return d, nil
}

// conditionalNode is `then if condition else otherwise`.
type conditionalNode struct {
	condition, then, otherwise expression
	line                       int
}

func (n *conditionalNode) eval(r *run, s *scope) (value, error) {
	v, err := r.eval(n.condition, s)
	switch {
	case err != nil:
		return nil, err
	case truth(v):
		return r.eval(n.then, s)
	case n.otherwise != nil:
		return r.eval(n.otherwise, s)
	}
	return &undefined{hint: fmt.Sprintf("the inline if-expression on line %d evaluated to false and no else section was defined.", n.line)}, nil
}

// logicalNode is `left and right` or `left or right`; its value is one of them.
type logicalNode struct {
	left, right expression
	or          bool
}

func (n *logicalNode) eval(r *run, s *scope) (value, error) {
	v, err := r.eval(n.left, s)
	if err != nil || truth(v) == n.or {
		return v, err
	}
	return r.eval(n.right, s)
}

type notNode struct{ operand expression }

func (n *notNode) eval(r *run, s *scope) (value, error) {
	v, err := r.eval(n.operand, s)
	return !truth(v), err
}

type comparand struct {
	operator string
	operand  expression
}

// comparisonNode is `first < second <= third`, true when all of it is.
type comparisonNode struct {
	first expression
	rest  []comparand
	line  int
}

func (n *comparisonNode) eval(r *run, s *scope) (value, error) {
	left, err := r.eval(n.first, s)
	if err != nil {
		return nil, err
	}
	for _, c := range n.rest {
		right, err := r.eval(c.operand, s)
		if err != nil {
			return nil, err
		}
		holds, err := r.compare(c.operator, left, right)
		if err != nil || !holds {
			return false, at(n.line, err)
		}
		left = right
	}
	return true, nil
}

type binaryNode struct {
	op          string
	left, right expression
	line        int
}

func (n *binaryNode) eval(r *run, s *scope) (value, error) {
	left, err := r.eval(n.left, s)
	if err != nil {
		return nil, err
	}
	right, err := r.eval(n.right, s)
	if err != nil {
		return nil, err
	}
	v, err := r.binary(n.op, left, right)
	return v, at(n.line, err)
}

type signNode struct {
	operand expression
	minus   bool
	line    int
}

func (n *signNode) eval(r *run, s *scope) (value, error) {
	v, err := r.eval(n.operand, s)
	if err != nil {
		return nil, err
	}
	v, err = signed(v, n.minus)
	return v, at(n.line, err)
}

// concatenationNode is `a ~ b`: the texts of its parts.
type concatenationNode struct{ parts []expression }

func (n *concatenationNode) eval(r *run, s *scope) (value, error) {
	var text []byte
	for _, part := range n.parts {
		v, err := r.eval(part, s)
		if err != nil {
			return nil, err
		}
		t, err := r.str(v)
		if err != nil {
			return nil, err
		}
		if err := r.charge(len(t)); err != nil {
			return nil, err
		}
		text = append(text, t...)
	}
	return string(text), nil
}

type attributeNode struct {
	of   expression
	name string
	line int
}

func (n *attributeNode) eval(r *run, s *scope) (value, error) {
	v, err := r.eval(n.of, s)
	if err != nil {
		return nil, err
	}
	v, err = r.attribute(v, n.name)
	return v, at(n.line, err)
}

type itemNode struct {
	of, key expression
	line    int
}

func (n *itemNode) eval(r *run, s *scope) (value, error) {
	v, err := r.eval(n.of, s)
	if err != nil {
		return nil, err
	}
	key, err := r.eval(n.key, s)
	if err != nil {
		return nil, err
	}
	v, err = r.item(v, key)
	return v, at(n.line, err)
}

// sliceNode is of[start:stop:step].
type sliceNode struct {
	of     expression
	bounds [3]expression
	line   int
}

func (n *sliceNode) eval(r *run, s *scope) (value, error) {
	v, err := r.eval(n.of, s)
	if err != nil {
		return nil, err
	}
	var bounds [3]value
	for i, e := range n.bounds {
		if e == nil {
			continue
		}
		if bounds[i], err = r.eval(e, s); err != nil {
			return nil, err
		}
	}
	v, err = r.slice(v, bounds)
	return v, at(n.line, err)
}
