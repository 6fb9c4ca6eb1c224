package tokenizer

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
)

// errUnsupported stands under the name of a part that is not known here.
var errUnsupported = errors.New("is not supported")

// regexTimeout bounds one search of a regular expression that may backtrack.
// Text behind a search that took longer counts as not matched.
const regexTimeout = time.Second

// span is a match in a text, in bytes.
type span struct{ start, end int }

// pattern finds its matches in a text: in order, none empty, none overlapping.
type pattern interface {
	spans(text string) []span
}

// literal matches itself.
type literal string

func (l literal) spans(text string) []span {
	if l == "" {
		return nil
	}
	var found []span
	for at := 0; ; {
		i := strings.Index(text[at:], string(l))
		if i < 0 {
			return found
		}
		found = append(found, span{at + i, at + i + len(l)})
		at += i + len(l)
	}
}

// runes matches each character of a class.
type runes func(rune) bool

func (is runes) spans(text string) []span {
	var found []span
	for i, r := range text {
		if is(r) {
			found = append(found, span{i, i + utf8.RuneLen(r)})
		}
	}
	return found
}

// runs matches each longest row of characters of a class.
type runs func(rune) bool

func (is runs) spans(text string) []span {
	var found []span
	start := -1
	for i, r := range text {
		switch in := is(r); {
		case in && start < 0:
			start = i
		case !in && start >= 0:
			found = append(found, span{start, i})
			start = -1
		}
	}
	if start >= 0 {
		found = append(found, span{start, len(text)})
	}
	return found
}

// scanner is a hand-written regular expression. It gives where the match that
// begins at a byte ends, or that byte for none.
type scanner func(text string, at int) int

func (scan scanner) spans(text string) []span {
	found := make([]span, 0, len(text)/4+1)
	for at := 0; at < len(text); {
		if end := scan(text, at); end > at {
			found = append(found, span{at, end})
			at = end
			continue
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return found
}

// linear is a regular expression that the standard library can run.
type linear struct{ re *regexp.Regexp }

func (l linear) spans(text string) []span {
	var found []span
	for _, m := range l.re.FindAllStringIndex(text, -1) {
		if m[0] < m[1] {
			found = append(found, span{m[0], m[1]})
		}
	}
	return found
}

// backtracking is any other regular expression.
type backtracking struct{ re *regexp2.Regexp }

func (b backtracking) spans(text string) []span {
	var found []span
	m, err := b.re.FindStringMatch(text)
	for err == nil && m != nil {
		if start, length := m.ByteRange(); length > 0 {
			found = append(found, span{start, start + length})
		}
		m, err = b.re.FindNextMatch(m)
	}
	return found
}

// compileRegex gives the hand-written form of a well-known expression; others
// go to the standard library where both dialects agree, else to a backtracking
// engine.
func compileRegex(expression string) (pattern, error) {
	if known, ok := knownPatterns[expression]; ok {
		return known, nil
	}
	if !strings.Contains(expression, `\`) {
		// As in the reference, ^ and $ stand at lines.
		if re, err := regexp.Compile("(?m)" + expression); err == nil {
			return linear{re}, nil
		}
	}
	re, err := regexp2.Compile(widen(expression), regexp2.Multiline)
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", expression, err)
	}
	re.MatchTimeout = regexTimeout
	return backtracking{re}, nil
}

// widen gives the classes of an expression the characters that the reference's
// engine has in them and the engine here has not.
func widen(expression string) string {
	var out strings.Builder
	inside := false
	for i := 0; i < len(expression); i++ {
		c := expression[i]
		if c != '\\' || i+1 == len(expression) {
			inside = c == '[' || inside && c != ']'
			out.WriteByte(c)
			continue
		}
		size := 2
		if end := strings.IndexByte(expression[i:], '}'); expression[i+1] == 'p' && end > 0 {
			size = end + 1
		}
		class := expression[i : i+size]
		more, ok := wider[class]
		switch {
		case !ok:
			out.WriteString(class)
		case inside:
			out.WriteString(more)
		default:
			out.WriteString("[" + more + "]")
		}
		i += size - 1
	}
	return out.String()
}

// wider are classes with their characters of Unicode 16, \w as Oniguruma has it.
var wider = map[string]string{
	`\p{L}`: `\p{L}` + ranges(newLetters),
	`\p{N}`: `\p{N}` + ranges(newNumbers),
	`\p{M}`: `\p{M}` + ranges(newMarks),
	`\d`:    `\d` + ranges(newNumbers),
	`\w`:    `\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\u00b2\u00b3\u00b9\u00bc-\u00be\u24b6-\u24e9` + ranges(newWords),
}

// ranges writes a table as ranges of a class.
func ranges(table *unicode.RangeTable) string {
	var out strings.Builder
	for _, r := range table.R16 {
		out.WriteString(string(rune(r.Lo)) + "-" + string(rune(r.Hi)))
	}
	for _, r := range table.R32 {
		out.WriteString(string(rune(r.Lo)) + "-" + string(rune(r.Hi)))
	}
	return out.String()
}
