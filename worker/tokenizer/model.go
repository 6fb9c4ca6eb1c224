package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// model turns words into ids of its vocabulary.
type model interface {
	// appendWord adds the ids of a word that is valid UTF-8 and not empty.
	appendWord(ids []int64, word string) []int64
	vocab() *vocabulary
	// unknown is the id for text that the vocabulary can't write, -1 for none.
	unknown() int64
}

// vocabulary is the tokens of a model by id and the other way round.
type vocabulary struct {
	ids    map[string]int64
	tokens map[int64]string
}

func newVocabulary(ids map[string]int64) (*vocabulary, error) {
	v := &vocabulary{ids: ids, tokens: make(map[int64]string, len(ids))}
	for token, id := range ids {
		if id < 0 || id > math.MaxInt32 {
			return nil, fmt.Errorf("token %q has the id %d", token, id)
		}
		v.tokens[id] = token
	}
	return v, nil
}

// id gives -1 for a token that the vocabulary lacks.
func (v *vocabulary) id(token string) int64 {
	if id, ok := v.ids[token]; ok {
		return id
	}
	return -1
}

// byteTokens gives the ids of <0x00> to <0xFF>, -1 for those that are lacking.
func (v *vocabulary) byteTokens() (ids [256]int64) {
	for b := range ids {
		ids[b] = v.id(fmt.Sprintf("<0x%02X>", b))
	}
	return ids
}

// jsonModel is the section "model" of a tokenizer.json.
type jsonModel struct {
	Type         string          `json:"type"`
	Vocab        json.RawMessage `json:"vocab"`
	Merges       []jsonMerge     `json:"merges"`
	UnkID        *int64          `json:"unk_id"`
	UnkToken     *string         `json:"unk_token"`
	Prefix       *string         `json:"continuing_subword_prefix"`
	Suffix       *string         `json:"end_of_word_suffix"`
	FuseUnk      bool            `json:"fuse_unk"`
	ByteFallback bool            `json:"byte_fallback"`
	IgnoreMerges bool            `json:"ignore_merges"`
	Dropout      *float64        `json:"dropout"`
	MaxChars     *int            `json:"max_input_chars_per_word"`
}

// build makes the model ready. Old files don't name its type.
func (m *jsonModel) build() (model, error) {
	kind := m.Type
	if kind == "" {
		switch {
		case len(m.Vocab) > 0 && m.Vocab[0] == '[':
			kind = "Unigram"
		case m.Merges != nil:
			kind = "BPE"
		case m.MaxChars != nil || m.Prefix != nil:
			kind = "WordPiece"
		default:
			kind = "WordLevel"
		}
	}
	var built model
	var err error
	switch kind {
	case "Unigram":
		built, err = m.unigram()
	case "BPE":
		built, err = m.bpe()
	case "WordPiece":
		built, err = m.wordPiece()
	case "WordLevel":
		built, err = m.wordLevel()
	default:
		err = errUnsupported
	}
	if err != nil {
		return nil, fmt.Errorf("model %q: %w", kind, err)
	}
	return built, nil
}

func (m *jsonModel) vocabulary() (*vocabulary, error) {
	if len(m.Vocab) == 0 {
		return nil, errors.New("no vocabulary")
	}
	var ids map[string]int64
	if err := json.Unmarshal(m.Vocab, &ids); err != nil {
		return nil, fmt.Errorf("vocabulary: %w", err)
	}
	return newVocabulary(ids)
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
