package store

import (
	"strings"
	"unicode/utf8"
)

// Storable tells whether both databases keep a text as it is: it is UTF-8
// without NUL, which Postgres refuses.
func Storable(text string) bool {
	return utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}
