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
	source, target *sentencePiece
	ids            map[string]int64
	tokens         map[int64]string
	added          addedSplitter
	special        map[string]bool
	unk            string
	unkID, eosID   int64
}

func openMarian(dir string, c *config) (*marian, error) {
	c.EOS, c.Unk, c.Pad = or(c.EOS, "</s>"), or(c.Unk, "<unk>"), or(c.Pad, "<pad>")
	m := &marian{unk: string(c.Unk), special: map[string]bool{}}
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
	m.tokens = make(map[int64]string, len(decoder))
	for text, id := range decoder {
		m.tokens[id] = text
	}
	if err := m.setSpecial(c); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, "vocab.json"), err)
	}
	var err error
	if m.source, err = openSentencePiece(filepath.Join(dir, "source.spm")); err != nil {
		return nil, err
	}
	m.target, err = openSentencePiece(filepath.Join(dir, "target.spm"))
	return m, err
}

func or(t, otherwise tokenText) tokenText {
	if t == "" {
		return otherwise
	}
	return t
}

// setSpecial finds the special tokens and what is cut out of a text.
func (m *marian) setSpecial(c *config) error {
	var ok bool
	if m.unkID, ok = m.ids[m.unk]; !ok {
		return fmt.Errorf("has no %q", m.unk)
	}
	if m.eosID, ok = m.ids[string(c.EOS)]; !ok {
		return fmt.Errorf("has no %q", c.EOS)
	}
	added := map[string]addedToken{}
	for _, t := range append([]tokenText{c.EOS, c.Unk, c.Pad}, c.Extra...) {
		if id, ok := m.ids[string(t)]; ok {
			added[string(t)] = addedToken{ID: id, Content: string(t), Special: true}
			m.special[string(t)] = true
		}
	}
	numbered, err := c.added()
	if err != nil {
		return err
	}
	for id, t := range numbered {
		added[t.Content] = t
		m.special[t.Content] = m.special[t.Content] || t.Special
		m.tokens[id] = t.Content
		m.ids[t.Content] = id
	}
	tokens := make([]addedToken, 0, len(added))
	for _, t := range added {
		tokens = append(tokens, t)
	}
	m.added, err = newAddedSplitter(tokens, contents(tokens))
	return err
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

func (m *marian) encodeText(text string) []int64 {
	ids := m.appendText([]int64{}, text)
	for i, id := range ids {
		if m.special[m.tokens[id]] {
			ids[i] = m.unkID
		}
	}
	return ids
}

func (m *marian) appendText(ids []int64, text string) []int64 {
	for _, p := range m.source.encode(text) {
		ids = append(ids, m.id(p))
	}
	return ids
}

func (m *marian) id(token string) int64 {
	if id, ok := m.ids[token]; ok {
		return id
	}
	return m.unkID
}

func (m *marian) token(id int64) (string, bool) {
	token, ok := m.tokens[id]
	return token, ok
}

func (m *marian) name(id int64) (string, bool) { return m.token(id) }

func (m *marian) isSpecial(id int64) bool { return m.special[m.tokens[id]] }

// flow joins pieces with the target's rules. The joined text may hold the space
// symbol still, in text unknown to the .spm. Special tokens stand apart.
func (m *marian) flow(out flow) flow {
	out = &replaced{out: &stripped{out: out}, old: spaceSymbol, new: " "}
	return &apart{joined: joined{out: out, model: m.target}, special: m.special, behind: " "}
}

func (m *marian) lookup(token string) (int64, bool) {
	id, ok := m.ids[token]
	return id, ok
}

func (m *marian) vocabulary() map[string]int64 { return m.ids }

func (m *marian) unknown() int64 { return m.unkID }
