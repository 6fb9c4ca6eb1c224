package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// decoders gives a decoder's steps in order.
func (s *jsonStep) decoders() ([]decoder, error) {
	var steps []decoder
	err := s.each(func(s *jsonStep) []jsonStep { return s.Decoders }, func(s *jsonStep) error {
		step, err := s.decoder()
		if err != nil {
			return fmt.Errorf("decoder %q: %w", s.Type, err)
		}
		steps = append(steps, step)
		return nil
	})
	return steps, err
}

func (s *jsonStep) decoder() (decoder, error) {
	switch s.Type {
	case "ByteLevel":
		return func(out flow) flow { return &byteTokens{out: out} }, nil
	case "ByteFallback":
		return func(out flow) flow { return &byteRun{out: out} }, nil
	case "Fuse":
		return func(out flow) flow { return &fused{out: out} }, nil
	case "Strip":
		return s.trim()
	case "BPEDecoder":
		suffix := s.Suffix
		return func(out flow) flow {
			return &held{out: out, change: func(token string, last bool) string {
				if last {
					return replaceAll(token, suffix, "")
				}
				return replaceAll(token, suffix, " ")
			}}
		}, nil
	}
	change, err := s.change()
	if err != nil {
		return nil, err
	}
	return func(out flow) flow { return &mapped{out: out, change: change} }, nil
}

// replaceAll leaves a text alone where there is nothing to replace.
func replaceAll(text, old, replacement string) string {
	if old == "" {
		return text
	}
	return strings.ReplaceAll(text, old, replacement)
}

// change gives what the decoders do that work token by token.
func (s *jsonStep) change() (func(token string, index int) string, error) {
	switch s.Type {
	case "WordPiece":
		return s.unprefix, nil
	case "Replace":
		p, err := s.Pattern.compile()
		if err != nil {
			return nil, err
		}
		return func(token string, _ int) string { return replaceSpans(token, p.spans(token), s.Content) }, nil
	case "Metaspace":
		symbol, scheme, err := s.metaspaceScheme()
		if err != nil {
			return nil, err
		}
		return func(token string, index int) string {
			if index == 0 && scheme != "never" {
				return strings.ReplaceAll(token, symbol, "")
			}
			return strings.ReplaceAll(token, symbol, " ")
		}, nil
	}
	return nil, errUnsupported
}

// unprefix puts a space before what begins a word.
func (s *jsonStep) unprefix(token string, index int) string {
	if index > 0 {
		tail, ok := strings.CutPrefix(token, s.Prefix)
		if !ok {
			tail = " " + token
		}
		token = tail
	}
	if s.Cleanup && strings.Contains(token, " ") {
		for _, t := range tokenTidying {
			token = strings.ReplaceAll(token, t[0], t[1])
		}
	}
	return token
}

func (s *jsonStep) trim() (decoder, error) {
	if utf8.RuneCountInString(s.Content) != 1 || s.Start < 0 || s.Stop < 0 {
		return nil, fmt.Errorf("can't take %q from the ends", s.Content)
	}
	return func(out flow) flow { return &trimmed{out: out, char: s.Content, start: s.Start, stop: s.Stop} }, nil
}

// textTidying is transformers' clean_up_tokenization, and tokenTidying what the
// Rust library's WordPiece decoder does to each token.
var (
	textTidying = [][2]string{
		{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"},
		{" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
	}
	tokenTidying = [][2]string{
		{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"},
		{" n't", "n't"}, {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
	}
)

// tidy is textTidying over a text that comes in pieces.
func tidy(out flow) flow {
	for i := len(textTidying) - 1; i >= 0; i-- {
		out = &replaced{out: out, old: textTidying[i][0], new: textTidying[i][1]}
	}
	return out
}
