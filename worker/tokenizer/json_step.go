package tokenizer

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// jsonStep is a normalizer, pre-tokenizer or post-processor.
type jsonStep struct {
	Type          string     `json:"type"`
	Normalizers   []jsonStep `json:"normalizers"`
	Pretokenizers []jsonStep `json:"pretokenizers"`
	Charsmap      string     `json:"precompiled_charsmap"`
	Pattern       struct {
		String string `json:"String"`
		Regex  string `json:"Regex"`
	} `json:"pattern"`
	Content       string `json:"content"`
	Prepend       string `json:"prepend"`
	StripLeft     bool   `json:"strip_left"`
	StripRight    bool   `json:"strip_right"`
	Replacement   string `json:"replacement"`
	PrependScheme string `json:"prepend_scheme"`
	AddPrefix     *bool  `json:"add_prefix_space"`
	Split         *bool  `json:"split"`
	Single        []struct {
		Special *struct {
			ID string `json:"id"`
		} `json:"SpecialToken"`
		Sequence *struct{} `json:"Sequence"`
	} `json:"single"`
	Specials map[string]struct {
		IDs []int64 `json:"ids"`
	} `json:"special_tokens"`
}

func (e *jsonEngine) addNormalizer(s *jsonStep) error {
	if s == nil {
		return nil
	}
	if s.Type == "Sequence" {
		for i := range s.Normalizers {
			if err := e.addNormalizer(&s.Normalizers[i]); err != nil {
				return err
			}
		}
		return nil
	}
	step, err := s.normalizer()
	if err != nil {
		return err
	}
	e.normalizers = append(e.normalizers, step)
	return nil
}

// normalizer gives what a step does to a text.
func (s *jsonStep) normalizer() (func(string) string, error) {
	switch s.Type {
	case "Precompiled":
		return s.precompiled()
	case "Replace":
		return s.replace()
	case "Strip":
		return func(t string) string { return strip(t, s.StripLeft, s.StripRight) }, nil
	case "Prepend":
		return func(t string) string {
			if t == "" {
				return t
			}
			return s.Prepend + t
		}, nil
	case "Lowercase":
		return strings.ToLower, nil
	case "NFC":
		return norm.NFC.String, nil
	case "NFD":
		return norm.NFD.String, nil
	case "NFKC":
		return norm.NFKC.String, nil
	case "NFKD":
		return norm.NFKD.String, nil
	}
	return nil, fmt.Errorf("normalizer %q is not supported", s.Type)
}

func (s *jsonStep) precompiled() (func(string) string, error) {
	blob, err := base64.StdEncoding.DecodeString(s.Charsmap)
	if err != nil {
		return nil, fmt.Errorf("precompiled charsmap: %w", err)
	}
	chars, err := parseCharsmap(blob)
	if err != nil {
		return nil, err
	}
	return chars.replaceAll, nil
}

func (s *jsonStep) replace() (func(string) string, error) {
	pattern := regexp.QuoteMeta(s.Pattern.String)
	if s.Pattern.Regex != "" {
		pattern = s.Pattern.Regex
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("normalizer: %w", err)
	}
	return func(t string) string { return re.ReplaceAllLiteralString(t, s.Content) }, nil
}

func strip(t string, left, right bool) string {
	if left {
		t = strings.TrimLeftFunc(t, unicode.IsSpace)
	}
	if right {
		t = strings.TrimRightFunc(t, unicode.IsSpace)
	}
	return t
}

// replaceAll normalizes as the Rust library's Precompiled does for text without
// combining sequences: the longest rule at each place.
func (m *charsmap) replaceAll(text string) string {
	var out strings.Builder
	for text != "" {
		if replacement, length := m.longest(text); length > 0 {
			out.Write(replacement)
			text = text[length:]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		out.WriteRune(r)
		text = text[size:]
	}
	return out.String()
}

func (e *jsonEngine) addPreTokenizer(s *jsonStep) error {
	if s == nil {
		return nil
	}
	switch s.Type {
	case "Sequence":
		for i := range s.Pretokenizers {
			if err := e.addPreTokenizer(&s.Pretokenizers[i]); err != nil {
				return err
			}
		}
	case "WhitespaceSplit":
		e.words = append(e.words, func(words []string, _ bool) []string {
			var out []string
			for _, w := range words {
				out = append(out, strings.Fields(w)...)
			}
			return out
		})
	case "Metaspace":
		e.words = append(e.words, metaspace(s))
	default:
		return fmt.Errorf("pre-tokenizer %q is not supported", s.Type)
	}
	return nil
}

// metaspace replaces spaces by the symbol, puts one in front as the scheme
// says, and splits before each.
func metaspace(s *jsonStep) func([]string, bool) []string {
	symbol := s.Replacement
	if symbol == "" {
		symbol = spaceSymbol
	}
	scheme := s.PrependScheme
	if scheme == "" && (s.AddPrefix == nil || *s.AddPrefix) {
		scheme = "always"
	}
	split := s.Split == nil || *s.Split
	return func(words []string, first bool) []string {
		var out []string
		for i, w := range words {
			w = strings.ReplaceAll(w, " ", symbol)
			if (scheme == "always" || scheme == "first" && first && i == 0) && !strings.HasPrefix(w, symbol) {
				w = symbol + w
			}
			if !split {
				out = append(out, w)
				continue
			}
			for w != "" {
				end := strings.Index(w[1:], symbol) + 1
				if end == 0 {
					end = len(w)
				}
				out = append(out, w[:end])
				w = w[end:]
			}
		}
		return out
	}
}
