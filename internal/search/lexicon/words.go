package lexicon

import (
	"strings"
	"unicode"

	"parley/internal/embedding"
)

// Words gives the words of a text by which it is found, in their order: letters and
// digits in the form that embedding.Normalize gives, each emoji by itself, and of scripts
// that put no spaces between words every two neighbours, one alone where there is one.
func Words(text string) []string {
	var s segmenter
	for _, r := range embedding.Normalize(text) {
		s.take(r)
	}
	s.end()
	return s.words
}

// script is how the words of a character's kind are told apart.
type script int

const (
	between script = iota
	spaced
	unspaced
	symbol
)

// joiner makes one emoji of two.
const joiner = '\u200d'

type segmenter struct {
	words []string
	run   []rune
	kind  script
}

func (s *segmenter) take(r rune) {
	switch {
	case r == '\ufe0e' || r == '\ufe0f':
		// How an emoji is drawn makes it no other.
		return
	case (r == '\'' || r == '’') && s.kind == spaced:
		return
	case s.kind != between && (unicode.IsMark(r) || s.kind == symbol && s.goesOn(r)):
		s.run = append(s.run, r)
		return
	}
	kind := scriptOf(r)
	if kind != s.kind || kind == symbol {
		s.end()
	}
	if s.kind = kind; kind != between {
		s.run = append(s.run, r)
	}
}

// goesOn tells whether an emoji consists of what there is of it and r.
func (s *segmenter) goesOn(r rune) bool {
	last := s.run[len(s.run)-1]
	return r == joiner || last == joiner || unicode.Is(unicode.Sk, r) ||
		regional(r) && regional(last) && len(s.run) == 1
}

// regional tells whether r is a half of a flag.
func regional(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }

func scriptOf(r rune) script {
	switch {
	case r == 'ー', unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
		return unspaced
	case unicode.IsLetter(r), unicode.IsNumber(r):
		return spaced
	case unicode.Is(unicode.So, r) && r != unicode.ReplacementChar:
		return symbol
	}
	return between
}

// end closes the word under way.
func (s *segmenter) end() {
	switch {
	case len(s.run) == 0:
	case s.kind == unspaced && len(s.run) > 1:
		for i := 1; i < len(s.run); i++ {
			s.words = append(s.words, string(s.run[i-1:i+1]))
		}
	default:
		s.words = append(s.words, strings.TrimRight(string(s.run), string(joiner)))
	}
	s.run, s.kind = s.run[:0], between
}
