package tokenizer

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// wordPiece takes the longest token that a word begins with, and so on behind
// it (Schuster and Nakajima 2012).
type wordPiece struct {
	*vocabulary
	// tails are the tokens that go on a word, without their prefix.
	tails    map[string]int64
	longest  int
	maxChars int
	unk      int64
}

func (m *jsonModel) wordPiece() (*wordPiece, error) {
	v, err := m.vocabulary()
	if err != nil {
		return nil, err
	}
	w := &wordPiece{vocabulary: v, tails: map[string]int64{}, maxChars: 100}
	if m.MaxChars != nil {
		w.maxChars = *m.MaxChars
	}
	unk, prefix := "[UNK]", "##"
	if m.UnkToken != nil {
		unk = *m.UnkToken
	}
	if m.Prefix != nil {
		prefix = *m.Prefix
	}
	if w.unk = v.id(unk); w.unk < 0 {
		return nil, errors.New("no token for unknown text")
	}
	for token, id := range v.ids {
		w.longest = max(w.longest, len(token))
		if tail, ok := strings.CutPrefix(token, prefix); ok {
			w.tails[tail] = id
		}
	}
	return w, nil
}

func (w *wordPiece) vocab() *vocabulary { return w.vocabulary }

func (w *wordPiece) unknown() int64 { return w.unk }

func (w *wordPiece) appendWord(ids []int64, word string) []int64 {
	if len(word) > w.maxChars && utf8.RuneCountInString(word) > w.maxChars {
		return append(ids, w.unk)
	}
	begin := len(ids)
	tokens := w.ids
	for at := 0; at < len(word); {
		end := min(len(word), at+w.longest)
		for end > at {
			if end == len(word) || utf8.RuneStart(word[end]) {
				if id, ok := tokens[word[at:end]]; ok {
					ids = append(ids, id)
					break
				}
			}
			end--
		}
		if end == at {
			return append(ids[:begin], w.unk)
		}
		at, tokens = end, w.tails
	}
	return ids
}

// wordLevel knows whole words only.
type wordLevel struct {
	*vocabulary
	unk int64
}

func (m *jsonModel) wordLevel() (*wordLevel, error) {
	v, err := m.vocabulary()
	if err != nil {
		return nil, err
	}
	w := &wordLevel{vocabulary: v, unk: v.id("<unk>")}
	if m.UnkToken != nil {
		w.unk = v.id(*m.UnkToken)
	}
	return w, nil
}

func (w *wordLevel) vocab() *vocabulary { return w.vocabulary }

func (w *wordLevel) unknown() int64 { return w.unk }

func (w *wordLevel) appendWord(ids []int64, word string) []int64 {
	id, ok := w.ids[word]
	if !ok {
		if id = w.unk; id < 0 {
			return ids
		}
	}
	return append(ids, id)
}
