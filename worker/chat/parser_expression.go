package chat

import "slices"

func (p *parser) expression() (expression, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	return p.conditional()
}

// conditional reads `a if b else c`.
func (p *parser) conditional() (expression, error) {
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	for p.current().is(kindName, "if") {
		line := p.next().line
		condition, err := p.or()
		if err != nil {
			return nil, err
		}
		n := &conditionalNode{condition: condition, then: e, line: line}
		if p.skipName("else") {
			if n.otherwise, err = p.expression(); err != nil {
				return nil, err
			}
		}
		e = n
	}
	return e, nil
}

func (p *parser) or() (expression, error) {
	left, err := p.and()
	for err == nil && p.skipName("or") {
		var right expression
		right, err = p.and()
		left = &logicalNode{left: left, right: right, or: true}
	}
	return left, err
}

func (p *parser) and() (expression, error) {
	left, err := p.not()
	for err == nil && p.skipName("and") {
		var right expression
		right, err = p.not()
		left = &logicalNode{left: left, right: right}
	}
	return left, err
}

func (p *parser) not() (expression, error) {
	if !p.skipName("not") {
		return p.comparison()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	e, err := p.not()
	return &notNode{e}, err
}

var comparisons = []string{"==", "!=", "<", "<=", ">", ">="}

func (p *parser) comparison() (expression, error) {
	line := p.current().line
	first, err := p.sum()
	if err != nil {
		return nil, err
	}
	n := &comparisonNode{first: first, line: line}
	for {
		var op string
		switch t := p.current(); {
		case t.kind == kindOperator && slices.Contains(comparisons, t.text):
			op = p.next().text
		case t.is(kindName, "in"):
			op = p.next().text
		case t.is(kindName, "not") && p.look().is(kindName, "in"):
			p.next()
			p.next()
			op = "not in"
		case len(n.rest) == 0:
			return first, nil
		default:
			return n, nil
		}
		e, err := p.sum()
		if err != nil {
			return nil, err
		}
		n.rest = append(n.rest, comparand{op, e})
	}
}

// chain reads operands with the operators of one rank between them, from left
// to right.
func (p *parser) chain(operand func() (expression, error), ops ...string) (expression, error) {
	left, err := operand()
	for err == nil && p.current().kind == kindOperator && slices.Contains(ops, p.current().text) {
		op := p.next()
		var right expression
		right, err = operand()
		left = &binaryNode{op: op.text, left: left, right: right, line: op.line}
	}
	return left, err
}

func (p *parser) sum() (expression, error) { return p.chain(p.concatenation, "+", "-") }

// concatenation reads `a ~ b ~ c`.
func (p *parser) concatenation() (expression, error) {
	first, err := p.product()
	if err != nil || !p.isOperator("~") {
		return first, err
	}
	n := &concatenationNode{parts: []expression{first}}
	for p.skipOperator("~") {
		e, err := p.product()
		if err != nil {
			return nil, err
		}
		n.parts = append(n.parts, e)
	}
	return n, nil
}

func (p *parser) product() (expression, error) { return p.chain(p.power, "*", "/", "//", "%") }

func (p *parser) power() (expression, error) {
	return p.chain(func() (expression, error) { return p.unary(true) }, "**")
}

// unary reads signs, and where filtered is set the filters and tests behind.
func (p *parser) unary(filtered bool) (expression, error) {
	var e expression
	var err error
	if t := p.current(); t.is(kindOperator, "-") || t.is(kindOperator, "+") {
		p.next()
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.leave()
		if e, err = p.unary(false); err == nil {
			e = &signNode{operand: e, minus: t.text == "-", line: t.line}
		}
	} else {
		e, err = p.primary(false)
	}
	if err == nil {
		e, err = p.postfix(e)
	}
	if err == nil && filtered {
		e, err = p.filtersAndTests(e)
	}
	return e, err
}

// primary reads a name or a literal; attributes allows `namespace.attribute`,
// to which one can assign.
func (p *parser) primary(attributes bool) (expression, error) {
	t := p.next()
	switch t.kind {
	case kindName:
		return p.named(t, attributes)
	case kindString:
		text := t.text
		for p.current().kind == kindString {
			text += p.next().text
		}
		return &literalNode{text}, nil
	case kindNumber:
		return &literalNode{t.number}, nil
	case kindOperator:
		switch t.text {
		case "(":
			if err := p.enter(); err != nil {
				return nil, err
			}
			defer p.leave()
			e, err := p.tuple(tupleRules{conditional: true, parentheses: true})
			if err != nil {
				return nil, err
			}
			_, err = p.expect(kindOperator, ")")
			return e, err
		case "[":
			return p.list()
		case "{":
			return p.dict(t.line)
		}
	}
	return nil, failAt(t.line, "unexpected %s", t.describe())
}

func (p *parser) named(t token, attributes bool) (expression, error) {
	switch t.text {
	case "true", "True":
		return &literalNode{true}, nil
	case "false", "False":
		return &literalNode{false}, nil
	case "none", "None":
		return &literalNode{nil}, nil
	}
	if attributes && p.skipOperator(".") {
		attribute, err := p.expect(kindName, "")
		return &attributeTarget{namespace: t.text, attribute: attribute.text, line: t.line}, err
	}
	return &nameNode{name: t.text, line: t.line}, nil
}

// tupleRules say what tuple may read.
type tupleRules struct {
	// simple takes only names and literals, as targets are.
	simple bool
	// attributes takes namespaces' attributes too.
	attributes bool
	// conditional takes `a if b`.
	conditional bool
	// parentheses allow an empty tuple.
	parentheses bool
	// ends are names that end the tuple.
	ends []string
}

// tuple reads an expression, or several with commas between, which make a tuple.
func (p *parser) tuple(rules tupleRules) (expression, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	read := p.or
	if rules.conditional {
		read = p.conditional
	}
	if rules.simple {
		read = func() (expression, error) { return p.primary(rules.attributes) }
	}
	var items []expression
	commas := false
	for !p.tupleEnds(rules.ends) {
		e, err := read()
		if err != nil {
			return nil, err
		}
		items = append(items, e)
		if !p.skipOperator(",") {
			break
		}
		commas = true
	}
	if !commas && len(items) == 1 {
		return items[0], nil
	}
	if len(items) == 0 && !rules.parentheses {
		return nil, failAt(p.current().line, "expected an expression, got %s", p.current().describe())
	}
	return &sequenceNode{items: items, tuple: true}, nil
}

func (p *parser) tupleEnds(ends []string) bool {
	t := p.current()
	switch t.kind {
	case kindVariableEnd, kindBlockEnd:
		return true
	case kindName:
		return slices.Contains(ends, t.text)
	}
	return t.is(kindOperator, ")")
}

func (p *parser) list() (expression, error) {
	var items []expression
	for !p.isOperator("]") {
		if len(items) > 0 {
			if _, err := p.expect(kindOperator, ","); err != nil {
				return nil, err
			}
			if p.isOperator("]") {
				break
			}
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		items = append(items, e)
	}
	p.next()
	return &sequenceNode{items: items}, nil
}

func (p *parser) dict(line int) (expression, error) {
	n := &dictNode{line: line}
	for !p.isOperator("}") {
		if len(n.keys) > 0 {
			if _, err := p.expect(kindOperator, ","); err != nil {
				return nil, err
			}
			if p.isOperator("}") {
				break
			}
		}
		key, err := p.expression()
		if err != nil {
			return nil, err
		}
		if _, err := p.expect(kindOperator, ":"); err != nil {
			return nil, err
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		n.keys, n.values = append(n.keys, key), append(n.values, v)
	}
	p.next()
	return n, nil
}
