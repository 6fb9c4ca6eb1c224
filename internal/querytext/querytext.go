// Package querytext gives what somebody typed in words that a model understands: as it is,
// or translated, while a search waits for it. Translations come from the workers by request
// and reply with a deadline; they are kept, and equal ones that are asked at once share a
// request.
package querytext

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"parley/internal/jobspec"
)

// Why there is no translation where one was wanted. Whoever searches goes on with the
// original.
var (
	// ErrNoWorker says that no worker translates from the language; it comes at once.
	ErrNoWorker = errors.New("no worker translates the query")
	// ErrDeadline says that the answer did not come in time.
	ErrDeadline = errors.New("no translation came in time")
	// ErrOverloaded says that the worker holds as many queries as it may; it comes at once.
	ErrOverloaded = errors.New("the worker has too many queries")
	// ErrFailed says that the model or the way to it is at fault.
	ErrFailed = errors.New("the query could not be translated")
)

// Asked is a text and what is known of it.
type Asked struct {
	Text string
	// Digest is that of the model that is to understand the text.
	Digest string
	// Words are those of the text as the search tells them apart, and Known tells whether
	// one is among those that are searched; nil for none.
	Words []string
	Known func(word string) bool
	// Preferred are tags of the languages that whoever asks prefers, the dearest first.
	Preferred []string
	// Language is the text's where that is known, a tag; nil to find out.
	Language *string
}

// Understood is the text in words that the model understands, as far as that could be.
type Understood struct {
	// Text is the original where it was not translated.
	Text string
	// From is the language that was translated from or should have been, as the
	// translating model calls it; "" where the text is taken as it is.
	From       string
	Translated bool
}

// readable tells whether a text can be in a language: it has letters, and is neither broken
// nor longer than what is translated.
func readable(text string) bool {
	return len(text) <= utf8.UTFMax*jobspec.MaxQueryRunes && utf8.ValidString(text) && strings.ContainsFunc(text, unicode.IsLetter)
}

// normalize gives the form in which a text is translated and kept: compatibility forms
// joined and white space collapsed. Case stays, as it tells a noun in German, but for a
// text in capitals alone, in which it tells nothing.
func normalize(text string) string {
	text = strings.Join(strings.Fields(norm.NFKC.String(text)), " ")
	if strings.ToUpper(text) == text {
		text = strings.ToLower(text)
	}
	return text
}

// known counts the words that are known, of how many.
func (a Asked) known() (known, of int) {
	for _, w := range a.Words {
		if a.Known != nil && a.Known(w) {
			known++
		}
	}
	return known, len(a.Words)
}
