package translate

import (
	"bytes"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"parley/worker/pipeline/document"
)

// plain is what typographic characters turn into when a vocabulary lacks them.
var plain = map[rune]string{
	'\u201c': `"`, '\u201d': `"`, '\u201e': `"`, '\u201f': `"`, '\u00ab': `"`, '\u00bb': `"`, '\u2033': `"`,
	'\u2018': "'", '\u2019': "'", '\u201a': "'", '\u201b': "'", '\u2039': "'", '\u203a': "'", '\u2032': "'", '\u00b4': "'", '`': "'",
	'\u2010': "-", '\u2011': "-", '\u2012': "-", '\u2013': "-", '\u2014': "-", '\u2015': "-", '\u2212': "-", '\u00ad': "",
	'\u2026': "...", '\u2022': "-", '\u00b7': "-", '\u2044': "/", '\u00d7': "x",
	'\u00a0': " ", '\u2002': " ", '\u2003': " ", '\u2007': " ", '\u2009': " ", '\u200a': " ", '\u202f': " ", '\u3000': " ",
	'\u200b': "", '\u2060': "", '\ufeff': "", '\u200e': "", '\u200f': "",
}

// partner is the other half of a pair of quotes: one half without the other is
// worse than none.
var partner = map[rune]rune{
	'\u201c': '\u201d', '\u201d': '\u201c', '\u201e': '\u201d', '\u2018': '\u2019', '\u2019': '\u2018', '\u201a': '\u2019',
	'\u00ab': '\u00bb', '\u00bb': '\u00ab', '\u2039': '\u203a', '\u203a': '\u2039',
}

// carrier prepares sentences for a vocabulary. What can't be written with it is
// taken out and put back into the translation:
//
//   - typographic characters become plain ones, letters with an unknown accent
//     lose it;
//   - an emoji, another picture or a stand-in goes alone, any other unknown
//     character takes the word that it stands in along;
//   - at the start, at the end, or before closing punctuation it comes back
//     there; elsewhere between the words at the same share of the way, before
//     the same punctuation if that follows it;
//   - a tag comes back at the word that is as large a share of the words behind
//     the start as its own was: the model does not tell which words it moved;
//   - a sentence of which no letter is left stays as it is.
type carrier struct {
	knows func(string) bool
	// runes remembers which characters are known: rune to bool.
	runes sync.Map
}

// carried is a stretch that was taken out: the text, how many words and characters of
// the rest stand before it, whether space touched it on either side, and the punctuation
// behind it.
type carried struct {
	text                    string
	words, runes            int
	spaceBefore, spaceAfter bool
	following               string
	// joined tells that it stood right behind the one before it, elided behind an apostrophe.
	joined, elided bool
	// tag is set for a stand-in that takes no place, closing for one that belongs to
	// what stands before it, and beside for one whose neighbour there was taken out too.
	tag, closing, beside bool
}

// prepare gives what the model shall read and what was taken out of it. An
// empty rest means that there is nothing to translate.
func (c *carrier) prepare(sentence string) (rest string, out []carried) {
	if c.knows(sentence) && !strings.ContainsFunc(sentence, isStandIn) {
		return sentence, nil
	}
	sentence, tags := takeTags(c.plain(sentence))
	spans := splitAt(sentence, c.spans(sentence), tags)
	markBeside(tags, spans)
	if len(spans) == 0 && len(tags) == 0 {
		return sentence, nil
	}
	var kept remainder
	at := 0
	for i, s := range spans {
		for len(tags) > 0 && tags[0].at <= s.start {
			kept.write(sentence[at:tags[0].at])
			at = tags[0].at
			out = append(out, tags[0].carried(sentence, kept.words))
			tags = tags[1:]
		}
		kept.write(sentence[at:s.start])
		at = s.end
		next := len(sentence)
		if i+1 < len(spans) {
			next = spans[i+1].start
		}
		after := sentence[at:next]
		out = append(out, carried{
			text: sentence[s.start:s.end], words: kept.words, runes: utf8.RuneCount(kept.text),
			spaceBefore: s.start > 0 && endsWithSpace(sentence[:s.start]),
			spaceAfter:  after != strings.TrimLeftFunc(after, unicode.IsSpace),
			following:   document.LeadingPunctuation(after),
			joined:      i > 0 && spans[i-1].end == s.start,
			elided:      endsWithApostrophe(sentence[:s.start]),
		})
		// The gap closes as if nothing had stood there.
		used := kept.closeGap(after)
		for len(tags) > 0 && tags[0].at < at+used {
			out = append(out, tags[0].carried(sentence, kept.words))
			tags = tags[1:]
		}
		at += used
	}
	for _, t := range tags {
		kept.write(sentence[at:t.at])
		at = t.at
		out = append(out, t.carried(sentence, kept.words))
	}
	kept.write(sentence[at:])
	rest = strings.TrimFunc(string(kept.text), unicode.IsSpace)
	if !strings.ContainsFunc(rest, unicode.IsLetter) {
		return "", nil
	}
	return rest, out
}

// remainder is what is left of a sentence, with the number of its words.
type remainder struct {
	text  []byte
	words int
}

func (k *remainder) write(s string) {
	if s == "" {
		return
	}
	k.words += len(strings.Fields(s))
	if len(k.text) > 0 && !endsWithSpace(string(k.text[max(0, len(k.text)-utf8.UTFMax):])) && !startsWithSpace(s) {
		// It goes on with the last word.
		k.words--
	}
	k.text = append(k.text, s...)
}

// closeGap leaves one space between words and none before punctuation; it gives
// how many bytes of after it used up.
func (k *remainder) closeGap(after string) int {
	trimmed := strings.TrimLeftFunc(after, unicode.IsSpace)
	k.text = bytes.TrimRightFunc(k.text, unicode.IsSpace)
	if len(k.text) > 0 && trimmed != "" && document.LeadingPunctuation(trimmed) == "" {
		k.text = append(k.text, ' ')
	}
	return len(after) - len(trimmed)
}

func endsWithSpace(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return unicode.IsSpace(r)
}

func endsWithApostrophe(s string) bool {
	return strings.HasSuffix(s, "'") || strings.HasSuffix(s, "\u2019")
}

// plain replaces unknown characters that have a known substitute.
func (c *carrier) plain(s string) string {
	var out strings.Builder
	for i, r := range s {
		other, paired := partner[r]
		if r < utf8.RuneSelf && r != '`' || c.knowsRune(r) && (!paired || c.knowsRune(other)) {
			out.WriteRune(r)
			continue
		}
		p, ok := plain[r]
		switch {
		case ok && (p == "" || p == " " || c.knows(p)):
			out.WriteString(c.spaced(p, r, s[:i], s[i+utf8.RuneLen(r):]))
		case ok:
			out.WriteRune(r)
		default:
			out.WriteString(c.unaccented(r))
		}
	}
	return out.String()
}

// spaced sets a long dash between words apart, which a hyphen would join.
func (c *carrier) spaced(p string, r rune, before, after string) string {
	if r != '\u2014' && r != '\u2015' {
		return p
	}
	last, _ := utf8.DecodeLastRuneInString(before)
	next, _ := utf8.DecodeRuneInString(after)
	if unicode.IsLetter(last) && unicode.IsLetter(next) {
		return " " + p + " "
	}
	return p
}

// unaccented gives a letter without marks if that is known, else the letter.
func (c *carrier) unaccented(r rune) string {
	if !unicode.IsLetter(r) {
		return string(r)
	}
	base := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(string(r)))
	if base != "" && c.knows(base) {
		return base
	}
	return string(r)
}

// known tells whether a word can be written and holds nothing that stands for
// something else.
func (c *carrier) known(word string) bool {
	return !strings.ContainsFunc(word, isStandIn) && c.knows(word)
}

func (c *carrier) knowsRune(r rune) bool {
	if known, ok := c.runes.Load(r); ok {
		return known.(bool)
	}
	known := c.known(string(r))
	c.runes.Store(r, known)
	return known
}

type span struct{ start, end int }

// spans finds what has to be taken out, neighbours joined.
func (c *carrier) spans(s string) []span {
	var found []span
	add := func(start, end int) {
		if last := len(found) - 1; last >= 0 && strings.TrimFunc(s[found[last].end:start], unicode.IsSpace) == "" {
			found[last].end = end
			return
		}
		found = append(found, span{start, end})
	}
	for at := 0; at < len(s); {
		start := at + len(s[at:]) - len(strings.TrimLeftFunc(s[at:], unicode.IsSpace))
		length := strings.IndexFunc(s[start:], unicode.IsSpace)
		if length < 0 {
			length = len(s) - start
		}
		at = start + length
		word := s[start:at]
		if word == "" || c.known(word) {
			continue
		}
		for _, w := range c.wordSpans(word) {
			add(start+w.start, start+w.end)
		}
	}
	return found
}

// wordSpans finds the pictures in a word, or the word without the punctuation
// around it when anything else in it is unknown.
func (c *carrier) wordSpans(word string) []span {
	var pictures []span
	for i, r := range word {
		last := len(pictures) - 1
		joined := last >= 0 && pictures[last].end == i
		switch {
		case isPicture(r) && !c.knowsRune(r), joined && isJoiner(r):
			if joined {
				pictures[last].end = i + utf8.RuneLen(r)
			} else {
				pictures = append(pictures, span{i, i + utf8.RuneLen(r)})
			}
		case !c.knowsRune(r):
			return c.core(word)
		}
	}
	if len(pictures) == 0 {
		return c.core(word)
	}
	return pictures
}

func (c *carrier) core(word string) []span {
	edge := func(r rune) bool { return unicode.IsPunct(r) && c.knowsRune(r) }
	start := len(word) - len(strings.TrimLeftFunc(word, edge))
	end := len(strings.TrimRightFunc(word, edge))
	if start >= end {
		return []span{{0, len(word)}}
	}
	return []span{{start, end}}
}

// isPicture tells emoji and their like from letters, digits and signs that
// belong to a word.
func isPicture(r rune) bool {
	return unicode.In(r, unicode.So, unicode.Sk, unicode.Co, unicode.Cs) || r >= 0x1f000 && r <= 0x1faff
}

// isJoiner tells what continues a picture: joiners, variation selectors, skin
// tones, tags and enclosing marks.
func isJoiner(r rune) bool {
	return r == 0x200d || r == 0x20e3 || r >= 0xfe00 && r <= 0xfe0f || r >= 0x1f3fb && r <= 0x1f3ff || r >= 0xe0020 && r <= 0xe007f
}
