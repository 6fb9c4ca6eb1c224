package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// word is a stretch of text on its way to the model. first is how many bytes at
// its start stem from the first character of the whole text.
type word struct {
	text  string
	first int
}

// splitter cuts a word. It adds the parts to a list and drops empty ones.
type splitter func(to []word, w word) []word

// splitters gives what a pre-tokenizer's steps do to a text, in order, and
// whether the last of them writes bytes as visible characters. That last act is
// left to the model, for which it is cheaper.
func (s *jsonStep) splitters() (steps []splitter, visibleBytes bool, err error) {
	err = s.each(func(s *jsonStep) []jsonStep { return s.Pretokenizers }, func(s *jsonStep) error {
		if visibleBytes {
			steps = append(steps, visibleWords)
		}
		step, err := s.splitter()
		if err != nil {
			return fmt.Errorf("pre-tokenizer %q: %w", s.Type, err)
		}
		steps = append(steps, step)
		visibleBytes = s.Type == "ByteLevel"
		return nil
	})
	return steps, visibleBytes, err
}

func visibleWords(to []word, w word) []word {
	return append(to, word{visible(w.text), w.first})
}

func (s *jsonStep) splitter() (splitter, error) {
	switch s.Type {
	case "ByteLevel":
		return s.byteLevel(), nil
	case "Metaspace":
		return s.metaspace()
	case "Split":
		p, err := s.Pattern.compile()
		if err != nil {
			return nil, err
		}
		return s.splitAt(p)
	case "Whitespace":
		return cut(scanner(scanWhitespace), removed, true), nil
	case "WhitespaceSplit":
		return cut(runes(isSpace), removed, false), nil
	case "BertPreTokenizer":
		return bertWords, nil
	case "Punctuation":
		return s.splitAt(runes(isPunctuation))
	case "Digits":
		if s.Individual {
			return cut(runes(isNumber), isolated, false), nil
		}
		return cut(runes(isNumber), contiguous, false), nil
	case "CharDelimiterSplit":
		if utf8.RuneCountInString(s.Delimiter) != 1 {
			return nil, fmt.Errorf("delimiter %q is not one character", s.Delimiter)
		}
		return cut(literal(s.Delimiter), removed, false), nil
	case "FixedLength":
		return s.fixedLength()
	}
	return nil, errUnsupported
}

// cut splits at a pattern.
func cut(p pattern, b behavior, invert bool) splitter {
	if scan, ok := p.(scanner); ok && b == isolated {
		return scan.isolate
	}
	return func(to []word, w word) []word {
		matches := p.spans(w.text)
		if b != isolated {
			for _, s := range b.split(w.text, matches, invert) {
				to = append(to, w.slice(s.start, s.end))
			}
			return to
		}
		at := 0
		for _, m := range matches {
			if at < m.start {
				to = append(to, w.slice(at, m.start))
			}
			to = append(to, w.slice(m.start, m.end))
			at = m.end
		}
		if at < len(w.text) {
			to = append(to, w.slice(at, len(w.text)))
		}
		return to
	}
}

// isolate is cut for a scanner whose matches stand by themselves, without the
// list of them.
func (scan scanner) isolate(to []word, w word) []word {
	begin := 0
	for at := 0; at < len(w.text); {
		end := scan(w.text, at)
		if end <= at {
			_, size := decode(w.text, at)
			at += size
			continue
		}
		if begin < at {
			to = append(to, w.slice(begin, at))
		}
		to = append(to, w.slice(at, end))
		begin, at = end, end
	}
	if begin < len(w.text) {
		to = append(to, w.slice(begin, len(w.text)))
	}
	return to
}

// beforeSymbols cuts before each space symbol that ends a stretch of other text.
func beforeSymbols(to []word, w word) []word {
	begin := 0
	for at := 0; at < len(w.text); {
		next := strings.Index(w.text[at:], spaceSymbol)
		if next < 0 {
			break
		}
		if next > 0 && at+next > begin {
			to = append(to, w.slice(begin, at+next))
			begin = at + next
		}
		at += next + len(spaceSymbol)
	}
	return append(to, w.slice(begin, len(w.text)))
}

func (w word) slice(start, end int) word { return word{w.text[start:end], max(0, w.first-start)} }

func (s *jsonStep) splitAt(p pattern) (splitter, error) {
	b, err := parseBehavior(s.Behavior)
	if err != nil {
		return nil, err
	}
	return cut(p, b, s.Invert), nil
}

// byteLevel puts a space in front, where wished, and splits as GPT-2 does.
func (s *jsonStep) byteLevel() splitter {
	prefix, split := flag(s.AddPrefix), cut(scanner(scanGPT2), isolated, false)
	useRegex := flag(s.UseRegex)
	return func(to []word, w word) []word {
		if prefix && !strings.HasPrefix(w.text, " ") {
			w.text = " " + w.text
		}
		if useRegex {
			return split(to, w)
		}
		return append(to, w)
	}
}

// metaspace replaces spaces by the symbol, puts one in front as the scheme
// says, and splits before each.
func (s *jsonStep) metaspace() (splitter, error) {
	symbol, scheme, err := s.metaspaceScheme()
	if err != nil {
		return nil, err
	}
	split := flag(s.Split)
	before := cut(literal(symbol), mergedWithNext, false)
	return func(to []word, w word) []word {
		w.text = strings.ReplaceAll(w.text, " ", symbol)
		if (scheme == "always" || scheme == "first" && w.first > 0) && !strings.HasPrefix(w.text, symbol) {
			w.text, w.first = symbol+w.text, w.first+len(symbol)
		}
		if !split {
			return append(to, w)
		}
		return before(to, w)
	}, nil
}

// metaspaceScheme reads when the symbol is put in front: "always", "first" (of
// the whole text) or "never".
func (s *jsonStep) metaspaceScheme() (symbol, scheme string, err error) {
	symbol, scheme = s.Replacement, s.PrependScheme
	if symbol == "" {
		symbol = spaceSymbol
	}
	if scheme == "" {
		scheme = "always"
	}
	if s.AddPrefix != nil && !*s.AddPrefix {
		scheme = "never"
	}
	switch scheme {
	case "always", "first", "never":
		return symbol, scheme, nil
	}
	return "", "", fmt.Errorf("scheme %q is not known", scheme)
}

// scanWhitespace is "\w+|[^\w\s]+".
func scanWhitespace(text string, at int) int {
	r, size := decode(text, at)
	switch {
	case isSpace(r):
		return at
	case isWord(r):
		return skip(text, at+size, isWord)
	}
	return skip(text, at+size, func(r rune) bool { return !isWord(r) && !isSpace(r) })
}

// bertWords splits at spaces, which go, and at punctuation, which stays.
func bertWords(to []word, w word) []word {
	begin := 0
	flush := func(end int) {
		if begin < end {
			to = append(to, w.slice(begin, end))
		}
	}
	for i, r := range w.text {
		if r < 0x80 && (isLetter(r) || isNumber(r)) {
			continue
		}
		space := isSpace(r)
		if !space && !isPunctuation(r) {
			continue
		}
		flush(i)
		begin = i + utf8.RuneLen(r)
		if !space {
			to = append(to, w.slice(i, begin))
		}
	}
	flush(len(w.text))
	return to
}

// fixedLength cuts after every so many characters.
func (s *jsonStep) fixedLength() (splitter, error) {
	length := 5
	if s.Length != nil {
		length = *s.Length
	}
	if length <= 0 {
		return nil, fmt.Errorf("length %d is not above 0", length)
	}
	return func(to []word, w word) []word {
		count, begin := 0, 0
		for i := range w.text {
			if count == length {
				to = append(to, w.slice(begin, i))
				count, begin = 0, i
			}
			count++
		}
		return append(to, w.slice(begin, len(w.text)))
	}, nil
}
