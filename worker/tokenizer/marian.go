package tokenizer

import (
	"fmt"
	"path/filepath"
	"regexp"
)

// languageCode is MarianTokenizer.language_code_re. It is greedy, and a dot is
// no line break, as in the reference.
var languageCode = regexp.MustCompile(`>>.+<<`)

// marian is transformers' MarianTokenizer: SentencePiece pieces, whose ids are
// those of vocab.json.
type marian struct {
	pieceVocabulary
	target *sentencePiece
}

func openMarian(dir string, c *config) (*marian, error) {
	c.EOS, c.Unk, c.Pad = or(c.EOS, "</s>"), or(c.Unk, "<unk>"), or(c.Pad, "<pad>")
	m := &marian{}
	if err := readJSON(filepath.Join(dir, "vocab.json"), &m.ids); err != nil {
		return nil, err
	}
	decoder := m.ids
	if c.Separate {
		decoder = nil
		if err := readJSON(filepath.Join(dir, "target_vocab.json"), &decoder); err != nil {
			return nil, err
		}
	}
	m.setTokens(decoder)
	if err := m.setSpecial(c, append([]tokenText{c.EOS, c.Unk, c.Pad}, c.Extra...)); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, "vocab.json"), err)
	}
	var err error
	if m.source, err = openSentencePiece(filepath.Join(dir, "source.spm")); err != nil {
		return nil, err
	}
	m.target, err = openSentencePiece(filepath.Join(dir, "target.spm"))
	return m, err
}

func (m *marian) encode(text string) []int64 { return append(m.body(text), m.eosID) }

func (m *marian) around() template { return template{after: []int64{m.eosID}} }

// body gives the ids of a text. A language code at its start is a token, those
// behind it go.
func (m *marian) body(text string) []int64 {
	ids := []int64{}
	for _, p := range m.added.split(text) {
		switch {
		case p.added != nil:
			ids = append(ids, p.added.ID)
		case p.text != "":
			if code := languageCode.FindStringIndex(p.text); code != nil {
				if code[0] == 0 {
					ids = append(ids, m.id(p.text[:code[1]]))
				}
				p.text = languageCode.ReplaceAllLiteralString(p.text, "")
			}
			ids = m.appendText(ids, p.text)
		}
	}
	return ids
}

// flow joins pieces with the target's rules. The joined text may hold the space
// symbol still, in text unknown to the .spm. Special tokens stand apart.
func (m *marian) flow(out flow) flow {
	out = &replaced{out: &stripped{out: out}, old: spaceSymbol, new: " "}
	return &apart{joined: joined{out: out, model: m.target}, special: m.special, behind: " "}
}
