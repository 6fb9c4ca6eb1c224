package translate

// Sentence is one that was translated, as an attempt keeps it for another: the one with the
// number Index of those that the hop Hop translates, and what the model made of it.
type Sentence struct {
	Hop   int    `json:"hop"`
	Index int    `json:"index"`
	Text  string `json:"text"`
}

// Keeping lets a call go on behind the sentences that an earlier one with the same job
// translated, and tells keep of all that are translated before it tells progress. keep must
// not change them. A sentence under way begins anew.
func Keeping(recorded []Sentence, keep func(all []Sentence)) CallOption {
	return func(o *callOptions) {
		o.record = &record{known: map[sentencePlace]string{}, keep: keep}
		for _, s := range recorded {
			o.record.known[sentencePlace{s.Hop, s.Index}] = s.Text
		}
	}
}

// record is what is kept of a call; nil keeps nothing.
type record struct {
	known map[sentencePlace]string
	// all only gets longer, so that whoever was given it keeps what they have.
	all  []Sentence
	keep func(all []Sentence)
}

type sentencePlace struct{ hop, index int }

// add notes a sentence that was translated.
func (r *record) add(hop, index int, text string) {
	if r == nil {
		return
	}
	r.all = append(r.all, Sentence{hop, index, text})
	r.keep(r.all[:len(r.all):len(r.all)])
}

// recall gives a sentence that an earlier call translated.
func (r *record) recall(hop, index int) (text string, ok bool) {
	if r == nil {
		return "", false
	}
	text, ok = r.known[sentencePlace{hop, index}]
	return text, ok
}
