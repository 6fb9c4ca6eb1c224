package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token that is cut out of a text before the model sees it.
type addedToken struct {
	ID         int64  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Special    bool   `json:"special"`
	// Normalized tokens are looked for in the normal form of a text.
	Normalized bool `json:"normalized"`
}

// part is a stretch of a text: an added token, or text between them.
type part struct {
	text  string
	added *addedToken
	// start is where the part begins in the text, in bytes.
	start int
}

// addedSplitter finds added tokens in a text, the leftmost first and of several
// at one place the longest.
type addedSplitter struct {
	tokens []addedToken
	trie   *trie
	// starts are the first bytes that any token begins with.
	starts [256]bool
}

// newAddedSplitter looks for each token under the text that is given for it. Of
// equal texts the last counts.
func newAddedSplitter(tokens []addedToken, forms []string) (addedSplitter, error) {
	s := addedSplitter{tokens: tokens}
	last := map[string]int32{}
	for i, text := range forms {
		if text != "" {
			last[text] = int32(i)
			s.starts[text[0]] = true
		}
	}
	keys := make([]key, 0, len(last))
	for text, i := range last {
		keys = append(keys, key{text, i})
	}
	var err error
	s.trie, err = newTrie(keys)
	return s, err
}

func contents(tokens []addedToken) []string {
	forms := make([]string, len(tokens))
	for i, t := range tokens {
		forms[i] = t.Content
	}
	return forms
}

// match finds the longest token at a byte and where it ends.
func (s *addedSplitter) match(text string, at int) (*addedToken, int) {
	if !s.starts[text[at]] {
		return nil, at
	}
	var found *addedToken
	end := at
	node := int32(0)
	for i := at; i < len(text); i++ {
		if node = s.trie.child(node, text[i]); node < 0 {
			break
		}
		if v := s.trie.values[node]; v >= 0 {
			found, end = &s.tokens[v], i+1
		}
	}
	return found, end
}

// split cuts text at the added tokens as transformers' Python tokenizers do:
// the token takes the space that it claims. Parts may be empty.
func (s *addedSplitter) split(text string) []part {
	var parts []part
	begin := 0
	for at := 0; at < len(text); {
		t, end := s.match(text, at)
		if t == nil || t.SingleWord && !standsAlone(text, at, end) {
			at++
			continue
		}
		before := text[begin:at]
		if t.LStrip {
			before = strings.TrimRightFunc(before, unicode.IsSpace)
		}
		parts = append(parts, part{text: before, start: begin}, part{text: t.Content, added: t, start: at})
		if t.RStrip {
			end = len(text) - len(strings.TrimLeftFunc(text[end:], unicode.IsSpace))
		}
		begin, at = end, end
	}
	return append(parts, part{text: text[begin:], start: begin})
}

func standsAlone(text string, start, end int) bool {
	return (start == 0 || text[start-1] == ' ') && (end == len(text) || text[end] == ' ')
}

// cut is the Rust library's way: a token that must be a word by itself is
// passed over as a whole, and so is a special one where those don't count. No
// part is empty.
func (s *addedSplitter) cut(text string, special bool) []part {
	var parts []part
	begin := 0
	for at := 0; at < len(text); {
		t, end := s.match(text, at)
		if t == nil {
			at++
			continue
		}
		start := at
		at = end
		if t.Special && !special || t.SingleWord && !wordAlone(text, start, end) {
			continue
		}
		if t.LStrip {
			start = max(begin, len(strings.TrimRightFunc(text[:start], isSpace)))
		}
		if t.RStrip {
			end = len(text) - len(strings.TrimLeftFunc(text[end:], isSpace))
		}
		if begin < start {
			parts = append(parts, part{text: text[begin:start], start: begin})
		}
		parts = append(parts, part{text: text[start:end], added: t, start: start})
		begin = end
	}
	if begin < len(text) {
		parts = append(parts, part{text: text[begin:], start: begin})
	}
	return parts
}

// wordAlone tells that no word goes on at either side.
func wordAlone(text string, start, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:start])
	behind, _ := utf8.DecodeRuneInString(text[end:])
	return (start == 0 || !isWord(before)) && (end == len(text) || !isWord(behind))
}
