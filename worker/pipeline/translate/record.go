package translate

// Sentence is one that was translated, as an attempt keeps it for another: the one with the
// number Index of those that the hop Hop translates, and what the model made of it. Others
// are the other ways where alternatives are wanted; an attempt before there were any kept none.
type Sentence struct {
	Hop   int `json:"hop"`
	Index int `json:"index"`
	// Way is how its terms got their translations, with stand-ins for them in the texts
	// unless it is empty.
	Way    string    `json:"way,omitempty"`
	Text   string    `json:"text"`
	Others []Variant `json:"others,omitempty"`
}

// Keeping lets a call go on behind the sentences that an earlier one with the same job
// translated, and tells keep of all that are translated before it tells progress. keep must
// not change them. A sentence under way begins anew.
func Keeping(recorded []Sentence, keep func(all []Sentence)) CallOption {
	return func(o *callOptions) {
		o.record = &record{known: map[sentencePlace]Sentence{}, keep: keep}
		for _, s := range recorded {
			o.record.known[sentencePlace{s.Hop, s.Index}] = s
		}
	}
}

// record is what is kept of a call; nil keeps nothing.
type record struct {
	known map[sentencePlace]Sentence
	// all only gets longer, so that whoever was given it keeps what they have.
	all  []Sentence
	keep func(all []Sentence)
}

type sentencePlace struct{ hop, index int }

// add notes a sentence that was translated.
func (r *record) add(s Sentence) {
	if r == nil {
		return
	}
	r.all = append(r.all, s)
	r.keep(r.all[:len(r.all):len(r.all)])
}

// recall gives a sentence that an earlier call translated.
func (r *record) recall(hop, index int) (s Sentence, ok bool) {
	if r == nil {
		return Sentence{}, false
	}
	s, ok = r.known[sentencePlace{hop, index}]
	return s, ok
}
