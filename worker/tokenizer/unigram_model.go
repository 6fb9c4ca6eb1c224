package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// unigramModel is a unigram model of a tokenizer.json. The ids are the places
// in its list.
type unigramModel struct {
	*vocabulary
	pieces *unigram
	unk    int64
	// bytes is set where the vocabulary has a piece for each byte.
	bytes *[256]int64
}

type jsonPiece struct {
	text  string
	score float64
}

func (p *jsonPiece) UnmarshalJSON(data []byte) error {
	pair := [2]any{&p.text, &p.score}
	return json.Unmarshal(data, &pair)
}

func (m *jsonModel) unigram() (*unigramModel, error) {
	var list []jsonPiece
	if err := json.Unmarshal(m.Vocab, &list); err != nil {
		return nil, fmt.Errorf("vocabulary: %w", err)
	}
	if m.UnkID == nil || *m.UnkID < 0 || *m.UnkID >= int64(len(list)) {
		return nil, errors.New("no token for unknown text")
	}
	u := &unigramModel{vocabulary: &vocabulary{ids: map[string]int64{}, tokens: map[int64]string{}}, unk: *m.UnkID}
	for i, p := range list {
		if p.text == "" || math.IsNaN(p.score) {
			return nil, fmt.Errorf("piece %d is broken", i)
		}
		// Of a piece that stands twice the last counts.
		u.ids[p.text], u.tokens[int64(i)] = int64(i), p.text
	}
	pieces := make([]piece, len(list))
	for i, p := range list {
		pieces[i] = piece{text: p.text, score: p.score, kind: pieceNormal}
		if u.ids[p.text] != int64(i) {
			pieces[i].kind = pieceControl
		}
	}
	if m.ByteFallback {
		bytes := u.byteTokens()
		u.bytes = &bytes
	}
	var err error
	u.pieces, err = newUnigram(pieces, true)
	return u, err
}

func (u *unigramModel) vocab() *vocabulary { return u.vocabulary }

func (u *unigramModel) unknown() int64 { return u.unk }

func (u *unigramModel) appendWord(ids []int64, word string) []int64 {
	begin := -1
	for _, n := range u.pieces.split(word) {
		// The piece for unknown text joins its unknown neighbours.
		if n.unknown || int64(n.id) == u.unk {
			if begin < 0 {
				begin = n.start
			}
			continue
		}
		if begin >= 0 {
			ids = u.appendUnknown(ids, word[begin:n.start])
			begin = -1
		}
		ids = append(ids, int64(n.id))
	}
	if begin >= 0 {
		ids = u.appendUnknown(ids, word[begin:])
	}
	return ids
}

// appendUnknown adds text that no pieces cover: as the piece that the whole of
// it happens to be, as bytes, or as unknown.
func (u *unigramModel) appendUnknown(ids []int64, text string) []int64 {
	if id, ok := u.ids[text]; ok {
		return append(ids, id)
	}
	begin := len(ids)
	for i := 0; u.bytes != nil && i < len(text); i++ {
		id := u.bytes[text[i]]
		if id < 0 {
			ids = ids[:begin]
			break
		}
		ids = append(ids, id)
	}
	if len(ids) == begin {
		ids = append(ids, u.unk)
	}
	return ids
}
