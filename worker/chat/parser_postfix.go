package chat

// postfix reads subscripts, attributes and calls behind an expression.
func (p *parser) postfix(e expression) (expression, error) {
	var err error
	for err == nil {
		switch {
		case p.isOperator("."):
			e, err = p.attribute(e)
		case p.isOperator("["):
			e, err = p.subscript(e)
		case p.isOperator("("):
			e, err = p.call(e)
		default:
			return e, nil
		}
	}
	return nil, err
}

func (p *parser) attribute(e expression) (expression, error) {
	line := p.next().line
	switch t := p.next(); t.kind {
	case kindName:
		return &attributeNode{of: e, name: t.text, line: line}, nil
	case kindNumber:
		if _, float := t.number.(float64); !float {
			return &itemNode{of: e, key: &literalNode{t.number}, line: line}, nil
		}
		fallthrough
	default:
		return nil, failAt(t.line, "expected name or number, got %s", t.describe())
	}
}

func (p *parser) subscript(e expression) (expression, error) {
	line := p.next().line
	var items []expression
	for !p.isOperator("]") {
		if len(items) > 0 {
			if _, err := p.expect(kindOperator, ","); err != nil {
				return nil, err
			}
		}
		s, item, err := p.subscripted(e, line)
		if err != nil {
			return nil, err
		}
		if s != nil {
			if len(items) > 0 || !p.isOperator("]") {
				return nil, failAt(line, "a slice among several subscripts is not supported")
			}
			p.next()
			return s, nil
		}
		items = append(items, item)
	}
	p.next()
	switch len(items) {
	case 0:
		return &itemNode{of: e, key: &sequenceNode{tuple: true}, line: line}, nil
	case 1:
		return &itemNode{of: e, key: items[0], line: line}, nil
	}
	return &itemNode{of: e, key: &sequenceNode{items: items, tuple: true}, line: line}, nil
}

// subscripted reads a slice of e, or one subscript.
func (p *parser) subscripted(e expression, line int) (*sliceNode, expression, error) {
	n := &sliceNode{of: e, line: line}
	for i := range n.bounds {
		// Only the first must be there where no colon follows.
		if !p.isOperator(":") && (i == 0 || !p.isOperator("]") && !p.isOperator(",")) {
			bound, err := p.expression()
			if err != nil {
				return nil, nil, err
			}
			n.bounds[i] = bound
		}
		if i == 0 && !p.isOperator(":") {
			return nil, n.bounds[0], nil
		}
		if i == len(n.bounds)-1 || !p.skipOperator(":") {
			break
		}
	}
	return n, nil, nil
}

func (p *parser) call(e expression) (expression, error) {
	line := p.current().line
	a, err := p.arguments()
	return &callNode{function: e, arguments: a, line: line}, err
}

// arguments reads what stands in a call's parentheses.
func (p *parser) arguments() (*argumentList, error) {
	line := p.next().line
	a := &argumentList{}
	for first := true; !p.isOperator(")"); first = false {
		if !first {
			if _, err := p.expect(kindOperator, ","); err != nil {
				return nil, err
			}
			if p.isOperator(")") {
				break
			}
		}
		if err := p.argument(a, line); err != nil {
			return nil, err
		}
	}
	p.next()
	return a, nil
}

func (p *parser) argument(a *argumentList, line int) error {
	invalid := failAt(line, "invalid syntax for function call expression")
	var err error
	switch {
	case p.isOperator("*"):
		if a.spread != nil || a.spreadNamed != nil {
			return invalid
		}
		p.next()
		a.spread, err = p.expression()
	case p.isOperator("**"):
		if a.spreadNamed != nil {
			return invalid
		}
		p.next()
		a.spreadNamed, err = p.expression()
	case p.current().kind == kindName && p.look().is(kindOperator, "="):
		if a.spreadNamed != nil {
			return invalid
		}
		name := p.next().text
		p.next()
		for _, known := range a.names {
			if known == name {
				return failAt(line, "keyword argument repeated: %s", name)
			}
		}
		var e expression
		e, err = p.expression()
		a.names, a.named = append(a.names, name), append(a.named, e)
	default:
		if a.spread != nil || a.spreadNamed != nil || len(a.named) > 0 {
			return invalid
		}
		var e expression
		e, err = p.expression()
		a.positional = append(a.positional, e)
	}
	return err
}

// filtersAndTests reads `| filter` and `is test` behind an expression.
func (p *parser) filtersAndTests(e expression) (expression, error) {
	var err error
	for err == nil {
		switch {
		case p.isOperator("|"):
			e, err = p.filters(e)
		case p.current().is(kindName, "is"):
			e, err = p.test(e)
		case p.isOperator("("):
			e, err = p.call(e)
		default:
			return e, nil
		}
	}
	return nil, err
}

func (p *parser) filters(e expression) (expression, error) {
	var err error
	for err == nil && p.skipOperator("|") {
		e, err = p.filter(e)
	}
	return e, err
}

// filter reads a filter's name and arguments.
func (p *parser) filter(e expression) (expression, error) {
	name, err := p.dotted()
	if err != nil {
		return nil, err
	}
	n := &filterNode{of: e, name: name.text, arguments: &argumentList{}, line: name.line}
	if p.isOperator("(") {
		n.arguments, err = p.arguments()
	}
	return n, err
}

// dotted reads a name with dots in it.
func (p *parser) dotted() (token, error) {
	name, err := p.expect(kindName, "")
	for err == nil && p.skipOperator(".") {
		var part token
		part, err = p.expect(kindName, "")
		name.text += "." + part.text
	}
	return name, err
}

func (p *parser) test(e expression) (expression, error) {
	p.next()
	negated := p.skipName("not")
	name, err := p.dotted()
	if err != nil {
		return nil, err
	}
	n := &testNode{of: e, name: name.text, arguments: &argumentList{}, line: name.line}
	switch t := p.current(); {
	case p.isOperator("("):
		n.arguments, err = p.arguments()
	case t.is(kindName, "else"), t.is(kindName, "or"), t.is(kindName, "and"):
	case t.is(kindName, "is"):
		return nil, failAt(t.line, "you cannot chain multiple tests with is")
	case t.kind == kindName, t.kind == kindString, t.kind == kindNumber, p.isOperator("["), p.isOperator("{"):
		var argument expression
		if argument, err = p.primary(false); err == nil {
			argument, err = p.postfix(argument)
		}
		n.arguments.positional = []expression{argument}
	}
	if negated {
		return &notNode{n}, err
	}
	return n, err
}
