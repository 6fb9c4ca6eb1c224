package tokenizer

import (
	"encoding/json"
	"errors"
)

// jsonStep is a normalizer, pre-tokenizer, post-processor or decoder of a
// tokenizer.json. Each kind reads the fields that it knows.
type jsonStep struct {
	Type          string      `json:"type"`
	Normalizers   []jsonStep  `json:"normalizers"`
	Pretokenizers []jsonStep  `json:"pretokenizers"`
	Processors    []jsonStep  `json:"processors"`
	Decoders      []jsonStep  `json:"decoders"`
	Charsmap      string      `json:"precompiled_charsmap"`
	Pattern       jsonPattern `json:"pattern"`
	Behavior      string      `json:"behavior"`
	Invert        bool        `json:"invert"`
	Content       string      `json:"content"`
	Prepend       string      `json:"prepend"`
	StripLeft     bool        `json:"strip_left"`
	StripRight    bool        `json:"strip_right"`
	Start         int         `json:"start"`
	Stop          int         `json:"stop"`
	CleanText     bool        `json:"clean_text"`
	ChineseChars  bool        `json:"handle_chinese_chars"`
	StripAccents  *bool       `json:"strip_accents"`
	Lowercase     bool        `json:"lowercase"`
	Replacement   string      `json:"replacement"`
	PrependScheme string      `json:"prepend_scheme"`
	AddPrefix     *bool       `json:"add_prefix_space"`
	UseRegex      *bool       `json:"use_regex"`
	Split         *bool       `json:"split"`
	Individual    bool        `json:"individual_digits"`
	Delimiter     string      `json:"delimiter"`
	Length        *int        `json:"length"`
	Prefix        string      `json:"prefix"`
	Suffix        string      `json:"suffix"`
	Cleanup       bool        `json:"cleanup"`
	Single        []jsonPlace `json:"single"`

	Specials map[string]jsonSpecials `json:"special_tokens"`
	Sep      jsonSpecial             `json:"sep"`
	Cls      jsonSpecial             `json:"cls"`
}

// jsonSpecials are the ids of a template's special token.
type jsonSpecials struct {
	IDs []int64 `json:"ids"`
}

// jsonPattern is one of its two fields.
type jsonPattern struct {
	String *string `json:"String"`
	Regex  *string `json:"Regex"`
}

// jsonPlace is one place of a template: a special token or the text.
type jsonPlace struct {
	Special  *jsonName `json:"SpecialToken"`
	Sequence *jsonName `json:"Sequence"`
}

type jsonName struct {
	ID string `json:"id"`
}

// jsonSpecial is a token with its id, written as a list of both.
type jsonSpecial struct {
	token string
	id    int64
}

func (s *jsonSpecial) UnmarshalJSON(data []byte) error {
	pair := [2]any{&s.token, &s.id}
	return json.Unmarshal(data, &pair)
}

// flag is a field that is true unless the file says otherwise.
func flag(b *bool) bool { return b == nil || *b }

// each visits a step, or the members of a sequence one after the other.
func (s *jsonStep) each(members func(*jsonStep) []jsonStep, visit func(*jsonStep) error) error {
	if s == nil {
		return nil
	}
	if s.Type != "Sequence" {
		return visit(s)
	}
	steps := members(s)
	for i := range steps {
		if err := steps[i].each(members, visit); err != nil {
			return err
		}
	}
	return nil
}

// compile makes the pattern ready for use.
func (p jsonPattern) compile() (pattern, error) {
	switch {
	case p.Regex != nil:
		return compileRegex(*p.Regex)
	case p.String != nil:
		return literal(*p.String), nil
	}
	return nil, errors.New("a pattern is neither String nor Regex")
}
