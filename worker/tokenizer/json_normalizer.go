package tokenizer

import (
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// normalizers gives what a normalizer's steps do to a text, in order.
func (s *jsonStep) normalizers() ([]func(string) string, error) {
	var steps []func(string) string
	err := s.each(func(s *jsonStep) []jsonStep { return s.Normalizers }, func(s *jsonStep) error {
		step, err := s.normalizer()
		if err != nil {
			return fmt.Errorf("normalizer %q: %w", s.Type, err)
		}
		steps = append(steps, step)
		return nil
	})
	return steps, err
}

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
		return lowercase, nil
	case "StripAccents":
		return func(t string) string { return filter(t, func(r rune) bool { return !isCombining(r) }) }, nil
	case "NFC":
		return form(norm.NFC), nil
	case "NFD":
		return form(norm.NFD), nil
	case "NFKC":
		return form(norm.NFKC), nil
	case "NFKD":
		return form(norm.NFKD), nil
	case "Nmt":
		return nmt, nil
	case "ByteLevel":
		return visible, nil
	case "BertNormalizer":
		return s.bert(), nil
	}
	return nil, errUnsupported
}

func (s *jsonStep) precompiled() (func(string) string, error) {
	blob, err := base64.StdEncoding.DecodeString(s.Charsmap)
	if err != nil {
		return nil, err
	}
	chars, err := parseCharsmap(blob)
	if err != nil {
		return nil, err
	}
	return chars.replaceAll, nil
}

func (s *jsonStep) replace() (func(string) string, error) {
	p, err := s.Pattern.compile()
	if err != nil {
		return nil, err
	}
	return func(t string) string { return replaceSpans(t, p.spans(t), s.Content) }, nil
}

// replaceSpans writes content in place of each match.
func replaceSpans(text string, spans []span, content string) string {
	if len(spans) == 0 {
		return text
	}
	var out strings.Builder
	at := 0
	for _, s := range spans {
		out.WriteString(text[at:s.start])
		out.WriteString(content)
		at = s.end
	}
	out.WriteString(text[at:])
	return out.String()
}

func strip(t string, left, right bool) string {
	if left {
		t = strings.TrimLeftFunc(t, isSpace)
	}
	if right {
		t = strings.TrimRightFunc(t, isSpace)
	}
	return t
}

func filter(text string, keep func(rune) bool) string {
	return strings.Map(func(r rune) rune {
		if keep(r) {
			return r
		}
		return -1
	}, text)
}

func lowercase(text string) string {
	if ascii(text) {
		return strings.ToLower(text)
	}
	out := make([]rune, 0, len(text))
	for _, r := range text {
		out = lower(out, r)
	}
	return string(out)
}

// nmt is the cleaning of Google's translation models: control characters go,
// odd spaces become spaces.
func nmt(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 1 && r <= 8, r == 0xb, r >= 0xe && r <= 0x1f, r == 0x7f, r == 0x8f, r == 0x9f:
			return -1
		case r == '\t', r == '\n', r == 0xc, r == '\r', r == 0x1680, r >= 0x200b && r <= 0x200f,
			r == 0x2028, r == 0x2029, r == 0x2581, r == 0xfeff, r == 0xfffd:
			return ' '
		}
		return r
	}, text)
}

// bert is BERT's cleaning. Accents go with the lower case unless the file says
// otherwise.
func (s *jsonStep) bert() func(string) string {
	accents := s.Lowercase
	if s.StripAccents != nil {
		accents = *s.StripAccents
	}
	decompose := form(norm.NFD)
	return func(text string) string {
		if s.CleanText {
			text = strings.Map(cleanRune, text)
		}
		if s.ChineseChars {
			text = spaceChinese(text)
		}
		if accents {
			if text = decompose(text); !ascii(text) {
				text = filter(text, func(r rune) bool { return !isNonspacing(r) })
			}
		}
		if s.Lowercase {
			text = lowercase(text)
		}
		return text
	}
}

func cleanRune(r rune) rune {
	switch {
	case r > ' ' && r < 0x7f:
		return r
	case r == 0 || r == 0xfffd || isControl(r):
		return -1
	case isSpace(r):
		return ' '
	}
	return r
}

// spaceChinese puts a space on both sides of each ideograph.
func spaceChinese(text string) string {
	if strings.IndexFunc(text, isChinese) < 0 {
		return text
	}
	var out strings.Builder
	for _, r := range text {
		if isChinese(r) {
			out.WriteByte(' ')
			out.WriteRune(r)
			out.WriteByte(' ')
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}
