package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
)

// jsonEngine is a tokenizer.json with a Unigram model
// (https://huggingface.co/docs/tokenizers).
type jsonEngine struct {
	model       *unigram
	pieces      []string
	ids         map[string]int64
	special     map[int64]bool
	added       addedSplitter
	normalizers []func(string) string
	words       []func([]string, bool) []string
	unkID       int64
	before      []int64
	after       []int64
}

// jsonFile is the file; its steps are read by their own type.
type jsonFile struct {
	Added         []addedToken `json:"added_tokens"`
	Normalizer    *jsonStep    `json:"normalizer"`
	PreTokenizer  *jsonStep    `json:"pre_tokenizer"`
	PostProcessor *jsonStep    `json:"post_processor"`
	Model         struct {
		Type         string      `json:"type"`
		UnkID        *int64      `json:"unk_id"`
		Vocab        []jsonPiece `json:"vocab"`
		ByteFallback bool        `json:"byte_fallback"`
	} `json:"model"`
}

type jsonPiece struct {
	text  string
	score float64
}

func (p *jsonPiece) UnmarshalJSON(data []byte) error {
	pair := [2]any{&p.text, &p.score}
	return json.Unmarshal(data, &pair)
}

func openJSON(path string) (*jsonEngine, error) {
	var f jsonFile
	if err := readJSON(path, &f); err != nil {
		return nil, err
	}
	e, err := newJSON(&f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return e, nil
}

func newJSON(f *jsonFile) (*jsonEngine, error) {
	if f.Model.Type != "Unigram" {
		return nil, fmt.Errorf("model of type %q is not Unigram", f.Model.Type)
	}
	if f.Model.UnkID == nil || *f.Model.UnkID < 0 || *f.Model.UnkID >= int64(len(f.Model.Vocab)) {
		return nil, errors.New("no token for unknown text")
	}
	e := &jsonEngine{ids: map[string]int64{}, special: map[int64]bool{}, unkID: *f.Model.UnkID}
	pieces := make([]piece, len(f.Model.Vocab))
	for i, p := range f.Model.Vocab {
		if p.text == "" || math.IsNaN(p.score) {
			return nil, fmt.Errorf("piece %d is broken", i)
		}
		pieces[i] = piece{text: p.text, score: p.score, kind: pieceNormal}
		e.ids[p.text] = int64(i)
		e.pieces = append(e.pieces, p.text)
	}
	for _, t := range f.Added {
		e.ids[t.Content] = t.ID
		if t.Special {
			e.special[t.ID] = true
		}
	}
	e.added = newAddedSplitter(f.Added)
	var err error
	if e.model, err = newUnigram(pieces, f.Model.ByteFallback, true); err != nil {
		return nil, err
	}
	if err := e.addNormalizer(f.Normalizer); err != nil {
		return nil, err
	}
	if err := e.addPreTokenizer(f.PreTokenizer); err != nil {
		return nil, err
	}
	return e, e.setTemplate(f.PostProcessor)
}

func (e *jsonEngine) setTemplate(s *jsonStep) error {
	if s == nil {
		return nil
	}
	if s.Type != "TemplateProcessing" {
		return fmt.Errorf("post-processor %q is not supported", s.Type)
	}
	seen := false
	for _, p := range s.Single {
		switch {
		case p.Sequence != nil:
			seen = true
		case p.Special != nil && seen:
			e.after = append(e.after, s.Specials[p.Special.ID].IDs...)
		case p.Special != nil:
			e.before = append(e.before, s.Specials[p.Special.ID].IDs...)
		}
	}
	return nil
}

func (e *jsonEngine) encode(text string) []int64 {
	ids := append([]int64(nil), e.before...)
	first := true
	for _, p := range e.added.split(text) {
		switch {
		case p.added != nil:
			ids = append(ids, p.added.ID)
			first = false
		case p.text != "":
			ids = e.appendText(ids, p.text, first)
			first = false
		}
	}
	return append(ids, e.after...)
}

func (e *jsonEngine) encodeText(text string) []int64 {
	ids := e.appendText(nil, text, true)
	for i, id := range ids {
		if e.special[id] {
			ids[i] = e.unkID
		}
	}
	return ids
}

func (e *jsonEngine) appendText(ids []int64, text string, first bool) []int64 {
	for _, n := range e.normalizers {
		text = n(text)
	}
	words := []string{text}
	for _, split := range e.words {
		words = split(words, first)
	}
	for _, w := range words {
		for _, n := range e.model.split(w) {
			if !n.unknown {
				ids = append(ids, int64(n.id))
				continue
			}
			for _, p := range e.model.appendPieces(nil, w[n.start:n.end], true) {
				id, ok := e.ids[p]
				if !ok {
					id = e.unkID
				}
				ids = append(ids, id)
			}
		}
	}
	return ids
}

func (e *jsonEngine) decode(ids []int64) string {
	var out strings.Builder
	var raw []byte
	for _, id := range ids {
		if id < 0 || id >= int64(len(e.pieces)) || e.special[id] {
			continue
		}
		p := e.pieces[id]
		if e.model.byteFallback && len(p) == 6 && strings.HasPrefix(p, "<0x") {
			raw = append(raw, byteOf(p))
			continue
		}
		writeBytes(&out, raw)
		raw = raw[:0]
		out.WriteString(p)
	}
	writeBytes(&out, raw)
	return strings.TrimFunc(strings.ReplaceAll(out.String(), spaceSymbol, " "), pythonSpace)
}

func (e *jsonEngine) lookup(token string) (int64, bool) {
	id, ok := e.ids[token]
	return id, ok
}

func (e *jsonEngine) vocabulary() []string {
	all := make([]string, 0, len(e.ids))
	for token := range e.ids {
		all = append(all, token)
	}
	return all
}

func (e *jsonEngine) unknown() int64 { return e.unkID }

// eos is the last token that the template puts behind a text, -1 without one.
func (e *jsonEngine) eos() int64 {
	if len(e.after) == 0 {
		return -1
	}
	return e.after[len(e.after)-1]
}
