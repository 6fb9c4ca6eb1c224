package tokenizer

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Older bundles have the vocabulary in files of its own and leave the rest to
// the tokenizer's class. What transformers' converters (convert_slow_tokenizer)
// make of it is written here as the parts of a tokenizer.json.

// openLoose reads vocab.json and merges.txt, vocab.txt, sentencepiece.bpe.model or
// spiece.model.
func openLoose(dir string, c *config) (*jsonFile, error) {
	switch {
	case has(dir, "merges.txt"):
		return looseBPE(dir, c)
	case has(dir, "vocab.txt"):
		return looseWordPiece(dir, c)
	case has(dir, "sentencepiece.bpe.model"):
		return looseNLLB(filepath.Join(dir, "sentencepiece.bpe.model"), c)
	}
	return looseT5(filepath.Join(dir, "spiece.model"), c)
}

// looseT5 is T5Converter: the pieces of the .spm file, and extra ids behind them
// with the highest number first. SiglipTokenizer, which has no fast form, is the same
// without extra ids behind siglipSteps.
func looseT5(path string, c *config) (*jsonFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	spm, err := parseSPM(data)
	if err == nil && spm.modelType != modelUnigram {
		err = errors.New("is no unigram model")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c.EOS, c.Unk, c.Pad = or(c.EOS, "</s>"), or(c.Unk, "<unk>"), or(c.Pad, "<pad>")
	f := &jsonFile{Model: jsonModel{Type: "Unigram"}}
	var list [][2]any
	for i, p := range spm.pieces {
		list = append(list, [2]any{p.text, p.score})
		if id := int64(i); p.kind == pieceUnknown {
			f.Model.UnkID = &id
		}
	}
	extra, siglip := 100, strings.TrimSuffix(c.Class, "Fast") == "SiglipTokenizer"
	switch {
	case siglip:
		extra = 0
	case c.ExtraIDs != nil:
		extra = min(max(0, *c.ExtraIDs), maxExtraIDs)
	}
	for i := extra - 1; i >= 0; i-- {
		token := fmt.Sprintf("<extra_id_%d>", i)
		list = append(list, [2]any{token, 0.0})
		c.Extra = append(c.Extra, tokenText(token))
	}
	if f.Model.Vocab, err = json.Marshal(list); err != nil {
		return nil, err
	}
	f.Normalizer = spm.steps()
	space := &jsonStep{Type: "Metaspace", AddPrefix: c.prefixSpace(true)}
	f.PreTokenizer, f.Decoder = space, space
	if siglip {
		f.Normalizer.Normalizers = append(siglipSteps(c), f.Normalizer.Normalizers...)
		f.PreTokenizer = &jsonStep{Type: "Metaspace", PrependScheme: "never"}
	}
	f.PostProcessor = placed("", string(c.EOS))
	for i, p := range spm.pieces {
		if p.text == string(c.EOS) {
			f.PostProcessor.Specials = map[string]jsonSpecials{p.text: {IDs: []int64{int64(i)}}}
		}
	}
	return f, nil
}

// steps is what SpmConverter makes of the file's normalizer.
func (f *spmFile) steps() *jsonStep {
	spaces := " {2,}"
	return &jsonStep{Type: "Sequence", Normalizers: []jsonStep{
		{Type: "Precompiled", Charsmap: base64.StdEncoding.EncodeToString(f.normalizer.charsmap)},
		{Type: "Strip", StripRight: true}, {Type: "Replace", Pattern: jsonPattern{Regex: &spaces}, Content: spaceSymbol},
	}}
}

// siglipSteps is what SiglipTokenizer (transformers 4.57) takes away from a text before
// its pieces are sought: capitals, ASCII punctuation and spaces. A space before it stays
// beside the one that is put there. What stands behind a special token gets one too,
// which the reference does not give it.
func siglipSteps(c *config) []jsonStep {
	symbol, punctuation, spaces := spaceSymbol, "[!-/:-@\\[-`{-~]", `\s+`
	steps := []jsonStep{{Type: "Replace", Pattern: jsonPattern{String: &symbol}, Content: " "}, {Type: "Prepend", Prepend: spaceSymbol}}
	if c.Lowercase == nil || *c.Lowercase {
		steps = append(steps, jsonStep{Type: "Lowercase"})
	}
	return append(steps,
		jsonStep{Type: "Replace", Pattern: jsonPattern{Regex: &punctuation}},
		jsonStep{Type: "Replace", Pattern: jsonPattern{Regex: &spaces}, Content: " "},
		jsonStep{Type: "Strip", StripRight: true})
}

// maxExtraIDs bounds what a file may ask for; T5 has 100.
const maxExtraIDs = 1 << 16

func looseBPE(dir string, c *config) (*jsonFile, error) {
	f := &jsonFile{Model: jsonModel{Type: "BPE", Prefix: new(string), Suffix: new(string)}}
	var err error
	if f.Model.Vocab, err = os.ReadFile(filepath.Join(dir, "vocab.json")); err != nil {
		return nil, err
	}
	if f.Model.Merges, err = readMerges(filepath.Join(dir, "merges.txt")); err != nil {
		return nil, err
	}
	level := &jsonStep{Type: "ByteLevel", AddPrefix: new(bool)}
	f.PreTokenizer, f.Decoder = level, level
	switch strings.TrimSuffix(c.Class, "Fast") {
	case "GPT2Tokenizer", "CodeGenTokenizer":
		c.Unk, c.BOS, c.EOS = or(c.Unk, "<|endoftext|>"), or(c.BOS, "<|endoftext|>"), or(c.EOS, "<|endoftext|>")
		level.AddPrefix = c.prefixSpace(false)
		if c.AddBOS {
			f.PostProcessor = placed(string(c.BOS))
		}
	case "Qwen2Tokenizer":
		f.Normalizer = &jsonStep{Type: "NFC"}
		f.PreTokenizer = &jsonStep{Type: "Sequence", Pretokenizers: []jsonStep{
			{Type: "Split", Pattern: jsonPattern{Regex: &qwen2Expression}}, {Type: "ByteLevel", AddPrefix: new(bool), UseRegex: new(bool)},
		}}
	case "CLIPTokenizer":
		c.Unk, c.BOS, c.EOS = or(c.Unk, "<|endoftext|>"), or(c.BOS, "<|startoftext|>"), or(c.EOS, "<|endoftext|>")
		f.clip(c)
	case "RobertaTokenizer", "BartTokenizer":
		c.Unk, c.BOS, c.EOS, c.Pad = or(c.Unk, "<unk>"), or(c.BOS, "<s>"), or(c.EOS, "</s>"), or(c.Pad, "<pad>")
		level.AddPrefix = c.prefixSpace(false)
		f.PostProcessor = placed(string(c.BOS), "", string(c.EOS))
	default:
		return nil, fmt.Errorf("class %q of a tokenizer without tokenizer.json is not supported", c.Class)
	}
	return f, f.number()
}

// clip is CLIPConverter: words that end in </w>, lower case.
func (f *jsonFile) clip(c *config) {
	suffix, unk := "</w>", string(c.Unk)
	f.Model.Suffix, f.Model.UnkToken = &suffix, &unk
	f.Normalizer = &jsonStep{Type: "Sequence", Normalizers: []jsonStep{
		{Type: "NFC"}, {Type: "Replace", Pattern: jsonPattern{Regex: &spaceExpression}, Content: " "}, {Type: "Lowercase"},
	}}
	f.PreTokenizer = &jsonStep{Type: "Sequence", Pretokenizers: []jsonStep{
		{Type: "Split", Pattern: jsonPattern{Regex: &clipExpression}, Behavior: "Removed", Invert: true}, {Type: "ByteLevel", AddPrefix: new(bool)},
	}}
	f.PostProcessor = placed(string(c.BOS), "", string(c.EOS))
}

func looseWordPiece(dir string, c *config) (*jsonFile, error) {
	file, err := os.Open(filepath.Join(dir, "vocab.txt"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	ids := map[string]int64{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		ids[lines.Text()] = int64(len(ids))
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	c.Unk, c.Sep, c.Pad = or(c.Unk, "[UNK]"), or(c.Sep, "[SEP]"), or(c.Pad, "[PAD]")
	c.Cls, c.Mask = or(c.Cls, "[CLS]"), or(c.Mask, "[MASK]")
	unk := string(c.Unk)
	f := &jsonFile{
		Model: jsonModel{Type: "WordPiece", UnkToken: &unk},
		Normalizer: &jsonStep{
			Type: "BertNormalizer", CleanText: true, ChineseChars: flag(c.ChineseChars),
			StripAccents: c.StripAccents, Lowercase: flag(c.Lowercase),
		},
		PreTokenizer:  &jsonStep{Type: "BertPreTokenizer"},
		PostProcessor: placed(string(c.Cls), "", string(c.Sep)),
		Decoder:       &jsonStep{Type: "WordPiece", Prefix: "##", Cleanup: true},
	}
	if f.Model.Vocab, err = json.Marshal(ids); err != nil {
		return nil, err
	}
	return f, f.number()
}

func readMerges(path string) ([]jsonMerge, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	merges := []jsonMerge{}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimRight(line, "\r\n"); line == "" || strings.HasPrefix(line, "#version") {
			continue
		}
		var m jsonMerge
		if err := m.parse(line); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		merges = append(merges, m)
	}
	return merges, nil
}

// placed is a template of special tokens; "" stands for the text, which comes
// last where it does not stand.
func placed(tokens ...string) *jsonStep {
	if !slices.Contains(tokens, "") {
		tokens = append(tokens, "")
	}
	s := &jsonStep{Type: "TemplateProcessing"}
	for _, token := range tokens {
		if token == "" {
			s.Single = append(s.Single, jsonPlace{Sequence: &jsonName{"A"}})
		} else {
			s.Single = append(s.Single, jsonPlace{Special: &jsonName{token}})
		}
	}
	return s
}

// number gives the template's tokens their ids.
func (f *jsonFile) number() error {
	v, err := f.Model.vocabulary()
	if err != nil || f.PostProcessor == nil {
		return err
	}
	f.PostProcessor.Specials = map[string]jsonSpecials{}
	for _, p := range f.PostProcessor.Single {
		if p.Special == nil {
			continue
		}
		id := v.id(p.Special.ID)
		if id < 0 {
			return fmt.Errorf("the vocabulary lacks %q", p.Special.ID)
		}
		f.PostProcessor.Specials[p.Special.ID] = jsonSpecials{IDs: []int64{id}}
	}
	return nil
}
