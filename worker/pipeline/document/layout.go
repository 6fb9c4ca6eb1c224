// Package document cuts texts into sentences and what stands between them, and
// puts them together again without losing a byte.
package document

import (
	"regexp"
	"strings"
	"unicode"
)

// Segment is a stretch of a document: a sentence, or layout that is kept as it is.
// The segments of a document make up its whole text.
type Segment struct {
	Text     string
	Sentence bool
}

// Join gives the text that segments make up.
func Join(segments []Segment) string {
	var out strings.Builder
	for _, s := range segments {
		out.WriteString(s.Text)
	}
	return out.String()
}

// lineStart is what stands before the words of a line: indentation, quote
// marks, headings, list marks ("-", "*", "+", "1.", "a)") and check boxes.
var lineStart = regexp.MustCompile(`^[ \t]*(?:(?:>+|#{1,6}|[-*+\x{2022}\x{2013}\x{2014}]|\d{1,4}[.)]|[A-Za-z]\)|\[[ xX]\])[ \t\x{a0}]+)*`)

// codeFence begins and ends lines that are no prose.
var codeFence = regexp.MustCompile("^[ \t]*(?:```|~~~)")

// Split cuts a text in a language, a BCP 47 tag, into sentences and layout. Line
// breaks, blank lines, indentation, list marks, code between fences and the space
// between sentences are layout.
func Split(text, language string) []Segment {
	var d document
	fenced := false
	for _, line := range strings.SplitAfter(text, "\n") {
		body := strings.TrimRight(line, "\r\n")
		fence := codeFence.MatchString(body)
		if fence {
			fenced = !fenced
		}
		if fenced || fence {
			d.keep(line)
			continue
		}
		start := len(lineStart.FindString(body))
		words := strings.TrimRightFunc(body[start:], unicode.IsSpace)
		d.keep(line[:start])
		for rest := words; rest != ""; {
			end := sentenceEnd(rest, language)
			d.sentence(rest[:end])
			space := len(rest) - len(strings.TrimLeftFunc(rest[end:], unicode.IsSpace)) - end
			d.keep(rest[end : end+space])
			rest = rest[end+space:]
		}
		d.keep(line[start+len(words):])
	}
	return d.segments
}

// document collects segments; kept neighbours become one.
type document struct{ segments []Segment }

func (d *document) keep(text string) {
	if text == "" {
		return
	}
	if last := len(d.segments) - 1; last >= 0 && !d.segments[last].Sentence {
		d.segments[last].Text += text
		return
	}
	d.segments = append(d.segments, Segment{Text: text})
}

// sentence adds a sentence; one without a letter means the same everywhere.
func (d *document) sentence(text string) {
	if !strings.ContainsFunc(text, unicode.IsLetter) {
		d.keep(text)
		return
	}
	d.segments = append(d.segments, Segment{Text: text, Sentence: true})
}
