package tokenizer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxPiece bounds a piece in bytes, since each place in it may be a merge.
// SentencePiece makes none of more than 16 characters unless told to.
const maxPiece = 1024

// looseNLLB is NllbConverter (transformers 4.57): the pieces of the .spm file behind four
// special tokens, and byte pair encoding by merges that are made of the pieces. The ids of
// the languages are those that tokenizer_config.json gives them.
func looseNLLB(path string, c *config) (*jsonFile, error) {
	if strings.TrimSuffix(c.Class, "Fast") != "NllbTokenizer" {
		return nil, fmt.Errorf("class %q of a tokenizer without tokenizer.json is not supported", c.Class)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	spm, err := parseSPM(data)
	if err == nil && (spm.modelType != modelBPE || len(spm.pieces) < 3) {
		err = errors.New("is no model of byte pair encoding")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c.BOS, c.Pad, c.EOS, c.Unk = or(c.BOS, "<s>"), or(c.Pad, "<pad>"), or(c.EOS, "</s>"), or(c.Unk, "<unk>")
	var names []string
	scores := map[string]float64{}
	add := func(piece string, score float64) {
		names, scores[piece] = append(names, piece), score
	}
	for _, token := range []string{"<s>", "<pad>", "</s>", "<unk>"} {
		add(token, 0)
	}
	for _, p := range spm.pieces[3:] {
		add(p.text, p.score)
	}
	unk := "<unk>"
	f := &jsonFile{Model: jsonModel{Type: "BPE", UnkToken: &unk, FuseUnk: true, ByteFallback: spm.byteFallback}}
	ids := make(map[string]int64, len(names))
	for i, name := range names {
		ids[name] = int64(i)
	}
	if f.Model.Vocab, err = json.Marshal(ids); err != nil {
		return nil, err
	}
	if f.Model.Merges, err = mergesOf(names, scores, ids); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.Normalizer = spm.steps()
	space := &jsonStep{Type: "Metaspace", AddPrefix: c.prefixSpace(true)}
	f.PreTokenizer, f.Decoder = space, space
	if err := c.number(ids); err != nil {
		return nil, fmt.Errorf("tokenizer_config.json: %w", err)
	}
	return f, f.placeLanguage(c, ids)
}

// mergesOf makes the merges of byte pair encoding of pieces with scores: each piece may be
// joined of any two others, that of the best score first, then the one with the longer left
// side.
func mergesOf(names []string, scores map[string]float64, ids map[string]int64) ([]jsonMerge, error) {
	type scored struct {
		jsonMerge
		score float64
	}
	var all []scored
	for _, name := range names {
		if len(name) > maxPiece {
			return nil, fmt.Errorf("a piece has %d bytes, %d are allowed", len(name), maxPiece)
		}
		for i := range name {
			left, right := name[:i], name[i:]
			_, first := ids[left]
			if _, second := ids[right]; first && second {
				all = append(all, scored{jsonMerge{left, right}, scores[name]})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score),
			cmp.Compare(utf8.RuneCountInString(b.jsonMerge[0]), utf8.RuneCountInString(a.jsonMerge[0])),
			cmp.Compare(utf8.RuneCountInString(b.jsonMerge[1]), utf8.RuneCountInString(a.jsonMerge[1])))
	})
	merges := make([]jsonMerge, len(all))
	for i, m := range all {
		merges[i] = m.jsonMerge
	}
	return merges, nil
}

// placeLanguage puts the language of a text in front of it, or behind its end where the
// bundle wants that.
func (f *jsonFile) placeLanguage(c *config, ids map[string]int64) error {
	language := c.Source
	if language == "" {
		language = "eng_Latn"
	}
	if f.PostProcessor = placed(language, "", string(c.EOS)); c.Legacy {
		f.PostProcessor = placed("", string(c.EOS), language)
	}
	f.PostProcessor.Specials = map[string]jsonSpecials{}
	for _, token := range []string{language, string(c.EOS)} {
		id, ok := ids[token]
		if !ok {
			return fmt.Errorf("tokenizer_config.json gives %q no id in added_tokens_decoder", token)
		}
		f.PostProcessor.Specials[token] = jsonSpecials{IDs: []int64{id}}
	}
	return nil
}

// number adds the tokens of added_tokens_decoder to the ids of the pieces. Where they are
// not numbered on from there, models and texts would mean different languages.
func (c *config) number(ids map[string]int64) error {
	added, err := c.added()
	if err != nil {
		return err
	}
	next := int64(len(ids))
	for _, id := range slices.Sorted(maps.Keys(added)) {
		token := added[id].Content
		want, ok := ids[token]
		if !ok {
			want = next
			ids[token], next = want, next+1
		}
		if id != want {
			return fmt.Errorf("added_tokens_decoder gives %q the id %d, which would be %d behind the pieces", token, id, want)
		}
	}
	return nil
}
