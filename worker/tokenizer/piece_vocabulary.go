package tokenizer

import (
	"fmt"
	"slices"
)

// pieceVocabulary gives SentencePiece's pieces the ids of another list, as
// transformers' Python tokenizers do.
type pieceVocabulary struct {
	source       *sentencePiece
	ids          map[string]int64
	tokens       map[int64]string
	added        addedSplitter
	special      map[string]bool
	unkID, eosID int64
}

func (v *pieceVocabulary) setTokens(ids map[string]int64) {
	v.tokens = make(map[int64]string, len(ids))
	for text, id := range ids {
		v.tokens[id] = text
	}
}

func or(t, otherwise tokenText) tokenText {
	if t == "" {
		return otherwise
	}
	return t
}

// setSpecial finds the special tokens, as far as the list has them, and those
// that tokenizer_config.json numbers: they are cut out of a text.
func (v *pieceVocabulary) setSpecial(c *config, named []tokenText) error {
	v.special = map[string]bool{}
	var ok bool
	if v.unkID, ok = v.ids[string(c.Unk)]; !ok {
		return fmt.Errorf("has no %q", c.Unk)
	}
	if v.eosID, ok = v.ids[string(c.EOS)]; !ok {
		return fmt.Errorf("has no %q", c.EOS)
	}
	added := map[string]addedToken{}
	for _, t := range named {
		if id, ok := v.ids[string(t)]; ok {
			added[string(t)] = addedToken{ID: id, Content: string(t), Special: true}
			v.special[string(t)] = true
		}
	}
	numbered, err := c.added()
	if err != nil {
		return err
	}
	for id, t := range numbered {
		added[t.Content] = t
		v.special[t.Content] = v.special[t.Content] || t.Special
		v.tokens[id] = t.Content
		v.ids[t.Content] = id
	}
	tokens := make([]addedToken, 0, len(added))
	for _, t := range added {
		tokens = append(tokens, t)
	}
	v.added, err = newAddedSplitter(tokens, contents(tokens))
	return err
}

func (v *pieceVocabulary) encodeText(text string) []int64 {
	ids := v.appendText([]int64{}, text)
	for i, id := range ids {
		if v.special[v.tokens[id]] {
			ids[i] = v.unkID
		}
	}
	return ids
}

func (v *pieceVocabulary) appendText(ids []int64, text string) []int64 {
	pieces := v.source.encode(text)
	ids = slices.Grow(ids, len(pieces)+1)
	for _, p := range pieces {
		ids = append(ids, v.id(p))
	}
	return ids
}

// appendBody adds the ids of a text in which special tokens count.
func (v *pieceVocabulary) appendBody(ids []int64, text string) []int64 {
	for _, p := range v.added.split(text) {
		switch {
		case p.added != nil:
			ids = append(ids, p.added.ID)
		case p.text != "":
			ids = v.appendText(ids, p.text)
		}
	}
	return ids
}

func (v *pieceVocabulary) id(token string) int64 {
	if id, ok := v.ids[token]; ok {
		return id
	}
	return v.unkID
}

func (v *pieceVocabulary) token(id int64) (string, bool) {
	token, ok := v.tokens[id]
	return token, ok
}

func (v *pieceVocabulary) name(id int64) (string, bool) { return v.token(id) }

func (v *pieceVocabulary) isSpecial(id int64) bool { return v.special[v.tokens[id]] }

func (v *pieceVocabulary) lookup(token string) (int64, bool) {
	id, ok := v.ids[token]
	return id, ok
}

func (v *pieceVocabulary) vocabulary() map[string]int64 { return v.ids }

func (v *pieceVocabulary) unknown() int64 { return v.unkID }
