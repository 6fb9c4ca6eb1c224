package chat

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// upper is Python's str.upper, which knows characters that become several.
func upper(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	return cases.Upper(language.Und).String(s)
}

// lower is Python's str.lower, which knows the sigma at a word's end.
func lower(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Lower(language.Und).String(s)
}

func casefold(s string) string { return cases.Fold().String(s) }

// titleOf is the form of one character at the head of a title.
func titleOf(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	return cases.Title(language.Und, cases.NoLower).String(s)
}

// firstCharacter cuts a text behind its first character.
func firstCharacter(s string) (first, rest string) {
	_, size := utf8.DecodeRuneInString(s)
	return s[:size], s[size:]
}

// capitalize is Python's str.capitalize.
func capitalize(s string) string {
	first, _ := firstCharacter(s)
	return titleOf(first) + strings.TrimPrefix(lower(s), lower(first))
}

// isCased tells whether a character has a case.
func isCased(r rune) bool {
	return unicode.In(r, unicode.Upper, unicode.Lower, unicode.Title, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

// title is Python's str.title: a word is what stands between characters that
// have no case.
func title(s string) string {
	var b strings.Builder
	for s != "" {
		start := strings.IndexFunc(s, isCased)
		if start < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:start])
		s = s[start:]
		end := strings.IndexFunc(s, func(r rune) bool { return !isCased(r) })
		if end < 0 {
			end = len(s)
		}
		b.WriteString(capitalize(s[:end]))
		s = s[end:]
	}
	return b.String()
}

// titleFilter is jinja2's filter title: a word begins behind white space, a
// hyphen or an opening bracket.
func titleFilter(s string) string {
	var b strings.Builder
	begins := func(r rune) bool { return isSpace(r) || strings.ContainsRune("-({[<", r) }
	for s != "" {
		end := strings.IndexFunc(s, begins)
		if end == 0 {
			end = strings.IndexFunc(s, func(r rune) bool { return !begins(r) })
		}
		if end < 0 {
			end = len(s)
		}
		first, rest := firstCharacter(s[:end])
		b.WriteString(upper(first) + lower(rest))
		s = s[end:]
	}
	return b.String()
}

// all tells whether a text has characters and all are of a kind.
func all(s string, is func(rune) bool) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !is(r) }) < 0
}

func isAlpha(r rune) bool          { return unicode.IsLetter(r) }
func isDecimal(r rune) bool        { return unicode.IsDigit(r) }
func isAlphaOrDecimal(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// digits is all, for kinds to which Python counts numbers beyond the decimal
// digits; these are refused, as Go's tables don't tell which.
func digits(s string, is func(rune) bool) (value, error) {
	for _, r := range s {
		if unicode.IsNumber(r) && !unicode.IsDigit(r) {
			return nil, fmt.Errorf("telling whether %q is a digit is not supported", r)
		}
	}
	return all(s, is), nil
}

// isCase is Python's str.isupper or islower.
func isCase(s string, wantUpper bool) bool {
	found := false
	for _, r := range s {
		up := unicode.In(r, unicode.Upper, unicode.Other_Uppercase)
		low := unicode.In(r, unicode.Lower, unicode.Other_Lowercase)
		if unicode.IsTitle(r) || up && !wantUpper || low && wantUpper {
			return false
		}
		found = found || up || low
	}
	return found
}
