package chat

import "fmt"

// node is a statement or text of a template. It writes to r.out.
type node interface {
	exec(r *run, s *scope) (jump, error)
}

// jump tells how a statement ended.
type jump int

const (
	jumpNone jump = iota
	jumpBreak
	jumpContinue
)

func execAll(r *run, s *scope, nodes []node) (jump, error) {
	for _, n := range nodes {
		if err := r.step(); err != nil {
			return jumpNone, err
		}
		if j, err := n.exec(r, s); err != nil || j != jumpNone {
			return j, err
		}
	}
	return jumpNone, nil
}

// textNode is what stands outside of tags.
type textNode struct{ text string }

func (n *textNode) exec(r *run, _ *scope) (jump, error) { return jumpNone, r.write(n.text) }

// outputNode is {{ expression }}.
type outputNode struct {
	expression expression
	line       int
}

func (n *outputNode) exec(r *run, s *scope) (jump, error) {
	v, err := r.eval(n.expression, s)
	if err == nil {
		var text string
		if text, err = r.str(v); err == nil {
			err = r.write(text)
		}
	}
	return jumpNone, at(n.line, err)
}

type printNode struct{ outputs []*outputNode }

func (n *printNode) exec(r *run, s *scope) (jump, error) {
	for _, o := range n.outputs {
		if _, err := o.exec(r, s); err != nil {
			return jumpNone, err
		}
	}
	return jumpNone, nil
}

type jumpNode struct{ jump jump }

func (n *jumpNode) exec(*run, *scope) (jump, error) { return n.jump, nil }

// scopeNode is a body in which names are set that nobody outside sees.
type scopeNode struct{ body []node }

func (n *scopeNode) exec(r *run, s *scope) (jump, error) { return execAll(r, s.inner(), n.body) }

type branch struct {
	condition expression
	body      []node
	line      int
}

type ifNode struct {
	branches  []branch
	otherwise []node
}

func (n *ifNode) exec(r *run, s *scope) (jump, error) {
	for i := range n.branches {
		b := &n.branches[i]
		v, err := r.eval(b.condition, s)
		if err != nil {
			return jumpNone, at(b.line, err)
		}
		if truth(v) {
			return execAll(r, s, b.body)
		}
	}
	return execAll(r, s, n.otherwise)
}

// setNode is {% set target = expression %}.
type setNode struct {
	target, expression expression
	line               int
}

func (n *setNode) exec(r *run, s *scope) (jump, error) {
	v, err := r.eval(n.expression, s)
	if err == nil {
		err = assign(r, s, n.target, v)
	}
	return jumpNone, at(n.line, err)
}

// captureNode is a body of which the text is filtered, and set where there is a
// target, else written.
type captureNode struct {
	target expression
	filter expression
	body   []node
	line   int
}

// capturedName holds the captured text in a scope; no template can name it.
const capturedName = ""

// capturedText is the captured text in a captureNode's filter.
type capturedText struct{}

func (*capturedText) eval(_ *run, s *scope) (value, error) {
	v, _ := s.lookup(capturedName)
	return v, nil
}

func (n *captureNode) exec(r *run, s *scope) (jump, error) {
	inner := s.inner()
	text, j, err := r.capture(inner, n.body)
	if err != nil || j != jumpNone {
		return j, err
	}
	var v value = text
	if n.filter != nil {
		inner.set(capturedName, text)
		if v, err = r.eval(n.filter, inner); err != nil {
			return jumpNone, at(n.line, err)
		}
	}
	if n.target != nil {
		return jumpNone, at(n.line, assign(r, s, n.target, v))
	}
	if text, ok := textOf(v); ok {
		return jumpNone, r.write(text)
	}
	return jumpNone, failAt(n.line, "a filter block gave %s, not text", typeName(v))
}

type withNode struct {
	targets, values []expression
	body            []node
	line            int
}

func (n *withNode) exec(r *run, s *scope) (jump, error) {
	inner := s.inner()
	for i, target := range n.targets {
		v, err := r.eval(n.values[i], s)
		if err == nil {
			err = assign(r, inner, target, v)
		}
		if err != nil {
			return jumpNone, at(n.line, err)
		}
	}
	return execAll(r, inner, n.body)
}

// attributeTarget is a namespace's attribute to which is assigned.
type attributeTarget struct {
	namespace, attribute string
	line                 int
}

func (n *attributeTarget) eval(*run, *scope) (value, error) {
	return nil, failAt(n.line, "%s.%s can't be read here", n.namespace, n.attribute)
}

// assign sets the names of a target; a tuple takes a value apart.
func assign(r *run, s *scope, target expression, v value) error {
	switch t := target.(type) {
	case *nameNode:
		s.set(t.name, v)
	case *attributeTarget:
		of, _ := s.lookup(t.namespace)
		ns, ok := of.(*namespace)
		if !ok {
			return fmt.Errorf("cannot assign attribute on non-namespace object")
		}
		return ns.set(t.attribute, v)
	case *sequenceNode:
		next, err := iterate(r, v)
		if err != nil {
			return fmt.Errorf("cannot unpack %s", typeName(v))
		}
		for i, item := range t.items {
			one, ok, err := next()
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("not enough values to unpack (expected %d, got %d)", len(t.items), i)
			}
			if err := assign(r, s, item, one); err != nil {
				return err
			}
		}
		if _, more, err := next(); err != nil || more {
			return fmt.Errorf("too many values to unpack (expected %d)", len(t.items))
		}
	}
	return nil
}
