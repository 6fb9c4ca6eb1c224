package hub

import (
	"encoding/json"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// spdx are the SPDX identifiers of the hub's licences that have one, by the hub's word:
// https://huggingface.co/docs/hub/repositories-licenses. Where both are one but for case,
// the identifier stands alone in spdxAlike.
var spdx = map[string]string{
	"unlicense": "Unlicense", "wtfpl": "WTFPL", "zlib": "Zlib", "ncsa": "NCSA", "postgresql": "PostgreSQL", "isc": "ISC",
	"pddl": "PDDL-1.0", "odbl": "ODbL-1.0", "lgpl-lr": "LGPLLR", "ms-pl": "MS-PL", "fair": "", "bsd": "",
	"intel-research": "", "c-uda": "C-UDA-1.0",
}

var spdxAlike = []string{
	"Apache-2.0", "MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "BSD-3-Clause-Clear", "BSL-1.0", "AFL-3.0", "Artistic-2.0", "ECL-2.0", "EPL-1.0",
	"EPL-2.0", "EUPL-1.1", "EUPL-1.2", "MPL-2.0", "OFL-1.1", "OSL-3.0", "LPPL-1.3c", "CC0-1.0", "CC-BY-2.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0",
	"CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC-BY-NC-2.0", "CC-BY-NC-3.0", "CC-BY-NC-4.0", "CC-BY-ND-4.0", "CC-BY-NC-ND-3.0", "CC-BY-NC-ND-4.0",
	"CC-BY-NC-SA-2.0", "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0", "CDLA-Sharing-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0",
	"GPL-2.0", "GPL-3.0", "LGPL-2.1", "LGPL-3.0", "AGPL-3.0", "GFDL-1.3",
}

// licenceOf gives the SPDX identifier of the hub's word for a licence, the word itself
// where SPDX has none.
func licenceOf(word string) string {
	word = clip(strings.TrimSpace(word))
	if id := spdx[strings.ToLower(word)]; id != "" {
		return id
	}
	for _, id := range spdxAlike {
		if strings.EqualFold(id, word) {
			return id
		}
	}
	return word
}

// cardData is what the head of a README says: a hub passes it on as it is, so that
// every value may be a word, a list of words, or something else.
type cardData struct {
	Licence  words `json:"license" yaml:"license"`
	Language words `json:"language" yaml:"language"`
}

// words are a word or a list of words; what is neither is left out.
type words []string

// maxWords bounds what is kept of a list.
const maxWords = 1000

// UnmarshalJSON takes everything.
func (w *words) UnmarshalJSON(data []byte) error {
	var one any
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	*w = wordsOf(one)
	return nil
}

// UnmarshalYAML takes everything.
func (w *words) UnmarshalYAML(node *yaml.Node) error {
	var one any
	if err := node.Decode(&one); err != nil {
		return err
	}
	*w = wordsOf(one)
	return nil
}

func wordsOf(value any) (w words) {
	many, isList := value.([]any)
	if !isList {
		many = []any{value}
	}
	for _, v := range many {
		if text, ok := v.(string); ok && text != "" && len(w) < maxWords {
			w = append(w, clip(text))
		}
	}
	return w
}

// readCard gives what the head of a README says: YAML between two lines of dashes. What
// can't be read says nothing.
func readCard(readme []byte) (card cardData) {
	text := strings.ReplaceAll(string(readme), "\r\n", "\n")
	head, ok := strings.CutPrefix(text, "---\n")
	if !ok {
		return cardData{}
	}
	head, _, ok = strings.Cut(head, "\n---")
	if !ok || yaml.Unmarshal([]byte(head), &card) != nil {
		return cardData{}
	}
	return card
}

// licenceIn gives the licence that the card tells, else the tags; "" without one.
func licenceIn(card cardData, tags []string) string {
	if len(card.Licence) > 0 {
		all := make([]string, len(card.Licence))
		for i, word := range card.Licence {
			all[i] = licenceOf(word)
		}
		return clip(strings.Join(all, " AND "))
	}
	i := slices.IndexFunc(tags, func(tag string) bool { return strings.HasPrefix(tag, "license:") })
	if i < 0 {
		return ""
	}
	return licenceOf(strings.TrimPrefix(tags[i], "license:"))
}

// clip bounds a word of another's and takes out what a terminal would act on.
func clip(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "")
	}
	return text
}
