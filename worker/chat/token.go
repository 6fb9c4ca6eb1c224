package chat

// kind says what a token is.
type kind int

const (
	kindEnd kind = iota
	// kindData is text outside of tags.
	kindData
	kindVariableBegin
	kindVariableEnd
	kindBlockBegin
	kindBlockEnd
	kindName
	kindString
	kindNumber
	// kindOperator is an operator or a bracket, which is its text.
	kindOperator
)

type token struct {
	kind kind
	// text is a name, an operator, the text of data or a string's content.
	text string
	// number is a number's value: an integer or a float64.
	number value
	line   int
}

func (t token) is(k kind, text string) bool { return t.kind == k && t.text == text }

// describe names a token in an error.
func (t token) describe() string {
	switch t.kind {
	case kindEnd:
		return "end of template"
	case kindData:
		return "text"
	case kindVariableBegin:
		return "{{"
	case kindVariableEnd:
		return "}}"
	case kindBlockBegin:
		return "{%"
	case kindBlockEnd:
		return "%}"
	case kindNumber:
		return "a number"
	case kindString:
		return "a string"
	}
	return t.text
}
