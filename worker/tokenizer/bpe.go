package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// bpe is byte pair encoding (Sennrich et al. 2016, arXiv:1508.07909): a word's
// characters, joined pair by pair in the order of the merges.
type bpe struct {
	*vocabulary
	merges         map[uint64]merge
	prefix, suffix string
	unk            int64
	fuseUnk        bool
	byteFallback   bool
	ignoreMerges   bool
	bytes          [256]int64
}

// merge is what a pair of tokens becomes. The lowest rank goes first.
type merge struct{ rank, id int32 }

// jsonMerge is a pair, written as "a b" or as a list of both.
type jsonMerge [2]string

func (m *jsonMerge) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		var pair []string
		if err := json.Unmarshal(data, &pair); err != nil {
			return err
		}
		if len(pair) != 2 {
			return fmt.Errorf("merge of %d tokens", len(pair))
		}
		*m = jsonMerge(pair)
		return nil
	}
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	return m.parse(s)
}

func (m *jsonMerge) parse(line string) error {
	a, b, ok := strings.Cut(line, " ")
	if !ok || strings.Contains(b, " ") {
		return fmt.Errorf("merge %q is no pair", line)
	}
	*m = jsonMerge{a, b}
	return nil
}

func (m *jsonModel) bpe() (*bpe, error) {
	if m.Dropout != nil && *m.Dropout != 0 {
		return nil, errors.New("dropout is not supported")
	}
	v, err := m.vocabulary()
	if err != nil {
		return nil, err
	}
	b := &bpe{
		vocabulary: v, merges: make(map[uint64]merge, len(m.Merges)), unk: -1,
		prefix: orEmpty(m.Prefix), suffix: orEmpty(m.Suffix),
		fuseUnk: m.FuseUnk, byteFallback: m.ByteFallback, ignoreMerges: m.IgnoreMerges, bytes: v.byteTokens(),
	}
	if m.UnkToken != nil {
		b.unk = v.id(*m.UnkToken)
	}
	for rank, pair := range m.Merges {
		left, right := v.id(pair[0]), v.id(pair[1])
		if left < 0 || right < 0 || len(pair[1]) < len(b.prefix) {
			return nil, fmt.Errorf("merge %d joins tokens that the vocabulary lacks: %q", rank, pair)
		}
		joined := v.id(pair[0] + pair[1][len(b.prefix):])
		if joined < 0 {
			return nil, fmt.Errorf("merge %d makes a token that the vocabulary lacks: %q", rank, pair)
		}
		b.merges[pairKey(int32(left), int32(right))] = merge{int32(rank), int32(joined)}
	}
	return b, nil
}

// breaksAtSymbols tells that no merge joins text with a space symbol behind it,
// so that a text may be cut there beforehand.
func (b *bpe) breaksAtSymbols() bool {
	if b.id(spaceSymbol) < 0 || b.ignoreMerges || b.prefix != "" || b.suffix != "" {
		return false
	}
	for pair := range b.merges {
		left, right := b.tokens[int64(pair>>32)], b.tokens[int64(uint32(pair))]
		if strings.HasPrefix(right, spaceSymbol) && !strings.HasSuffix(left, spaceSymbol) {
			return false
		}
	}
	return true
}

func (b *bpe) vocab() *vocabulary { return b.vocabulary }

func (b *bpe) unknown() int64 { return b.unk }

func pairKey(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

func (b *bpe) appendWord(ids []int64, word string) []int64 {
	if b.ignoreMerges {
		if id, ok := b.ids[word]; ok {
			return append(ids, id)
		}
	}
	var room [64]int32
	for _, s := range b.join(b.symbols(room[:0], word)) {
		ids = append(ids, int64(s))
	}
	return ids
}

// symbols gives the tokens of a word's characters.
func (b *bpe) symbols(symbols []int32, word string) []int32 {
	unknown := false
	for at := 0; at < len(word); {
		_, size := decode(word, at)
		s := word[at : at+size]
		if at > 0 && b.prefix != "" {
			s = b.prefix + s
		}
		if at += size; at == len(word) && b.suffix != "" {
			s += b.suffix
		}
		if id, ok := b.ids[s]; ok {
			if unknown {
				symbols, unknown = append(symbols, int32(b.unk)), false
			}
			symbols = append(symbols, int32(id))
			continue
		}
		if b.byteFallback {
			if with, ok := b.appendBytes(symbols, s); ok {
				symbols = with
				continue
			}
		}
		if b.unk < 0 {
			continue
		}
		if unknown && !b.fuseUnk {
			symbols = append(symbols, int32(b.unk))
		}
		unknown = true
	}
	if unknown {
		symbols = append(symbols, int32(b.unk))
	}
	return symbols
}

// appendBytes adds a character as its bytes, where the vocabulary has them all.
func (b *bpe) appendBytes(symbols []int32, s string) ([]int32, bool) {
	start := len(symbols)
	for i := 0; i < len(s); i++ {
		id := b.bytes[s[i]]
		if id < 0 {
			return symbols[:start], false
		}
		symbols = append(symbols, int32(id))
	}
	return symbols, true
}
