package tokenizer

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// cachedWords is how many words a cache holds, and cachedSize how long they may
// be, in bytes.
const (
	cachedWords = 1 << 14
	cachedSize  = 64
)

// wordCache remembers the ids of words. Each word has one place; of words with
// the same place the last stays. It is safe for concurrent use.
type wordCache struct {
	places [cachedWords]atomic.Pointer[cachedWord]
}

type cachedWord struct {
	text string
	ids  []int32
}

var wordSeed = maphash.MakeSeed()

func (c *wordCache) place(text string) *atomic.Pointer[cachedWord] {
	return &c.places[maphash.String(wordSeed, text)%cachedWords]
}

func (c *wordCache) get(text string) ([]int32, bool) {
	if len(text) > cachedSize {
		return nil, false
	}
	w := c.place(text).Load()
	if w == nil || w.text != text {
		return nil, false
	}
	return w.ids, true
}

func (c *wordCache) put(text string, ids []int64) {
	if len(text) > cachedSize {
		return
	}
	// The word must not keep the text alive that it was cut from.
	w := &cachedWord{text: strings.Clone(text), ids: make([]int32, len(ids))}
	for i, id := range ids {
		w.ids[i] = int32(id)
	}
	c.place(text).Store(w)
}
