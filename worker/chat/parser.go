package chat

// maxNesting is how deep tags and expressions may lie in one another. Python
// gives up at about the same depth.
const maxNesting = 200

// parser makes nodes of tokens. Its grammar is jinja2's, which is not quite
// Python's: ** binds to the left, and a filter binds closer than a sign.
type parser struct {
	tokens []token
	at     int
	depth  int
	// loops is how many loops the place being read stands in; a macro begins at 0.
	loops int
	// bodies is how many loop bodies there are around, whatever lies between.
	bodies int
}

func parse(source string) ([]node, error) {
	tokens, err := tokenize(source)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	nodes, _, err := p.body()
	return nodes, err
}

func (p *parser) current() token { return p.tokens[p.at] }

func (p *parser) look() token {
	if p.at+1 < len(p.tokens) {
		return p.tokens[p.at+1]
	}
	return p.tokens[len(p.tokens)-1]
}

// next gives the current token and goes on; the end stays current.
func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != kindEnd {
		p.at++
	}
	return t
}

func (p *parser) skipIf(k kind, text string) bool {
	if p.current().is(k, text) {
		p.next()
		return true
	}
	return false
}

func (p *parser) skipName(name string) bool { return p.skipIf(kindName, name) }

func (p *parser) skipOperator(op string) bool { return p.skipIf(kindOperator, op) }

func (p *parser) isOperator(op string) bool { return p.current().is(kindOperator, op) }

func (p *parser) expect(k kind, text string) (token, error) {
	t := p.current()
	if t.kind != k || text != "" && t.text != text {
		want := token{kind: k, text: text}.describe()
		if k == kindName && text == "" {
			want = "a name"
		}
		return t, failAt(t.line, "expected %s, got %s", want, t.describe())
	}
	return p.next(), nil
}

// enter counts a level of nesting; leave takes it back.
func (p *parser) enter() error {
	if p.depth++; p.depth > maxNesting {
		return failAt(p.current().line, "nested deeper than %d", maxNesting)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// body reads text and tags up to a tag that begins with one of ends, and gives
// that name, of which the tag is still to be read. Without ends it reads all.
func (p *parser) body(ends ...string) (nodes []node, end token, err error) {
	if err := p.enter(); err != nil {
		return nil, token{}, err
	}
	defer p.leave()
	for {
		switch t := p.next(); t.kind {
		case kindEnd:
			if len(ends) > 0 {
				return nil, t, failAt(t.line, "the template ends where %s was expected", ends[len(ends)-1])
			}
			return nodes, t, nil
		case kindData:
			nodes = append(nodes, &textNode{t.text})
		case kindVariableBegin:
			e, err := p.tuple(tupleRules{conditional: true})
			if err != nil {
				return nil, t, err
			}
			if _, err := p.expect(kindVariableEnd, ""); err != nil {
				return nil, t, err
			}
			nodes = append(nodes, &outputNode{expression: e, line: t.line})
		case kindBlockBegin:
			for _, name := range ends {
				if p.current().is(kindName, name) {
					return nodes, p.next(), nil
				}
			}
			n, err := p.statement()
			if err != nil {
				return nil, t, err
			}
			if _, err := p.expect(kindBlockEnd, ""); err != nil {
				return nil, t, err
			}
			nodes = append(nodes, n)
		}
	}
}

// block reads the end of a tag, and a body as body does. A colon may stand
// before the tag's end.
func (p *parser) block(ends ...string) ([]node, token, error) {
	p.skipOperator(":")
	if _, err := p.expect(kindBlockEnd, ""); err != nil {
		return nil, token{}, err
	}
	return p.body(ends...)
}
