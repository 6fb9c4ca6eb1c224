package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// flow takes tokens as they come and passes text on as soon as later tokens
// can't change it. A token may come in several pieces; last tells that it ends
// with this one. After end nothing comes.
type flow interface {
	write(text string, last bool)
	end()
}

// decoder is a step of decoding: it gives a flow that passes on to another one.
type decoder func(out flow) flow

// collected is where text ends up.
type collected struct{ strings.Builder }

func (c *collected) write(text string, _ bool) { c.WriteString(text) }

func (c *collected) end() {}

// take gives the text that came since the last call.
func (c *collected) take() string {
	s := c.String()
	c.Reset()
	return s
}

// pieces puts tokens together that come in several pieces.
type pieces struct{ text string }

func (p *pieces) whole(text string, last bool) (string, bool) {
	if p.text != "" {
		text = p.text + text
	}
	if p.text = ""; !last {
		p.text = text
	}
	return text, last
}

// spaced is decoding without a decoder: a space between tokens.
type spaced struct {
	out     flow
	started bool
}

func (s *spaced) write(text string, last bool) {
	if s.started {
		s.out.write(" ", false)
	}
	s.started = true
	s.out.write(text, last)
}

func (s *spaced) end() { s.out.end() }

// fused makes one token of all.
type fused struct{ out flow }

func (f *fused) write(text string, _ bool) { f.out.write(text, false) }

func (f *fused) end() {
	f.out.write("", true)
	f.out.end()
}

// mapped changes each token; the count tells which one it is.
type mapped struct {
	out   flow
	count int
	pieces
	change func(token string, index int) string
}

func (m *mapped) write(text string, last bool) {
	if text, last = m.whole(text, last); last {
		m.out.write(m.change(text, m.count), true)
		m.count++
	}
}

func (m *mapped) end() { m.out.end() }

// byteTokens turns tokens of visible characters into the bytes that they stand
// for, and all of them into one text.
type byteTokens struct {
	out     flow
	pending []byte
	pieces
}

func (b *byteTokens) write(text string, last bool) {
	if text, last = b.whole(text, last); !last {
		return
	}
	b.pending = appendVisible(b.pending, text)
	whole := wholeRunes(b.pending)
	b.out.write(replaceInvalid(b.pending[:whole]), false)
	b.pending = append(b.pending[:0], b.pending[whole:]...)
}

func (b *byteTokens) end() {
	b.out.write(replaceInvalid(b.pending), true)
	b.out.end()
}

// wholeRunes gives how many bytes there are before a character at the end that
// may still go on.
func wholeRunes(b []byte) int {
	for back := 1; back < utf8.UTFMax && back <= len(b); back++ {
		if start := len(b) - back; utf8.RuneStart(b[start]) {
			if !utf8.FullRune(b[start:]) {
				return start
			}
			break
		}
	}
	return len(b)
}

// replaceInvalid gives bytes as text, with one U+FFFD for each longest stretch
// that a character could have begun with, as Rust does.
func replaceInvalid(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			// What is no full character yet may go on with the next byte.
			for size < len(b) && !utf8.FullRune(b[:size]) && !utf8.FullRune(b[:size+1]) {
				size++
			}
		}
		out.WriteRune(r)
		b = b[size:]
	}
	return out.String()
}

// byteRun turns tokens like <0x41> into characters. A run of them that is not
// valid as a whole becomes a U+FFFD for each of its bytes.
type byteRun struct {
	out flow
	run []byte
	pieces
}

func (b *byteRun) write(text string, last bool) {
	if text, last = b.whole(text, last); !last {
		return
	}
	if v, ok := byteToken(text); ok {
		b.run = append(b.run, v)
		return
	}
	b.flush()
	b.out.write(text, true)
}

func (b *byteRun) flush() {
	if len(b.run) == 0 {
		return
	}
	if utf8.Valid(b.run) {
		b.out.write(string(b.run), true)
	} else {
		for range b.run {
			b.out.write("\uFFFD", true)
		}
	}
	b.run = b.run[:0]
}

func (b *byteRun) end() {
	b.flush()
	b.out.end()
}

// held keeps one token back, because the last one is treated in another way.
type held struct {
	out    flow
	change func(token string, last bool) string
	token  string
	some   bool
	pieces
}

func (h *held) write(text string, last bool) {
	if text, last = h.whole(text, last); !last {
		return
	}
	if h.some {
		h.out.write(h.change(h.token, false), true)
	}
	h.token, h.some = text, true
}

func (h *held) end() {
	if h.some {
		h.out.write(h.change(h.token, true), true)
	}
	h.out.end()
}

// trimmed takes up to so many of a character from both ends of each token.
type trimmed struct {
	out         flow
	char        string
	start, stop int
	// cut is how many were taken from the start of the present token, -1
	// where it has begun; tail are those that may be at its end.
	cut, tail int
}

func (t *trimmed) write(text string, last bool) {
	for t.cut >= 0 && t.cut < t.start && strings.HasPrefix(text, t.char) {
		text = text[len(t.char):]
		t.cut++
	}
	if text != "" {
		t.cut = -1
	}
	body := strings.TrimRight(text, t.char)
	count := (len(text) - len(body)) / len(t.char)
	if body != "" {
		body = strings.Repeat(t.char, t.tail) + body
		t.tail = 0
	}
	t.tail += count
	if !last {
		if more := t.tail - t.stop; more > 0 {
			body += strings.Repeat(t.char, more)
			t.tail = t.stop
		}
		t.out.write(body, false)
		return
	}
	body += strings.Repeat(t.char, max(0, t.tail-t.stop))
	t.cut, t.tail = 0, 0
	t.out.write(body, true)
}

func (t *trimmed) end() { t.out.end() }

// replaced is strings.ReplaceAll over a text that comes in pieces.
type replaced struct {
	out      flow
	old, new string
	kept     string
}

func (r *replaced) write(text string, last bool) {
	text = r.kept + text
	var done strings.Builder
	for {
		i := strings.Index(text, r.old)
		if i < 0 {
			break
		}
		done.WriteString(text[:i])
		done.WriteString(r.new)
		text = text[i+len(r.old):]
	}
	keep := min(len(r.old)-1, len(text))
	for ; keep > 0; keep-- {
		if strings.HasPrefix(r.old, text[len(text)-keep:]) {
			break
		}
	}
	done.WriteString(text[:len(text)-keep])
	r.kept = text[len(text)-keep:]
	r.out.write(done.String(), last)
}

func (r *replaced) end() {
	r.out.write(r.kept, true)
	r.out.end()
}

// stripped is Python's str.strip over a text that comes in pieces.
type stripped struct {
	out     flow
	begun   bool
	pending string
}

func (s *stripped) write(text string, last bool) {
	if !s.begun {
		text = strings.TrimLeftFunc(text, pythonSpace)
		s.begun = text != ""
	}
	if text == "" {
		return
	}
	body := strings.TrimRightFunc(text, pythonSpace)
	if body == "" {
		s.pending += text
		return
	}
	s.out.write(s.pending+body, last)
	s.pending = text[len(body):]
}

func (s *stripped) end() { s.out.end() }
