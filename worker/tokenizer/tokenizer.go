// Package tokenizer turns text into the token ids of a model and back, exactly
// as the reference libraries do: tokenizer.json as the Rust library
// "tokenizers" reads it, and SentencePiece with vocab.json as transformers'
// MarianTokenizer and M2M100Tokenizer.
package tokenizer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// engine is one way to read a vocabulary.
type engine interface {
	// encode is the reference's call on a text: special tokens in it count,
	// and its template is put around.
	encode(text string) []int64
	// body is encode without what is put around.
	body(text string) []int64
	around() template
	// encodeText takes every character as text and adds nothing.
	encodeText(text string) []int64
	// token is what flow reads for an id, and name the token as it is written.
	token(id int64) (string, bool)
	name(id int64) (string, bool)
	isSpecial(id int64) bool
	// flow turns tokens into text.
	flow(out flow) flow
	lookup(token string) (int64, bool)
	vocabulary() map[string]int64
	unknown() int64
}

// Tokenizer is safe for concurrent use.
type Tokenizer struct {
	engine             engine
	eos, bos, pad, unk int64
	size, maxLength    int
	// tidy is whether the reference tidies up decoded text, keepEnd whether it
	// truncates at the start, and legacy whether it puts languages behind.
	tidy, keepEnd, legacy bool
	languages             map[string]int64
	// wordEnd is the mark at the end of a word that transformers' CLIP
	// tokenizer turns into a space, "" elsewhere.
	wordEnd string
}

// Open reads the tokenizer of a bundle's folder: source.spm, target.spm and
// vocab.json where they stand (Marian), else tokenizer.json, else
// sentencepiece.bpe.model and vocab.json (M2M100), else vocab.json and
// merges.txt (GPT-2, RoBERTa, CLIP, Qwen 2), vocab.txt (BERT),
// sentencepiece.bpe.model (NLLB) or spiece.model (T5, SigLIP).
// tokenizer_config.json and special_tokens_map.json say more about either.
func Open(dir string) (*Tokenizer, error) {
	t, err := open(dir)
	if err != nil {
		return nil, fmt.Errorf("tokenizer of %s: %w", dir, err)
	}
	return t, nil
}

func open(dir string) (*Tokenizer, error) {
	c, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{
		pad: -1, tidy: c.Tidy, maxLength: c.maxLength(),
		keepEnd: c.TruncationSide == "left", legacy: c.Legacy, languages: map[string]int64{},
	}
	switch {
	case has(dir, "source.spm"):
		t.engine, err = openMarian(dir, c)
	case has(dir, "tokenizer.json"):
		err = t.openJSON(filepath.Join(dir, "tokenizer.json"), c)
	case has(dir, "sentencepiece.bpe.model") && has(dir, "vocab.json"):
		t.engine, err = openM2M100(dir, c)
	case has(dir, "merges.txt") || has(dir, "vocab.txt") || has(dir, "sentencepiece.bpe.model") || has(dir, "spiece.model"):
		err = t.openLoose(dir, c)
	default:
		err = errNoFile
	}
	if err != nil {
		return nil, err
	}
	t.setNamed(c)
	return t, nil
}

// has tells whether a folder has a file, which perhaps can't be read.
func has(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return !errors.Is(err, fs.ErrNotExist)
}

func (t *Tokenizer) openJSON(path string, c *config) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f, err := parseJSON(data)
	if err == nil {
		err = t.setJSON(f, c)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (t *Tokenizer) openLoose(dir string, c *config) error {
	f, err := openLoose(dir, c)
	if err != nil {
		return err
	}
	return t.setJSON(f, c)
}

func (t *Tokenizer) setJSON(f *jsonFile, c *config) error {
	e, err := newJSON(f)
	if err != nil {
		return err
	}
	if err := e.addNamed(c); err != nil {
		return err
	}
	t.engine = e
	// The reference tidies up no byte pair encoding, whatever the file says.
	if b, ok := e.model.(*bpe); ok {
		t.tidy = false
		if strings.HasPrefix(c.Class, "CLIPTokenizer") {
			t.wordEnd = b.suffix
		}
	}
	if w := f.Truncation; w != nil {
		if t.maxLength == 0 {
			t.maxLength = max(0, w.MaxLength)
		}
		t.keepEnd = t.keepEnd || c.TruncationSide == "" && w.Direction == "Left"
	}
	if f.Padding != nil {
		t.pad = f.Padding.ID
	}
	return nil
}

// languageToken is a language's token of NLLB or M2M100.
var languageToken = regexp.MustCompile(`^(?:__[a-z]{2,3}__|[a-z]{3}_[A-Z][a-z]{3})$`)

// setNamed finds the tokens that have a part to play. Where no file names an
// end, it is the last token behind a text.
func (t *Tokenizer) setNamed(c *config) {
	named := func(token tokenText, otherwise int64) int64 {
		if id, ok := t.engine.lookup(string(token)); ok && token != "" {
			return id
		}
		return otherwise
	}
	last := int64(-1)
	if after := t.engine.around().after; len(after) > 0 {
		last = after[len(after)-1]
	}
	t.eos, t.bos, t.pad = named(c.EOS, last), named(c.BOS, -1), named(c.Pad, t.pad)
	if t.unk = t.engine.unknown(); t.unk < 0 {
		t.unk = named(c.Unk, -1)
	}
	vocabulary := t.engine.vocabulary()
	t.size = len(vocabulary)
	for token, id := range vocabulary {
		if len(token) > 4 && strings.HasPrefix(token, ">>") && strings.HasSuffix(token, "<<") ||
			languageToken.MatchString(token) && t.engine.isSpecial(id) {
			t.languages[token] = id
		}
	}
}

// Encode gives the ids of a text as the reference library does: special tokens
// inside are taken for what they say, and what belongs around a text is put
// there (an end token, [CLS] and [SEP], the language that the files name).
func (t *Tokenizer) Encode(text string) []int64 { return t.engine.encode(text) }

// EncodeText gives the ids of a text in which nothing is special: "</s>" is
// five characters. Nothing is put before or behind it.
func (t *Tokenizer) EncodeText(text string) []int64 { return t.engine.encodeText(text) }

// EncodePrompt gives the ids of a text in which special tokens count. Nothing
// is put before or behind it (add_special_tokens=False in the reference).
func (t *Tokenizer) EncodePrompt(text string) []int64 { return t.engine.body(text) }

// EncodeWithin is Encode for at most so many ids: the text is cut so that what
// belongs around it has room (truncation=True, max_length=limit in the
// reference). A limit below 1 is none.
func (t *Tokenizer) EncodeWithin(text string, limit int) []int64 {
	if limit < 1 {
		return t.Encode(text)
	}
	around := t.engine.around()
	body := t.engine.body(text)
	if room := max(0, limit-len(around.before)-len(around.after)); len(body) > room {
		if t.keepEnd {
			body = body[len(body)-room:]
		} else {
			body = body[:room]
		}
	}
	ids := slices.Concat(around.before, body, around.after)
	return ids[:min(len(ids), limit)]
}

// EncodeFrom is Encode for a text in a language, which is given as its token
// ("eng_Latn", "__en__") or by the name in it ("en"). It fails where the
// vocabulary has no such language.
func (t *Tokenizer) EncodeFrom(language, text string) ([]int64, error) {
	id, ok := t.languages[language]
	if !ok {
		if id, ok = t.languages["__"+language+"__"]; !ok {
			return nil, fmt.Errorf("the vocabulary has no token for the language %q", language)
		}
	}
	if t.legacy {
		return append(t.engine.body(text), t.eos, id), nil
	}
	return append(append([]int64{id}, t.engine.body(text)...), t.eos), nil
}

// Decode gives the text of ids. Special tokens are left out, and spaces are
// tidied up where tokenizer_config.json tells the reference to.
func (t *Tokenizer) Decode(ids []int64) string { return t.decode(ids, false) }

// DecodeAll is Decode with special tokens written out.
func (t *Tokenizer) DecodeAll(ids []int64) string { return t.decode(ids, true) }

func (t *Tokenizer) decode(ids []int64, special bool) string {
	s := t.stream(special)
	for _, id := range ids {
		s.write(id)
	}
	return s.End()
}

// ID gives the id of one token of the vocabulary.
func (t *Tokenizer) ID(token string) (int64, bool) { return t.engine.lookup(token) }

// Token gives the token of an id, as the vocabulary writes it.
func (t *Tokenizer) Token(id int64) (string, bool) { return t.engine.name(id) }

// EOS is the id of the end token, -1 for none.
func (t *Tokenizer) EOS() int64 { return t.eos }

// BOS is the id of the token that begins a text, -1 for none.
func (t *Tokenizer) BOS() int64 { return t.bos }

// Pad is the id that fills rows of unequal length, -1 for none.
func (t *Tokenizer) Pad() int64 { return t.pad }

// Unknown is the id of what the vocabulary can't write, -1 for none.
func (t *Tokenizer) Unknown() int64 { return t.unk }

// Size is the count of tokens, added ones among them.
func (t *Tokenizer) Size() int { return t.size }

// MaxLength is how many tokens the model takes at most, 0 where no file says.
func (t *Tokenizer) MaxLength() int { return t.maxLength }

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

// LanguageTokens are the tokens that name a language, of the forms ">>xxx<<"
// (Marian), "__xx__" (M2M100) and "xxx_Xxxx" (NLLB), in the order of the
// alphabet.
func (t *Tokenizer) LanguageTokens() []string {
	var found []string
	for token := range t.languages {
		found = append(found, token)
	}
	slices.Sort(found)
	return found
}

// pythonSpace is what Python's str.strip takes away: Unicode's white space and
// the four information separators.
func pythonSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
