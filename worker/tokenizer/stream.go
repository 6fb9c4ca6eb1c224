package tokenizer

// Stream decodes ids that come one at a time. It gives text as soon as no later
// id can change it, so that characters come whole; all that it gives together
// is what Decode gives for the ids. It is for one goroutine.
type Stream struct {
	engine  engine
	flow    flow
	text    *collected
	special bool
	ended   bool
}

// Stream begins to decode.
func (t *Tokenizer) Stream() *Stream { return t.stream(false) }

func (t *Tokenizer) stream(special bool) *Stream {
	s := &Stream{engine: t.engine, text: &collected{}, special: special}
	out := flow(s.text)
	if t.tidy {
		out = tidy(out)
	}
	if t.wordEnd != "" {
		out = &replaced{out: &stripped{out: out}, old: t.wordEnd, new: " "}
	}
	s.flow = t.engine.flow(out)
	return s
}

// Add gives the text that an id makes certain, which may be none. An id that
// the vocabulary lacks counts as nothing.
func (s *Stream) Add(id int64) string {
	if s.ended {
		return ""
	}
	s.write(id)
	return s.text.take()
}

func (s *Stream) write(id int64) {
	if token, ok := s.engine.token(id); ok && (s.special || !s.engine.isSpecial(id)) {
		s.flow.write(token, true)
	}
}

// End gives the rest of the text. After it the stream gives nothing.
func (s *Stream) End() string {
	if s.ended {
		return ""
	}
	s.ended = true
	s.flow.end()
	return s.text.take()
}
