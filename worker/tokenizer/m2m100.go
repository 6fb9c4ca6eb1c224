package tokenizer

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
)

// m2m100 is transformers' M2M100Tokenizer: SentencePiece pieces with the ids of
// vocab.json, languages behind them, and the language of a text in front of it.
type m2m100 struct {
	pieceVocabulary
	language int64
}

// The languages in the order of their ids, from transformers'
// FAIRSEQ_LANGUAGE_CODES.
const (
	m2m100Languages = "af am ar ast az ba be bg bn br bs ca ceb cs cy da de el en es et fa ff fi fr fy ga gd gl gu ha he " +
		"hi hr ht hu hy id ig ilo is it ja jv ka kk km kn ko lb lg ln lo lt lv mg mk ml mn mr ms my ne nl no ns oc or pa " +
		"pl ps pt ro ru sd si sk sl so sq sr ss su sv sw ta th tl tn tr uk ur uz vi wo xh yi yo zh zu"
	wmt21Languages = "en ha is ja cs ru zh de"
)

func openM2M100(dir string, c *config) (*m2m100, error) {
	c.EOS, c.Unk, c.Pad = or(c.EOS, "</s>"), or(c.Unk, "<unk>"), or(c.Pad, "<pad>")
	c.BOS, c.Sep = or(c.BOS, "<s>"), or(c.Sep, "</s>")
	m := &m2m100{}
	path := filepath.Join(dir, "vocab.json")
	if err := readJSON(path, &m.ids); err != nil {
		return nil, err
	}
	codes := m2m100Languages
	if c.LanguageCodes == "wmt21" {
		codes = wmt21Languages
	}
	languages := map[string]int64{}
	named := append([]tokenText{c.BOS, c.EOS, c.Unk, c.Pad, c.Sep}, c.Extra...)
	for i, code := range strings.Fields(codes) {
		token := "__" + code + "__"
		languages[token] = int64(len(m.ids) + i)
		named = append(named, tokenText(token))
	}
	maps.Copy(m.ids, languages)
	m.setTokens(m.ids)
	if err := m.setSpecial(c, named); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	source := c.Source
	if source == "" {
		source = "en"
	}
	var ok bool
	if m.language, ok = m.ids["__"+source+"__"]; !ok {
		return nil, fmt.Errorf("the vocabulary has no token for the language %q", source)
	}
	var err error
	m.source, err = openSentencePiece(filepath.Join(dir, "sentencepiece.bpe.model"))
	return m, err
}

func (m *m2m100) around() template { return template{[]int64{m.language}, []int64{m.eosID}} }

func (m *m2m100) encode(text string) []int64 {
	return append(m.appendBody([]int64{m.language}, text), m.eosID)
}

func (m *m2m100) body(text string) []int64 { return m.appendBody([]int64{}, text) }

// token gives unknown ids, which the model has more of than tokens, as unknown
// text.
func (m *m2m100) token(id int64) (string, bool) {
	if token, ok := m.tokens[id]; ok {
		return token, true
	}
	return m.tokens[m.unkID], true
}

func (m *m2m100) flow(out flow) flow {
	return &apart{joined: joined{out: &stripped{out: out}, model: m.source}, special: m.special}
}
