package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

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

// specials are the special tokens that special_tokens_map.json and
// tokenizer_config.json name.
type specials struct {
	BOS   tokenText   `json:"bos_token"`
	EOS   tokenText   `json:"eos_token"`
	Unk   tokenText   `json:"unk_token"`
	Pad   tokenText   `json:"pad_token"`
	Sep   tokenText   `json:"sep_token"`
	Cls   tokenText   `json:"cls_token"`
	Mask  tokenText   `json:"mask_token"`
	Extra []tokenText `json:"additional_special_tokens"`
}

// config is the part of tokenizer_config.json that matters here.
type config struct {
	specials
	Class          string                `json:"tokenizer_class"`
	Added          map[string]addedToken `json:"added_tokens_decoder"`
	Separate       bool                  `json:"separate_vocabs"`
	Tidy           bool                  `json:"clean_up_tokenization_spaces"`
	MaxLength      float64               `json:"model_max_length"`
	TruncationSide string                `json:"truncation_side"`
	Source         string                `json:"src_lang"`
	LanguageCodes  string                `json:"language_codes"`
	Legacy         bool                  `json:"legacy_behaviour"`
	Lowercase      *bool                 `json:"do_lower_case"`
	StripAccents   *bool                 `json:"strip_accents"`
	ChineseChars   *bool                 `json:"tokenize_chinese_chars"`
	PrefixSpace    json.RawMessage       `json:"add_prefix_space"`
	AddBOS         bool                  `json:"add_bos_token"`
	ExtraIDs       *int                  `json:"extra_ids"`
}

// readConfig reads the two files, where they stand. What tokenizer_config.json
// leaves open comes from the other.
func readConfig(dir string) (*config, error) {
	c := &config{}
	for _, file := range []struct {
		name string
		into any
	}{{"special_tokens_map.json", &c.specials}, {"tokenizer_config.json", c}} {
		if err := readJSON(filepath.Join(dir, file.name), file.into); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return c, nil
}

// prefixSpace tells whether a space goes before a text. null counts as no, as
// it does to transformers.
func (c *config) prefixSpace(otherwise bool) *bool {
	yes := string(c.PrefixSpace) == "true" || len(c.PrefixSpace) == 0 && otherwise
	return &yes
}

// named are the special tokens, without those that are not set.
func (s *specials) named() []string {
	var named []string
	for _, t := range append([]tokenText{s.BOS, s.EOS, s.Unk, s.Sep, s.Pad, s.Cls, s.Mask}, s.Extra...) {
		if t != "" {
			named = append(named, string(t))
		}
	}
	return named
}

// added are the tokens of added_tokens_decoder with their ids.
func (c *config) added() (map[int64]addedToken, error) {
	tokens := make(map[int64]addedToken, len(c.Added))
	for key, t := range c.Added {
		id, err := strconv.ParseInt(key, 10, 32)
		if err != nil || id < 0 {
			return nil, fmt.Errorf("added token %q has no number", key)
		}
		t.ID = id
		tokens[id] = t
	}
	return tokens, nil
}

// maxLength is how many tokens the model takes, 0 where that is not said: the
// reference writes 1e30 then.
func (c *config) maxLength() int {
	if c.MaxLength < 1 || c.MaxLength > 1<<30 {
		return 0
	}
	return int(c.MaxLength)
}

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
