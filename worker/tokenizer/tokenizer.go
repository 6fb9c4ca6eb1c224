// Package tokenizer turns text into the token ids of a translation bundle and
// back, exactly as the reference libraries do: SentencePiece with vocab.json
// (transformers' MarianTokenizer), or a tokenizer.json with a Unigram model
// (the Rust library "tokenizers").
package tokenizer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"unicode"
)

// engine is one of the two file formats.
type engine interface {
	// encode is the reference's call on a text: special tokens in it count,
	// the end token follows.
	encode(text string) []int64
	// encodeText takes every character as text and adds nothing.
	encodeText(text string) []int64
	decode(ids []int64) string
	lookup(token string) (int64, bool)
	vocabulary() []string
	unknown() int64
	eos() int64
}

// Tokenizer is safe for concurrent use.
type Tokenizer struct{ engine engine }

// Open reads the tokenizer of a bundle's folder: source.spm, target.spm and
// vocab.json where they stand, else tokenizer.json.
func Open(dir string) (*Tokenizer, error) {
	_, err := os.Stat(filepath.Join(dir, "source.spm"))
	var e engine
	switch {
	case err == nil:
		e, err = openMarian(dir)
	case errors.Is(err, fs.ErrNotExist):
		e, err = openJSON(filepath.Join(dir, "tokenizer.json"))
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("neither source.spm nor tokenizer.json is there")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer of %s: %w", dir, err)
	}
	return &Tokenizer{e}, nil
}

// Encode gives the ids of a text as the reference library does: a language
// code at the start and special tokens inside are taken for what they say, and
// the end token follows.
func (t *Tokenizer) Encode(text string) []int64 { return t.engine.encode(text) }

// EncodeText gives the ids of a text in which nothing is special: "</s>" is
// five characters. Nothing is put before or behind it.
func (t *Tokenizer) EncodeText(text string) []int64 { return t.engine.encodeText(text) }

// Decode gives the text of ids. Special tokens are left out, and nothing is
// tidied up.
func (t *Tokenizer) Decode(ids []int64) string { return t.engine.decode(ids) }

// ID gives the id of one token of the vocabulary.
func (t *Tokenizer) ID(token string) (int64, bool) { return t.engine.lookup(token) }

// EOS is the id of the end token.
func (t *Tokenizer) EOS() int64 { return t.engine.eos() }

// Knows tells whether the whole text can be written with the vocabulary.
func (t *Tokenizer) Knows(text string) bool {
	unknown := t.engine.unknown()
	for _, id := range t.engine.encodeText(text) {
		if id == unknown {
			return false
		}
	}
	return true
}

// LanguageTokens are the tokens of the form ">>xxx<<", which name a target
// language, in the order of the alphabet.
func (t *Tokenizer) LanguageTokens() []string {
	var found []string
	for _, token := range t.engine.vocabulary() {
		if len(token) > 4 && strings.HasPrefix(token, ">>") && strings.HasSuffix(token, "<<") {
			found = append(found, token)
		}
	}
	sort.Strings(found)
	return found
}

// pythonSpace is what Python's str.strip takes away: Unicode's white space and
// the four information separators.
func pythonSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
