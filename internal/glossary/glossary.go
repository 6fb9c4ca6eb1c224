// Package glossary finds the terms of a glossary in texts. API and worker share it.
package glossary

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"parley/internal/jobspec"
)

// Key is what two terms have in common that are the same but for case, canonical
// forms, spaces and apostrophes.
func Key(term string) string { return string(fold(term).runes) }

// Matcher finds terms in texts.
type Matcher struct {
	terms []jobspec.Term
	root  node
	// elides tells that the language sets no space behind an article that lost its vowel.
	elides bool
}

type node struct {
	next map[rune]*node
	// term is one more than the number of the term that ends here.
	term int
}

// New makes a Matcher of terms of a language, a BCP 47 tag, of which no two have the same
// Key.
func New(language string, terms []jobspec.Term) *Matcher {
	base, _, _ := strings.Cut(language, "-")
	m := &Matcher{terms: terms, elides: slices.Contains(eliding, base)}
	for i, t := range terms {
		at := &m.root
		for _, r := range fold(t.Term).runes {
			if at.next == nil {
				at.next = map[rune]*node{}
			}
			if at.next[r] == nil {
				at.next[r] = &node{}
			}
			at = at.next[r]
		}
		if at != &m.root && at.term == 0 {
			at.term = i + 1
		}
	}
	return m
}

// Match is an occurrence of a term: the offsets of its first byte and of the one
// behind its last.
type Match struct {
	Term       jobspec.Term
	Start, End int
}

// Find gives the occurrences of terms in a text, the leftmost first and of several at
// one place the longest; they don't overlap. A term is found as a whole word by UAX #29
// (anywhere in scripts without spaces), whatever its case unless it has a capital
// letter behind its first. The time grows with the text times the longest term.
func (m *Matcher) Find(text string) []Match {
	var found []Match
	f := fold(text)
	edges := m.boundaries(text)
	for i := 0; i < len(f.runes); {
		term, end := m.longest(text, f, edges, i, nil)
		if term < 0 {
			i++
			continue
		}
		found = append(found, Match{m.terms[term], f.at[i], f.at[end]})
		i = end
	}
	return found
}

// Occurring gives those of the terms that a text has anywhere, also within longer ones,
// in their order.
func (m *Matcher) Occurring(texts ...string) []jobspec.Term {
	seen := make([]bool, len(m.terms))
	for _, text := range texts {
		f, edges := fold(text), m.boundaries(text)
		for i := range f.runes {
			m.longest(text, f, edges, i, seen)
		}
	}
	var terms []jobspec.Term
	for i, t := range m.terms {
		if seen[i] {
			terms = append(terms, t)
		}
	}
	return terms
}

// longest gives the number of the longest term that begins at a place, or -1, and its
// end. All that begin there are noted in seen, unless it is nil.
func (m *Matcher) longest(text string, f folded, edges []bool, start int, seen []bool) (term, end int) {
	term = -1
	if m.root.next[f.runes[start]] == nil || !f.whole(start) || !edges[f.at[start]] {
		return term, 0
	}
	at := &m.root
	for i := start; i < len(f.runes); i++ {
		if at = at.next[f.runes[i]]; at == nil {
			break
		}
		if at.term > 0 && f.whole(i+1) && edges[f.at[i+1]] && m.fits(at.term-1, text[f.at[start]:f.at[i+1]]) {
			term, end = at.term-1, i+1
			if seen != nil {
				seen[term] = true
			}
		}
	}
	return term, end
}

// fits compares the letters' case where that counts.
func (m *Matcher) fits(term int, found string) bool {
	want := m.terms[term].Term
	_, size := utf8.DecodeRuneInString(want)
	if !strings.ContainsFunc(want[size:], unicode.IsUpper) {
		return true
	}
	exact := func(s string) string { return norm.NFC.String(strings.Join(strings.Fields(straight(s)), " ")) }
	return exact(want) == exact(found)
}

func straight(s string) string { return strings.ReplaceAll(s, "\u2019", "'") }

// folded is a text as it is compared. at has the offset in the text of the character
// that each rune comes from, and the text's length at its end.
type folded struct {
	runes []rune
	at    []int
}

// whole tells that a character of the text begins at a rune.
func (f folded) whole(i int) bool { return i == 0 || f.at[i] != f.at[i-1] }

// fold decomposes characters, folds their case, and makes one space of several. Line
// breaks stay: nothing is found across them.
func fold(text string) folded {
	f := folded{runes: make([]rune, 0, len(text)), at: make([]int, 0, len(text)+1)}
	folder := cases.Fold()
	for i, r := range text {
		switch {
		case r == '\n' || r == '\r':
			f.add(r, i)
		case unicode.IsSpace(r):
			if n := len(f.runes); n == 0 || f.runes[n-1] != ' ' {
				f.add(' ', i)
			}
		case r == '\u2019':
			f.add('\'', i)
		case r < utf8.RuneSelf:
			f.add(unicode.ToLower(r), i)
		default:
			for _, d := range folder.String(norm.NFD.String(string(r))) {
				f.add(d, i)
			}
		}
	}
	f.at = append(f.at, len(text))
	return f
}

func (f *folded) add(r rune, at int) {
	f.runes, f.at = append(f.runes, r), append(f.at, at)
}

// boundaries tells for each offset of a text whether a term may begin or end there.
func (m *Matcher) boundaries(text string) []bool {
	edges := make([]bool, len(text)+1)
	edges[0], edges[len(text)] = true, true
	state := -1
	for at, rest := 0, text; rest != ""; {
		var word string
		word, rest, state = uniseg.FirstWordInString(rest, state)
		at += len(word)
		edges[at] = true
	}
	if m.elides {
		for _, at := range elision.FindAllStringSubmatchIndex(text, -1) {
			edges[at[3]] = true
		}
	}
	previous := rune(0)
	for i, r := range text {
		if i > 0 && !unicode.Is(unicode.M, r) && unspaced(previous) && unspaced(r) {
			edges[i] = true
		}
		previous = r
	}
	return edges
}

// eliding are languages whose articles, prepositions and pronouns lose their vowel before
// another, and the space with it.
var eliding = []string{"fr", "it", "ca"}

// elision is what a word is joined to: one or two letters, or a longer word that is known
// to lose its vowel, and an apostrophe.
var elision = regexp.MustCompile(`(?i)(?:^|[^\pL\pM\pN_])((?:\pL{1,2}|dell|nell|sull|dall|all|coll|quell|bell|sant|jusqu|lorsqu|puisqu|quoiqu)['\x{2019}])`)

// unspaced tells the letters of scripts that set no space between words.
func unspaced(r rune) bool {
	return r > 0x7ff && (r == '\u30fc' || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan))
}

// Put gives the translation of a match as it stands in the other text: with a capital
// first letter where the text has one and the term has not.
func (m Match) Put(text string) string {
	term, _ := utf8.DecodeRuneInString(m.Term.Term)
	there, _ := utf8.DecodeRuneInString(text[m.Start:m.End])
	if unicode.IsUpper(term) || !unicode.IsUpper(there) {
		return m.Term.Translation
	}
	return Capitalized(m.Term.Translation)
}

// Capitalized gives a text with a capital first letter.
func Capitalized(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 || first == utf8.RuneError && size == 1 {
		return text
	}
	return string(unicode.ToTitle(first)) + text[size:]
}
