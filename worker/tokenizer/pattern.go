package tokenizer

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
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
	re, err := regexp2.Compile(expression, regexp2.Multiline)
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", expression, err)
	}
	re.MatchTimeout = regexTimeout
	return backtracking{re}, nil
}
