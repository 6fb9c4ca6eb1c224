package langtag

import (
	"strings"

	"github.com/abadojack/whatlanggo"
	"golang.org/x/text/language"
)

// Rivals are to be candidates of every detection: with a single candidate every text of its
// script would surely be in that language.
var Rivals = []whatlanggo.Lang{
	whatlanggo.Eng, whatlanggo.Spa, whatlanggo.Fra, whatlanggo.Deu, whatlanggo.Rus, whatlanggo.Ukr,
	whatlanggo.Arb, whatlanggo.Pes, whatlanggo.Hin, whatlanggo.Mar,
}

// members names the member that the detector knows of a macrolanguage, by the codes of
// ISO 639-3.
var members = map[string]string{
	"ara": "arb", "aze": "azj", "fas": "pes", "nor": "nob", "yid": "ydd", "zho": "cmn",
}

// Detectable gives what the detector calls the language of a tag, false where it knows it
// not.
func Detectable(tag string) (whatlanggo.Lang, bool) {
	base, err := language.ParseBase(Base(tag))
	if err != nil {
		return 0, false
	}
	code := base.ISO3()
	if member, ok := members[code]; ok {
		code = member
	}
	lang := whatlanggo.CodeToLang(code)
	return lang, lang >= 0
}

// Base gives the language of a canonical tag without script and region: "en" for "en-GB".
func Base(tag string) string {
	base, _, _ := strings.Cut(tag, "-")
	return base
}
