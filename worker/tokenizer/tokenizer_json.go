package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"unicode/utf8"
)

// jsonEngine is a tokenizer.json (https://huggingface.co/docs/tokenizers): a
// text is cut at added tokens, normalized, cut at those that count in normal
// form, split into words, and each word goes to the model.
type jsonEngine struct {
	model model
	cache wordCache
	// raw are looked for in the text, normal in its normal form.
	raw, normal addedSplitter
	addedIDs    map[string]int64
	added       map[int64]*shownToken
	special     map[int64]bool
	normalizers []func(string) string
	splitters   []splitter
	// visible says that the model's words are bytes as visible characters.
	visible  bool
	template template
	decoders []decoder
}

// shownToken is an added token and how it reads when decoded: in its normal
// form where that is looked for.
type shownToken struct {
	addedToken
	shown string
}

// jsonFile is the file. Its steps are read by their own type.
type jsonFile struct {
	Truncation    *window      `json:"truncation"`
	Padding       *padding     `json:"padding"`
	Added         []addedToken `json:"added_tokens"`
	Normalizer    *jsonStep    `json:"normalizer"`
	PreTokenizer  *jsonStep    `json:"pre_tokenizer"`
	PostProcessor *jsonStep    `json:"post_processor"`
	Decoder       *jsonStep    `json:"decoder"`
	Model         jsonModel    `json:"model"`
}

// window is the section "truncation", and padding the section of that name.
// Neither is applied unless asked for.
type window struct {
	MaxLength int    `json:"max_length"`
	Direction string `json:"direction"`
}

type padding struct {
	ID int64 `json:"pad_id"`
}

func parseJSON(data []byte) (*jsonFile, error) {
	var f jsonFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	return &f, nil
}

func newJSON(f *jsonFile) (*jsonEngine, error) {
	e := &jsonEngine{special: map[int64]bool{}}
	var err error
	if e.model, err = f.Model.build(); err != nil {
		return nil, err
	}
	if e.normalizers, err = f.Normalizer.normalizers(); err != nil {
		return nil, err
	}
	if e.splitters, e.visible, err = f.PreTokenizer.splitters(); err != nil {
		return nil, err
	}
	if b, ok := e.model.(*bpe); ok && !e.visible && b.breaksAtSymbols() {
		e.splitters = append(e.splitters, beforeSymbols)
	}
	if e.template, err = f.PostProcessor.template(); err != nil {
		return nil, err
	}
	if e.decoders, err = f.Decoder.decoders(); err != nil {
		return nil, err
	}
	e.addedIDs, e.added = map[string]int64{}, map[int64]*shownToken{}
	return e, e.addTokens(f.Added)
}

// addNamed adds tokens that the other files name and tokenizer.json does not.
func (e *jsonEngine) addNamed(c *config) error {
	numbered, err := c.added()
	if err != nil {
		return err
	}
	var missing []addedToken
	add := func(t addedToken) {
		if _, ok := e.addedIDs[t.Content]; !ok {
			missing = append(missing, t)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(numbered)) {
		add(numbered[id])
	}
	for _, name := range c.named() {
		add(addedToken{Content: name, Special: true})
	}
	if len(missing) == 0 {
		return nil
	}
	return e.addTokens(missing)
}

// addTokens gives added tokens their ids: the model's where it has them, else
// the next free ones.
func (e *jsonEngine) addTokens(tokens []addedToken) error {
	next := int64(len(e.model.vocab().ids))
	for id := range e.added {
		next = max(next, id+1)
	}
	for _, t := range tokens {
		if t.Content == "" {
			continue
		}
		if id, ok := e.lookup(t.Content); ok {
			t.ID = id
		} else {
			t.ID = next
			next++
		}
		if t.ID < 0 || t.ID > 1<<31-1 {
			return fmt.Errorf("added token %q has the id %d", t.Content, t.ID)
		}
		shown := &shownToken{t, t.Content}
		if t.Normalized {
			shown.shown = e.normalize(t.Content)
		}
		e.addedIDs[t.Content], e.added[t.ID] = t.ID, shown
	}
	return e.splitAdded()
}

// splitAdded makes the splitters for added tokens.
func (e *jsonEngine) splitAdded() error {
	var raw, normal []addedToken
	var forms []string
	for _, id := range slices.Sorted(maps.Keys(e.added)) {
		t := e.added[id]
		e.special[id] = t.Special
		if t.Normalized {
			normal, forms = append(normal, t.addedToken), append(forms, t.shown)
		} else {
			raw = append(raw, t.addedToken)
		}
	}
	var err error
	if e.raw, err = newAddedSplitter(raw, contents(raw)); err != nil {
		return err
	}
	e.normal, err = newAddedSplitter(normal, forms)
	return err
}

func (e *jsonEngine) normalize(text string) string {
	for _, n := range e.normalizers {
		text = n(text)
	}
	return text
}

// appendBody adds the ids of a text without the tokens that the template puts
// around it. Where special tokens don't count, they are text.
func (e *jsonEngine) appendBody(ids []int64, text string, special bool) []int64 {
	text = validText(text)
	work := workspace.Get().(*words)
	defer work.release()
	for _, outer := range e.raw.cut(text, special) {
		if outer.added != nil {
			ids = append(ids, outer.added.ID)
			continue
		}
		first := 0
		if outer.start == 0 {
			_, size := utf8.DecodeRuneInString(outer.text)
			first = len(e.normalize(outer.text[:size]))
		}
		for _, inner := range e.normal.cut(e.normalize(outer.text), special) {
			if inner.added != nil {
				ids = append(ids, inner.added.ID)
				continue
			}
			ids = e.appendWords(ids, word{inner.text, max(0, first-inner.start)}, work)
		}
	}
	return ids
}

// words are two lists that splitters fill in turn.
type words struct{ from, to []word }

// workspace keeps lists for the next text.
var workspace = sync.Pool{New: func() any { return &words{} }}

// keptWords is how long a list may be to be kept.
const keptWords = 1 << 12

func (w *words) release() {
	if cap(w.from) <= keptWords && cap(w.to) <= keptWords {
		clear(w.from[:cap(w.from)])
		clear(w.to[:cap(w.to)])
		workspace.Put(w)
	}
}

func (e *jsonEngine) appendWords(ids []int64, w word, work *words) []int64 {
	work.from = append(work.from[:0], w)
	for _, split := range e.splitters {
		work.to = work.to[:0]
		for _, w := range work.from {
			if w.text != "" {
				work.to = split(work.to, w)
			}
		}
		work.from, work.to = work.to, work.from
	}
	for _, w := range work.from {
		if w.text != "" {
			ids = e.appendWord(ids, w.text)
		}
	}
	return ids
}

func (e *jsonEngine) appendWord(ids []int64, text string) []int64 {
	if known, ok := e.cache.get(text); ok {
		for _, id := range known {
			ids = append(ids, int64(id))
		}
		return ids
	}
	begin := len(ids)
	form := text
	if e.visible {
		form = visible(text)
	}
	ids = e.model.appendWord(ids, form)
	e.cache.put(text, ids[begin:])
	return ids
}

func (e *jsonEngine) encode(text string) []int64 {
	ids := append(make([]int64, 0, len(text)/3+4), e.template.before...)
	return append(e.appendBody(ids, text, true), e.template.after...)
}

func (e *jsonEngine) body(text string) []int64 {
	return e.appendBody(make([]int64, 0, len(text)/3+1), text, true)
}

func (e *jsonEngine) around() template { return e.template }

func (e *jsonEngine) encodeText(text string) []int64 {
	ids := e.appendBody(make([]int64, 0, len(text)/3+1), text, false)
	kept := ids[:0]
	for _, id := range ids {
		if e.special[id] {
			if id = e.model.unknown(); id < 0 {
				continue
			}
		}
		kept = append(kept, id)
	}
	return kept
}

// token gives what a decoder reads for an id.
func (e *jsonEngine) token(id int64) (string, bool) {
	if t, ok := e.added[id]; ok {
		return t.shown, true
	}
	t, ok := e.model.vocab().tokens[id]
	return t, ok
}

func (e *jsonEngine) name(id int64) (string, bool) {
	if t, ok := e.added[id]; ok {
		return t.Content, true
	}
	return e.token(id)
}

func (e *jsonEngine) isSpecial(id int64) bool { return e.special[id] }

func (e *jsonEngine) flow(out flow) flow {
	if len(e.decoders) == 0 {
		return &spaced{out: out}
	}
	for _, d := range slices.Backward(e.decoders) {
		out = d(out)
	}
	return out
}

func (e *jsonEngine) lookup(token string) (int64, bool) {
	if id, ok := e.addedIDs[token]; ok {
		return id, true
	}
	id, ok := e.model.vocab().ids[token]
	return id, ok
}

func (e *jsonEngine) vocabulary() map[string]int64 {
	all := maps.Clone(e.model.vocab().ids)
	maps.Copy(all, e.addedIDs)
	return all
}

func (e *jsonEngine) unknown() int64 { return e.model.unknown() }

var errNoFile = errors.New("neither source.spm nor tokenizer.json is there")
