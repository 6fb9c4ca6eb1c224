package chat

import "slices"

// statement reads a tag, from its name to before its end.
func (p *parser) statement() (node, error) {
	t, err := p.expect(kindName, "")
	if err != nil {
		return nil, failAt(p.current().line, "tag name expected, got %s", p.current().describe())
	}
	switch t.text {
	case "if":
		return p.ifStatement(t.line)
	case "for":
		return p.forStatement(t.line)
	case "set":
		return p.setStatement(t.line)
	case "macro":
		return p.macroStatement(t.line)
	case "with":
		return p.withStatement(t.line)
	case "filter":
		return p.filterStatement(t.line)
	case "print":
		return p.printStatement(t.line)
	case "generation":
		return p.generationStatement()
	case "break", "continue":
		if p.loops == 0 {
			return nil, failAt(t.line, "%s outside of a loop", t.text)
		}
		if t.text == "break" {
			return &jumpNode{jumpBreak}, nil
		}
		return &jumpNode{jumpContinue}, nil
	case "block", "extends", "include", "import", "from", "call", "autoescape":
		return nil, failAt(t.line, "the tag %q is not supported", t.text)
	}
	return nil, failAt(t.line, "unknown tag %q", t.text)
}

func (p *parser) ifStatement(line int) (node, error) {
	n := &ifNode{}
	for {
		condition, err := p.tuple(tupleRules{})
		if err != nil {
			return nil, err
		}
		body, end, err := p.block("elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		n.branches = append(n.branches, branch{condition, body, line})
		switch end.text {
		case "elif":
			line = end.line
			continue
		case "else":
			n.otherwise, _, err = p.block("endif")
		}
		return n, err
	}
}

func (p *parser) forStatement(line int) (node, error) {
	n := &forNode{line: line}
	var err error
	if n.target, err = p.target(false, "in"); err != nil {
		return nil, err
	}
	if _, err := p.expect(kindName, "in"); err != nil {
		return nil, err
	}
	if n.over, err = p.tuple(tupleRules{ends: []string{"recursive"}}); err != nil {
		return nil, err
	}
	if p.skipName("if") {
		if n.filter, err = p.expression(); err != nil {
			return nil, err
		}
	}
	if p.current().is(kindName, "recursive") {
		return nil, failAt(p.current().line, "recursive loops are not supported")
	}
	if targets(n.target, "loop") {
		return nil, failAt(line, "can't assign to special loop variable in for-loop target")
	}
	p.loops, p.bodies = p.loops+1, p.bodies+1
	body, end, err := p.block("endfor", "else")
	p.loops, p.bodies = p.loops-1, p.bodies-1
	if err != nil {
		return nil, err
	}
	n.body = body
	if end.text == "else" {
		n.otherwise, _, err = p.block("endfor")
	}
	return n, err
}

func (p *parser) setStatement(line int) (node, error) {
	target, err := p.target(true)
	if err != nil {
		return nil, err
	}
	if p.bodies > 0 && targets(target, "loop") {
		return nil, failAt(line, "can't assign to special loop variable in for-loop target")
	}
	if p.skipOperator("=") {
		e, err := p.tuple(tupleRules{conditional: true})
		return &setNode{target, e, line}, err
	}
	var filter expression
	if p.isOperator("|") {
		if filter, err = p.filters(&capturedText{}); err != nil {
			return nil, err
		}
	}
	body, _, err := p.block("endset")
	return &captureNode{target: target, filter: filter, body: body, line: line}, err
}

func (p *parser) macroStatement(line int) (node, error) {
	name, err := p.expect(kindName, "")
	if err != nil {
		return nil, err
	}
	if p.bodies > 0 && name.text == "loop" {
		return nil, failAt(line, "can't assign to special loop variable in for-loop target")
	}
	n := &macroNode{name: name.text, line: line}
	from := p.at
	if err := p.signature(n); err != nil {
		return nil, err
	}
	loops := p.loops
	p.loops = 0
	n.body, _, err = p.block("endmacro")
	p.loops = loops
	for _, t := range p.tokens[from:p.at] {
		n.varargs = n.varargs || t.is(kindName, "varargs")
		n.kwargs = n.kwargs || t.is(kindName, "kwargs")
	}
	return n, err
}

// signature reads a macro's parameters.
func (p *parser) signature(n *macroNode) error {
	if _, err := p.expect(kindOperator, "("); err != nil {
		return err
	}
	optional := false
	for !p.isOperator(")") {
		if len(n.parameters) > 0 {
			if _, err := p.expect(kindOperator, ","); err != nil {
				return err
			}
		}
		name, err := p.expect(kindName, "")
		if err != nil {
			return err
		}
		param := parameter{name: name.text}
		if p.skipOperator("=") {
			optional = true
			if param.fallback, err = p.expression(); err != nil {
				return err
			}
		} else if optional {
			return failAt(name.line, "non-default argument follows default argument")
		}
		if slices.ContainsFunc(n.parameters, func(q parameter) bool { return q.name == name.text }) {
			return failAt(name.line, "two parameters are called %q", name.text)
		}
		n.parameters = append(n.parameters, param)
	}
	_, err := p.expect(kindOperator, ")")
	return err
}

func (p *parser) withStatement(line int) (node, error) {
	n := &withNode{line: line}
	for p.current().kind != kindBlockEnd && !p.isOperator(":") {
		if len(n.targets) > 0 {
			if _, err := p.expect(kindOperator, ","); err != nil {
				return nil, err
			}
		}
		target, err := p.target(false)
		if err != nil {
			return nil, err
		}
		if _, err := p.expect(kindOperator, "="); err != nil {
			return nil, err
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		n.targets, n.values = append(n.targets, target), append(n.values, e)
	}
	var err error
	n.body, _, err = p.block("endwith")
	return n, err
}

func (p *parser) filterStatement(line int) (node, error) {
	filter, err := p.filter(&capturedText{})
	if err == nil {
		filter, err = p.filters(filter)
	}
	if err != nil {
		return nil, err
	}
	body, _, err := p.block("endfilter")
	return &captureNode{filter: filter, body: body, line: line}, err
}

func (p *parser) printStatement(line int) (node, error) {
	n := &printNode{}
	for p.current().kind != kindBlockEnd {
		if len(n.outputs) > 0 {
			if _, err := p.expect(kindOperator, ","); err != nil {
				return nil, err
			}
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		n.outputs = append(n.outputs, &outputNode{expression: e, line: line})
	}
	return n, nil
}

// generationStatement reads the tag with which transformers marks what an
// assistant wrote. It is only a scope here.
func (p *parser) generationStatement() (node, error) {
	loops := p.loops
	p.loops = 0
	defer func() { p.loops = loops }()
	body, _, err := p.block("endgeneration")
	return &scopeNode{body}, err
}

// target reads what is assigned to: a name, several in a tuple, and where
// attributes is set a namespace's attribute.
func (p *parser) target(attributes bool, ends ...string) (expression, error) {
	line := p.current().line
	e, err := p.tuple(tupleRules{simple: true, attributes: attributes, ends: ends})
	if err != nil {
		return nil, err
	}
	if !assignable(e) {
		return nil, failAt(line, "can't assign to that")
	}
	return e, nil
}

func assignable(e expression) bool {
	switch e := e.(type) {
	case *nameNode, *attributeTarget:
		return true
	case *sequenceNode:
		return e.tuple && !slices.ContainsFunc(e.items, func(item expression) bool { return !assignable(item) })
	}
	return false
}

// targets tells whether a target assigns to a name.
func targets(e expression, name string) bool {
	switch e := e.(type) {
	case *nameNode:
		return e.name == name
	case *sequenceNode:
		return slices.ContainsFunc(e.items, func(item expression) bool { return targets(item, name) })
	}
	return false
}
