package querytext

import (
	"unicode"

	"parley/internal/langtag"

	"github.com/abadojack/whatlanggo"
)

// From which confidence on the detector is believed: over what the asker prefers, and
// over a preference for the model's own language. The detector may be sure of a word for a
// single trigram that only one language has; what it says of a text of fewer than enough
// letters counts less in proportion.
const (
	sure   = 0.8
	fair   = 0.25
	enough = 16
)

// guess gives the way from the language that a text is in most likely, by trigrams, and how
// sure that is, 0 to 1. The way is empty where the language is one of the model's, or has
// no way. The model's own languages are candidates only where they may be the text's.
func guess(text string, ways []way, own []string, mayBeOwn bool) (way, float64) {
	among := map[whatlanggo.Lang]way{}
	for _, w := range ways {
		if lang, ok := langtag.Detectable(w.source); ok && among[lang] == (way{}) {
			among[lang] = w
		}
	}
	candidates := make(map[whatlanggo.Lang]bool, len(among)+len(langtag.Rivals)+len(own))
	for lang := range among {
		candidates[lang] = true
	}
	for _, lang := range langtag.Rivals {
		candidates[lang] = true
	}
	for _, tag := range own {
		if lang, ok := langtag.Detectable(tag); ok {
			candidates[lang] = true
			if !mayBeOwn {
				delete(candidates, lang)
			}
		}
	}
	info := whatlanggo.DetectWithOptions(text, whatlanggo.Options{Whitelist: candidates})
	if info.Script == nil {
		return way{}, 0
	}
	letters := 0
	for _, r := range text {
		if unicode.IsLetter(r) {
			letters++
		}
	}
	return among[info.Lang], info.Confidence * min(1, float64(letters)/enough)
}

// choose finds the way for a text of unknown language, of which so many words are known;
// none where it is to stay. The detector is believed where it is sure, then what the asker
// prefers, and without that the likeliest language. Whose words are known for the most part,
// or who prefers one of the model's languages to all that have a way, most likely writes
// that.
func choose(text string, ways []way, own, preferred []string, known, of int) (way, bool) {
	w, confidence := guess(text, ways, own, true)
	if confidence >= sure {
		return w, w != way{}
	}
	p, likelyOwn := preference(ways, own, preferred)
	switch {
	case likelyOwn || 2*known > of:
		return w, w != way{} && confidence >= fair
	case p != way{}:
		return p, true
	case known == 0:
		w, _ = guess(text, ways, own, false)
	}
	return w, w != way{}
}

// preference gives the way from the dearest language that has one, or says that one of the
// model's languages is dearer.
func preference(ways []way, own, preferred []string) (w way, likelyOwn bool) {
	for _, tag := range preferred[:min(len(preferred), maxPreferred)] {
		tag = canonical(tag)
		if tag == "" {
			continue
		}
		if speaks(own, tag) {
			return way{}, true
		}
		if w, ok := from(ways, tag); ok {
			return w, false
		}
	}
	return way{}, false
}
