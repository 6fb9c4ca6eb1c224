package translate

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"parley/worker/pipeline/document"
)

// restore puts what was taken out of rest into its translation, in its order.
func restore(translation, rest string, out []carried) string {
	words := len(strings.Fields(rest))
	size := extent{words: words, runes: utf8.RuneCountInString(rest)}
	w := woven{translation: translation}
	places := &tagPlaces{words: words, translated: wordSpans(translation)}
	for i, c := range out {
		if c.tag {
			at := places.at(translation, c, w.done)
			switch {
			case c.beside && c.closing:
				at = w.done
			case c.beside:
				next := slices.IndexFunc(out[i:], func(c carried) bool { return !c.tag })
				at = insertAt(translation, out[i+next], size)
			}
			w.tag(c, max(w.done, at))
			continue
		}
		w.object(c, max(w.done, insertAt(translation, c, size)), c.words > 0 && c.words < words, i > 0)
	}
	w.space(translation[w.done:])
	w.whole.WriteString(translation[w.done:])
	return w.whole.String()
}

// woven is a translation into which what was taken out is woven.
type woven struct {
	translation string
	whole       strings.Builder
	// done is how much of the translation is in it.
	done int
	// spaced tells that what was written last, tags aside, is space; begun that
	// there is such a thing; gap that a space is due before more of the translation.
	spaced, begun, gap bool
}

// advance writes the translation up to an offset.
func (w *woven) advance(at int) {
	if at == w.done {
		return
	}
	text := w.translation[w.done:at]
	w.space(text)
	w.whole.WriteString(text)
	w.done, w.begun, w.spaced = at, true, endsWithSpace(text)
}

// space writes the space that is due before text.
func (w *woven) space(text string) {
	if w.gap && text != "" && document.LeadingPunctuation(text) == "" && !startsWithSpace(text) {
		w.whole.WriteByte(' ')
		w.spaced = true
	}
	w.gap = false
}

func (w *woven) tag(c carried, at int) {
	w.advance(at)
	if !c.closing {
		if w.begun && !w.spaced && c.spaceBefore {
			w.whole.WriteByte(' ')
			w.spaced = true
		}
		w.gap = false
	}
	w.whole.WriteString(c.text)
}

func (w *woven) object(c carried, at int, inside, later bool) {
	w.advance(at)
	// What an apostrophe joined it to may have become another word.
	apart := c.elided && !endsWithApostrophe(w.whole.String())
	if w.begun && !w.spaced && !c.joined && (w.gap || c.spaceBefore || inside || later && at == 0 || apart) {
		w.whole.WriteByte(' ')
	}
	w.whole.WriteString(c.text)
	w.begun, w.spaced = true, false
	w.gap = c.spaceAfter || c.words > 0
}

func startsWithSpace(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsSpace(r)
}

// extent is how many words and characters the model read.
type extent struct{ words, runes int }

// insertAt finds the offset for one stretch in a translation.
func insertAt(translation string, c carried, read extent) int {
	if c.words == 0 {
		return 0
	}
	if c.words >= read.words {
		if c.following == "" {
			return len(translation)
		}
		return len(document.TrimPunctuation(translation))
	}
	target := c.runes * utf8.RuneCountInString(translation) / max(read.runes, 1)
	offset, nearest := len(translation), 1<<30
	count := 0
	for i, r := range translation {
		distance := max(count-target, target-count)
		count++
		switch {
		case c.following != "" && strings.HasPrefix(c.following, string(r)):
			// The same punctuation is worth a detour.
			distance /= 3
		case !unicode.IsSpace(r):
			continue
		}
		if distance < nearest {
			offset, nearest = i, distance
		}
	}
	return offset
}
