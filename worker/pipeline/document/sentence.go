package document

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	terminators = ".!?\u2026\u203d\u061f\u06d4\u0964"
	// wideTerminators need no space behind them.
	wideTerminators = "\u3002\uff01\uff1f\uff0e"
	closers         = ")]}\"'\u201d\u2019\u00bb\u203a\u300d\u300f\uff09"
	pauses          = ",;:"
	openers         = "([{\"'\u201c\u2018\u201e\u201a\u00ab\u2039\u00bf\u00a1"
)

// abbreviations end with a full stop that ends no sentence, whatever follows.
var abbreviations = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`mr mrs ms dr drs prof st sr sra srta dra jr ud uds vs cf ca fig nr nro no núm art
		p.ej ej z.b d.h u.a bzw e.g i.e eg ie m mm mme mlle me gen col lt sgt capt rev hon approx vol ed eds pp tel av`) {
		m[w] = true
	}
	return m
}()

// ordinalStop tells the languages that write an ordinal as a number with a full
// stop: "3. Mai".
var ordinalStop = map[string]bool{"de": true, "da": true, "nb": true, "nn": true, "no": true, "fi": true, "et": true, "cs": true, "sk": true, "sl": true, "hr": true, "hu": true, "lv": true, "is": true}

// LeadingPunctuation is the punctuation at the start of text that belongs to what
// stood before it.
func LeadingPunctuation(text string) string {
	return text[:skip(text, 0, terminators+pauses+closers)]
}

// TrimPunctuation gives text without the punctuation that closes it.
func TrimPunctuation(text string) string {
	return strings.TrimRight(text, terminators+pauses+closers)
}

// sentenceEnd gives the offset behind the first sentence of text, which does
// not begin with space.
func sentenceEnd(text, language string) int {
	for i, r := range text {
		if strings.ContainsRune(wideTerminators, r) {
			return skip(text, i+utf8.RuneLen(r), wideTerminators+terminators+closers)
		}
		if !strings.ContainsRune(terminators, r) {
			continue
		}
		end := skip(text, i+utf8.RuneLen(r), terminators)
		stop := text[i:end] == "."
		end = skipClosers(text, end)
		after := strings.TrimLeftFunc(text[end:], unicode.IsSpace)
		if after == "" {
			return len(text)
		}
		if len(after) == len(text)-end || !startsSentence(after) || stop && endsNoSentence(text[:i], language) {
			continue
		}
		return end
	}
	return len(text)
}

// skipClosers skips what may stand between a full stop and the next sentence: quotes,
// brackets, and characters for private use, which stand for something outside of it.
func skipClosers(text string, at int) int {
	for at < len(text) {
		r, size := utf8.DecodeRuneInString(text[at:])
		if !strings.ContainsRune(closers, r) && !unicode.Is(unicode.Co, r) {
			break
		}
		at += size
	}
	return at
}

func skip(text string, at int, set string) int {
	for at < len(text) {
		r, size := utf8.DecodeRuneInString(text[at:])
		if !strings.ContainsRune(set, r) {
			break
		}
		at += size
	}
	return at
}

// startsSentence tells whether a sentence may begin so: not with a small letter
// and not with punctuation that goes on with the last one.
func startsSentence(text string) bool {
	text = strings.TrimLeftFunc(text, func(r rune) bool { return unicode.Is(unicode.Co, r) || strings.ContainsRune(openers, r) })
	r, _ := utf8.DecodeRuneInString(text)
	return !unicode.IsLower(r) && !strings.ContainsRune(",;:)]}", r)
}

// endsNoSentence tells whether a full stop behind this text belongs to its last
// word: an abbreviation, an initial, an ordinal.
func endsNoSentence(text, language string) bool {
	word := text[strings.LastIndexFunc(text, unicode.IsSpace)+1:]
	word = word[skip(word, 0, openers):]
	if word == "" {
		return false
	}
	if abbreviations[strings.ToLower(word)] {
		return true
	}
	if r, size := utf8.DecodeRuneInString(word); size == len(word) && unicode.IsUpper(r) {
		return true
	}
	digits := strings.TrimLeftFunc(word, unicode.IsDigit) == ""
	return digits && len(word) <= 2 && ordinalStop[language]
}

// SplitLong cuts a sentence that does not fit into pieces that do, with the space
// between them as layout: behind punctuation where it can, else between words,
// else anywhere, as near to the middle as that allows.
func SplitLong(text string, fits func(string) bool) []Segment {
	if fits(text) || utf8.RuneCountInString(text) < 2 {
		return []Segment{{Text: text, Sentence: true}}
	}
	cut := middleBreak(text)
	head := strings.TrimRightFunc(text[:cut], unicode.IsSpace)
	tail := strings.TrimLeftFunc(text[cut:], unicode.IsSpace)
	pieces := SplitLong(head, fits)
	if gap := text[len(head) : len(text)-len(tail)]; gap != "" {
		pieces = append(pieces, Segment{Text: gap})
	}
	return append(pieces, SplitLong(tail, fits)...)
}

// middleBreak finds the best offset to cut at; both sides hold more than space,
// for text that neither begins nor ends with it.
func middleBreak(text string) int {
	cut, rank := 0, -1
	distance := func(i int) int { return max(i-len(text)/2, len(text)/2-i) }
	previous := rune(0)
	for i, r := range text {
		kind := 0
		if unicode.IsSpace(r) {
			kind = 1
			if strings.ContainsRune(",;:)", previous) {
				kind = 2
			}
		}
		// Far from the middle punctuation is worth no more than a space.
		if kind == 2 && distance(i) > len(text)/3 {
			kind = 1
		}
		if i > 0 && (kind > rank || kind == rank && distance(i) < distance(cut)) {
			cut, rank = i, kind
		}
		previous = r
	}
	return cut
}
