package model

import (
	"strings"
	"unicode"

	"parley/worker/pipeline/write"
)

// Bounds of the words by which texts are compared, in letters: shorter ones say little, and
// what follows the stem is inflection more often than not.
const (
	shortestWord = 3
	stem         = 4
)

// mostWordsOf gives the text that has most of the words of a wish, of equal ones the
// first.
func mostWordsOf(wish string, texts []write.Written) write.Written {
	wanted := stemsOf(wish)
	best, most := texts[0], -1
	for _, t := range texts {
		found := 0
		for w := range stemsOf(t.Text) {
			if wanted[w] {
				found++
			}
		}
		if found > most {
			best, most = t, found
		}
	}
	return best
}

// stemsOf gives how the words of a text begin, whatever their case.
func stemsOf(text string) map[string]bool {
	stems := map[string]bool{}
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }) {
		if letters := []rune(w); len(letters) >= shortestWord {
			stems[string(letters[:min(stem, len(letters))])] = true
		}
	}
	return stems
}
