package translate

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// placeholder is what is the same in every language: addresses, tags as they stand in
// the files that translators work with, and what programs replace. The last of
// alternatives that begin alike is the widest.
var placeholder = regexp.MustCompile(strings.Join([]string{
	`(?:https?://|ftp://|www\.)[^\s<>"]*[^\s<>"'.,;:!?)\]}]`,
	`[\w.+-]+@[\w-]+(?:\.[\w-]+)+`,
	`</?[A-Za-z][\w:.-]*(?:\s+[\w:.-]+=(?:"[^"<>]*"|'[^'<>]*'))*\s*/?>`,
	`\{\{[^{}\n]{1,100}\}\}`,                                                              // {{name}}
	`[$#%@]?\{ ?[\w.:$@\[\]-]{0,100} ?\}`,                                                 // {name}, ${name}, #{name}, %{name}, {0}, {}
	`%\(\w{1,100}\)[sdifgr]\b`,                                                            // %(name)s
	`%[A-Za-z_]\w{0,100}%`,                                                                // %name%
	`%(?:\d{1,2}\$)?[-+#0]*\d{0,3}(?:\.\d{1,3})?(?:hh?|ll?|[zjtLq])?[sdiuxXofFeEgGcpv]\b`, // %s, %1$d, %.2f
	`%(?:\d{1,2}\$)?@`,                                                                    // %@
	`%%`,
	`:[a-z][a-z0-9_+-]{1,50}:`, // :name:
}, "|"))

// placeholders finds them in a text, in order. ":name:" counts between spaces and
// punctuation only, since times and lists have colons too.
func placeholders(text string) []span {
	var found []span
	for _, m := range placeholder.FindAllStringIndex(text, -1) {
		if text[m[0]] == ':' && (wordBefore(text[:m[0]]) || wordAfter(text[m[1]:])) {
			continue
		}
		found = append(found, span{m[0], m[1]})
	}
	return found
}

func isWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r) || r == '_'
}

// wordBefore and wordAfter tell whether a word goes on at the end or start of text.
func wordBefore(text string) bool {
	r, _ := utf8.DecodeLastRuneInString(text)
	return isWord(r)
}

func wordAfter(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	return isWord(r)
}
