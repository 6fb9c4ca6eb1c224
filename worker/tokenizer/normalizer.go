package tokenizer

import (
	"bytes"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

const spaceSymbol = "\u2581"

// normalizerSpec is SentencePiece's NormalizerSpec.
type normalizerSpec struct {
	charsmap         []byte
	dummyPrefix      bool
	removeExtra      bool
	escapeWhitespace bool
}

func defaultNormalizer() normalizerSpec {
	return normalizerSpec{dummyPrefix: true, removeExtra: true, escapeWhitespace: true}
}

func (s *normalizerSpec) parse(data []byte) error {
	err := eachField(data, func(v field) error {
		switch v.number {
		case 2:
			s.charsmap = v.bytes
		case 3:
			s.dummyPrefix = v.bool()
		case 4:
			s.removeExtra = v.bool()
		case 5:
			s.escapeWhitespace = v.bool()
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("normalizer: %w", err)
	}
	return nil
}

// normalizer is SentencePiece's Normalizer: the charsmap, whitespace rules and
// the pieces that a user defined, which pass unchanged.
type normalizer struct {
	spec   normalizerSpec
	chars  *charsmap
	user   []string
	suffix bool
	space  string
}

func newNormalizer(spec normalizerSpec, user []string, suffix bool) (normalizer, error) {
	n := normalizer{spec: spec, user: user, suffix: suffix, space: " "}
	if spec.escapeWhitespace {
		n.space = spaceSymbol
	}
	// Longest first, because the longest match wins.
	sort.Slice(n.user, func(i, j int) bool { return len(n.user[i]) > len(n.user[j]) })
	var err error
	n.chars, err = parseCharsmap(spec.charsmap)
	return n, err
}

// prefix normalizes the start of text and gives how many bytes of it that was.
func (n *normalizer) prefix(text string) (string, int) {
	for _, u := range n.user {
		if strings.HasPrefix(text, u) {
			return u, len(u)
		}
	}
	if n.chars != nil && n.chars.plain[text[0]] {
		return text[:1], 1
	}
	if replacement, length := n.chars.longest(text); length > 0 {
		return string(replacement), length
	}
	_, size := utf8.DecodeRuneInString(text)
	return text[:size], size
}

// normalize gives the normal form of text.
func (n *normalizer) normalize(text string) string {
	text = validText(text)
	if n.spec.removeExtra {
		for text != "" {
			p, size := n.prefix(text)
			if p != " " {
				break
			}
			text = text[size:]
		}
	}
	if text == "" {
		return ""
	}
	out := make([]byte, 0, len(text)+len(text)/2+len(spaceSymbol))
	if n.spec.dummyPrefix && !n.suffix {
		out = append(out, n.space...)
	}
	afterSpace := n.spec.removeExtra
	for text != "" {
		p, size := n.prefix(text)
		if afterSpace {
			p = strings.TrimLeft(p, " ")
		}
		if p != "" {
			out = n.appendEscaped(out, p)
			afterSpace = p[len(p)-1] == ' '
		}
		text = text[size:]
		if !n.spec.removeExtra {
			afterSpace = false
		}
	}
	if n.spec.removeExtra {
		for bytes.HasSuffix(out, []byte(n.space)) {
			out = out[:len(out)-len(n.space)]
		}
	}
	if n.spec.dummyPrefix && n.suffix {
		out = append(out, n.space...)
	}
	return string(out)
}

func (n *normalizer) appendEscaped(out []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == ' ' {
			out = append(out, n.space...)
		} else {
			out = append(out, s[i])
		}
	}
	return out
}
