package tokenizer

import (
	"sort"
	"strings"
	"unicode"
)

// addedToken is a token that is cut out of a text before the model sees it.
type addedToken struct {
	ID         int64  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Special    bool   `json:"special"`
}

// part is a stretch of a text: an added token, or text between them.
type part struct {
	text  string
	added *addedToken
}

// addedSplitter finds added tokens in a text, the leftmost first and of several
// at one place the longest.
type addedSplitter struct {
	tokens []addedToken
	// starts are the first bytes that any token begins with.
	starts string
}

func newAddedSplitter(tokens []addedToken) addedSplitter {
	s := addedSplitter{}
	for _, t := range tokens {
		if t.Content == "" {
			continue
		}
		s.tokens = append(s.tokens, t)
		if !strings.Contains(s.starts, t.Content[:1]) {
			s.starts += t.Content[:1]
		}
	}
	sort.SliceStable(s.tokens, func(i, j int) bool { return len(s.tokens[i].Content) > len(s.tokens[j].Content) })
	return s
}

// split cuts text at the added tokens and takes the space that a token claims.
// Parts may be empty.
func (s *addedSplitter) split(text string) []part {
	var parts []part
	begin := 0
	for at := 0; at < len(text); {
		if strings.IndexByte(s.starts, text[at]) < 0 {
			at++
			continue
		}
		t := s.match(text, at)
		if t == nil {
			at++
			continue
		}
		end := at + len(t.Content)
		before := text[begin:at]
		if t.LStrip {
			before = strings.TrimRightFunc(before, unicode.IsSpace)
		}
		parts = append(parts, part{text: before}, part{text: t.Content, added: t})
		if t.RStrip {
			end = len(text) - len(strings.TrimLeftFunc(text[end:], unicode.IsSpace))
		}
		begin, at = end, end
	}
	return append(parts, part{text: text[begin:]})
}

func (s *addedSplitter) match(text string, at int) *addedToken {
	for i := range s.tokens {
		t := &s.tokens[i]
		if strings.HasPrefix(text[at:], t.Content) && (!t.SingleWord || standsAlone(text, at, at+len(t.Content))) {
			return t
		}
	}
	return nil
}

func standsAlone(text string, start, end int) bool {
	return (start == 0 || text[start-1] == ' ') && (end == len(text) || text[end] == ' ')
}
