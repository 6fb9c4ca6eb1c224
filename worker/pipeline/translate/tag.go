package translate

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"parley/worker/pipeline/document"
)

// tag is a stand-in that takes no place, and where it stood without it.
type tag struct {
	text            string
	at              int
	closing, beside bool
}

// takeTags takes the tags out of a sentence.
func takeTags(sentence string) (string, []tag) {
	var out strings.Builder
	var tags []tag
	for i, r := range sentence {
		if isTag(r) {
			tags = append(tags, tag{text: string(r), at: out.Len(), closing: isClosing(r)})
		} else {
			out.WriteString(sentence[i : i+utf8.RuneLen(r)])
		}
	}
	return out.String(), tags
}

// carried says how the tag is put back; words stand before it in the rest.
func (t tag) carried(sentence string, words int) carried {
	before, after := sentence[:t.at], sentence[t.at:]
	if !t.closing && words > 0 && wordBefore(before) && wordAfter(after) {
		// A word in the midst of which it opens is within.
		words--
	}
	return carried{
		text: t.text, words: words, spaceBefore: endsWithSpace(before), following: document.LeadingPunctuation(after),
		tag: true, closing: t.closing, beside: t.beside,
	}
}

// splitAt cuts spans where tags stand, so that these keep their order.
func splitAt(sentence string, spans []span, tags []tag) []span {
	var cut []span
	for _, s := range spans {
		for len(tags) > 0 && tags[0].at < s.end {
			if at := tags[0].at; at > s.start {
				end := s.start + len(strings.TrimRightFunc(sentence[s.start:at], unicode.IsSpace))
				rest := strings.TrimLeftFunc(sentence[at:s.end], unicode.IsSpace)
				cut = append(cut, span{s.start, end})
				s.start = s.end - len(rest)
			}
			tags = tags[1:]
		}
		cut = append(cut, s)
	}
	return cut
}

// markBeside marks the tags that touch a span with the side that they belong to.
func markBeside(tags []tag, spans []span) {
	starts, ends := map[int]bool{}, map[int]bool{}
	for _, s := range spans {
		starts[s.start], ends[s.end] = true, true
	}
	for i, t := range tags {
		tags[i].beside = t.closing && ends[t.at] || !t.closing && starts[t.at]
	}
}

// wordSpans finds the words of a text.
func wordSpans(text string) []span {
	var words []span
	start := -1
	for i, r := range text {
		switch space := unicode.IsSpace(r); {
		case space && start >= 0:
			words = append(words, span{start, i})
			start = -1
		case !space && start < 0:
			start = i
		}
	}
	if start >= 0 {
		words = append(words, span{start, len(text)})
	}
	return words
}

// tagPlaces finds where the tags of a sentence belong in its translation: before or
// behind the word at the same share of the words.
type tagPlaces struct {
	// words is how many words the model read, translated are those that it wrote.
	words      int
	translated []span
	// open are the tags that are open: the words before each, there and here.
	open []place
}

type place struct{ source, target int }

// at gives the offset of a tag that comes behind what is done. An element with words
// gets a word at least, one without gets none.
func (p *tagPlaces) at(translation string, c carried, done int) int {
	count := len(p.translated)
	share := c.words
	if p.words > 0 {
		share = int(math.Round(float64(c.words) * float64(count) / float64(p.words)))
	}
	share = min(share, count)
	if !c.closing {
		if c.words < p.words {
			share = min(share, count-1)
		}
		share = max(share, 0)
		p.open = append(p.open, place{c.words, share})
		if share == count {
			return len(translation)
		}
		return p.translated[share].start
	}
	if last := len(p.open) - 1; last >= 0 {
		o := p.open[last]
		p.open = p.open[:last]
		if o.source == c.words {
			return done
		}
		share = min(max(share, o.target+1), count)
	}
	if share == 0 {
		return done
	}
	word := p.translated[share-1]
	if c.following == "" {
		return word.end
	}
	return word.start + len(document.TrimPunctuation(translation[word.start:word.end]))
}
