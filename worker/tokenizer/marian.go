package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
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

// marianConfig is the part of tokenizer_config.json that matters here.
type marianConfig struct {
	EOS      tokenText             `json:"eos_token"`
	Unk      tokenText             `json:"unk_token"`
	Pad      tokenText             `json:"pad_token"`
	Separate bool                  `json:"separate_vocabs"`
	Added    map[string]addedToken `json:"added_tokens_decoder"`
	Extra    []tokenText           `json:"additional_special_tokens"`
}

// tokenText is a token that is written as a string or as an object with its
// content.
type tokenText string

func (t *tokenText) UnmarshalJSON(data []byte) error {
	var object struct {
		Content string `json:"content"`
	}
	if len(data) > 0 && data[0] == '{' {
		if err := json.Unmarshal(data, &object); err != nil {
			return err
		}
		*t = tokenText(object.Content)
		return nil
	}
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	*t = tokenText(s)
	return nil
}

func openMarian(dir string) (*marian, error) {
	config := marianConfig{EOS: "</s>", Unk: "<unk>", Pad: "<pad>"}
	if err := readJSON(filepath.Join(dir, "tokenizer_config.json"), &config); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	m := &marian{unk: string(config.Unk), special: map[string]bool{}}
	if err := readJSON(filepath.Join(dir, "vocab.json"), &m.ids); err != nil {
		return nil, err
	}
	decoder := m.ids
	if config.Separate {
		decoder = nil
		if err := readJSON(filepath.Join(dir, "target_vocab.json"), &decoder); err != nil {
			return nil, err
		}
	}
	m.tokens = make(map[int64]string, len(decoder))
	for text, id := range decoder {
		m.tokens[id] = text
	}
	if err := m.setSpecial(config); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, "vocab.json"), err)
	}
	var err error
	if m.source, err = openSentencePiece(filepath.Join(dir, "source.spm")); err != nil {
		return nil, err
	}
	m.target, err = openSentencePiece(filepath.Join(dir, "target.spm"))
	return m, err
}

// setSpecial finds the special tokens and what is cut out of a text.
func (m *marian) setSpecial(config marianConfig) error {
	var ok bool
	if m.unkID, ok = m.ids[m.unk]; !ok {
		return fmt.Errorf("has no %q", m.unk)
	}
	if m.eosID, ok = m.ids[string(config.EOS)]; !ok {
		return fmt.Errorf("has no %q", config.EOS)
	}
	added := map[string]addedToken{}
	for _, t := range append([]tokenText{config.EOS, config.Unk, config.Pad}, config.Extra...) {
		if id, ok := m.ids[string(t)]; ok {
			added[string(t)] = addedToken{ID: id, Content: string(t), Special: true}
			m.special[string(t)] = true
		}
	}
	for key, t := range config.Added {
		id, err := strconv.ParseInt(key, 10, 64)
		if err != nil {
			return fmt.Errorf("added token %q has no number", key)
		}
		t.ID = id
		added[t.Content] = t
		m.special[t.Content] = m.special[t.Content] || t.Special
		m.tokens[id] = t.Content
		m.ids[t.Content] = id
	}
	tokens := make([]addedToken, 0, len(added))
	for _, t := range added {
		tokens = append(tokens, t)
	}
	m.added = newAddedSplitter(tokens)
	return nil
}

func (m *marian) encode(text string) []int64 {
	var ids []int64
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
	return append(ids, m.eosID)
}

func (m *marian) encodeText(text string) []int64 {
	ids := m.appendText(nil, text)
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

func (m *marian) decode(ids []int64) string {
	pieces := make([]string, 0, len(ids))
	for _, id := range ids {
		token, ok := m.tokens[id]
		if !ok || m.special[token] {
			continue
		}
		pieces = append(pieces, token)
	}
	// The joined text may hold the symbol still, in text unknown to the .spm.
	return strings.TrimFunc(strings.ReplaceAll(m.target.join(pieces), spaceSymbol, " "), pythonSpace)
}

func (m *marian) lookup(token string) (int64, bool) {
	id, ok := m.ids[token]
	return id, ok
}

func (m *marian) vocabulary() []string {
	all := make([]string, 0, len(m.ids))
	for token := range m.ids {
		all = append(all, token)
	}
	return all
}

func (m *marian) unknown() int64 { return m.unkID }

func (m *marian) eos() int64 { return m.eosID }

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
