// Package lexicon finds texts by their words while somebody types, in memory: BM25 over
// fields of different weight.
package lexicon

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"sync"
)

// The parameters of BM25 (Robertson and Zaragoza, The Probabilistic Relevance Framework,
// 2009), and what a word counts that only begins like the last one of a query.
const (
	saturation   = 1.2
	lengthWeight = 0.75
	prefixCount  = 0.5
	// maxPrefixed bounds the words that a prefix stands for.
	maxPrefixed = 64
)

// Lexicon holds the words of documents by their ids. Changes must not be beside any other
// call; searches may be beside each other. Since it tells how rare a word is, it should hold
// only what its readers may know of.
type Lexicon struct {
	docs   []document
	byID   map[string]uint32
	terms  map[string]uint32
	words  []term
	sorted []string
	// length is that of all live documents together, dead how many of docs are gone.
	length float64
	dead   int
	// sums are of searches that ended: numbers for every document, all 0.
	sums *sync.Pool
}

type document struct {
	id     string
	length float64
	terms  []uint32
}

// term is a word with the documents that have it, by number; some may be dead.
type term struct {
	word string
	in   []posting
	// alive is how many of in are not dead.
	alive int
}

type posting struct {
	doc   uint32
	count float32
}

// Field is a text with what each word of it counts.
type Field struct {
	Text   string
	Weight float64
}

// New makes an empty lexicon.
func New() *Lexicon {
	return &Lexicon{byID: map[string]uint32{}, terms: map[string]uint32{}, sums: &sync.Pool{New: func() any { return new([]float64) }}}
}

// Len is the number of documents.
func (l *Lexicon) Len() int { return len(l.byID) }

// Put adds a document or replaces the one of the same id.
func (l *Lexicon) Put(id string, fields ...Field) {
	l.Delete(id)
	counts := map[string]float64{}
	length := 0.0
	for _, f := range fields {
		for _, w := range Words(f.Text) {
			counts[w] += f.Weight
			length += f.Weight
		}
	}
	l.add(id, length, counts)
}

func (l *Lexicon) add(id string, length float64, counts map[string]float64) {
	number := uint32(len(l.docs)) //nolint:gosec // a process holds fewer than 2^32 texts
	d := document{id: id, length: length, terms: make([]uint32, 0, len(counts))}
	for w, n := range counts {
		t := l.term(w)
		d.terms = append(d.terms, t)
		l.words[t].in = append(l.words[t].in, posting{number, float32(n)})
		if l.words[t].alive++; l.words[t].alive == 1 {
			l.sorted = nil
		}
	}
	l.docs, l.byID[id] = append(l.docs, d), number
	l.length += length
}

func (l *Lexicon) term(word string) uint32 {
	t, ok := l.terms[word]
	if !ok {
		t = uint32(len(l.words)) //nolint:gosec // as above
		word = strings.Clone(word)
		l.terms[word] = t
		l.words = append(l.words, term{word: word})
	}
	return t
}

// Delete removes a document, if it is there.
func (l *Lexicon) Delete(id string) {
	number, ok := l.byID[id]
	if !ok {
		return
	}
	d := &l.docs[number]
	for _, t := range d.terms {
		if l.words[t].alive--; l.words[t].alive == 0 {
			l.words[t].in, l.sorted = nil, nil
		}
	}
	l.length -= d.length
	delete(l.byID, id)
	*d = document{}
	if l.dead++; l.dead > 1000 && l.dead > len(l.byID) {
		l.rebuild()
	}
}

// rebuild leaves out what is dead.
func (l *Lexicon) rebuild() {
	fresh := New()
	numbers := make([]uint32, len(l.docs))
	for i, d := range l.docs {
		if d.id == "" {
			continue
		}
		numbers[i] = uint32(len(fresh.docs)) //nolint:gosec // as above
		fresh.byID[d.id] = numbers[i]
		fresh.docs = append(fresh.docs, document{id: d.id, length: d.length, terms: make([]uint32, 0, len(d.terms))})
	}
	for _, old := range l.words {
		if old.alive == 0 {
			continue
		}
		t := fresh.term(old.word)
		for _, p := range old.in {
			if l.docs[p.doc].id != "" {
				fresh.words[t].in = append(fresh.words[t].in, posting{numbers[p.doc], p.count})
				fresh.words[t].alive++
				d := &fresh.docs[numbers[p.doc]]
				d.terms = append(d.terms, t)
			}
		}
	}
	fresh.length = l.length
	*l = *fresh
}

// Hit is a document and how well it fits, above 0; scores of one lexicon can be compared.
type Hit struct {
	ID    string
	Score float64
}

// Search gives the documents that have some of the words, the best first and equal ones by
// id. Where somebody is still typing, the last word stands also for those that begin with
// it.
func (l *Lexicon) Search(words []string, typing bool) []Hit {
	if l.Len() == 0 {
		return nil
	}
	sums := l.sums.Get().(*[]float64)
	defer l.sums.Put(sums)
	if len(*sums) < len(l.docs) {
		*sums = make([]float64, len(l.docs)+len(l.docs)/4)
	}
	scores := *sums
	var touched []uint32
	for i, w := range words {
		touched = l.score(w, 1, scores, touched)
		if typing && i == len(words)-1 {
			for _, longer := range l.Beginning(w, maxPrefixed) {
				touched = l.score(longer, prefixCount, scores, touched)
			}
		}
	}
	hits := make([]Hit, len(touched))
	for i, n := range touched {
		hits[i] = Hit{l.docs[n].id, scores[n]}
		scores[n] = 0
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
	return hits
}

// score adds what a word of a query gives, and to touched the documents that had nothing.
func (l *Lexicon) score(word string, weight float64, scores []float64, touched []uint32) []uint32 {
	number, ok := l.terms[word]
	if !ok {
		return touched
	}
	t := &l.words[number]
	rarity := l.rarity(t.alive)
	mean := l.length / float64(l.Len())
	for _, p := range t.in {
		d := &l.docs[p.doc]
		if d.id == "" {
			continue
		}
		if scores[p.doc] == 0 {
			touched = append(touched, p.doc)
		}
		count := float64(p.count)
		long := 1 - lengthWeight + lengthWeight*d.length/mean
		scores[p.doc] += weight * rarity * count * (saturation + 1) / (count + saturation*long)
	}
	return touched
}

// rarity is what a word counts that so many documents have.
func (l *Lexicon) rarity(having int) float64 {
	n, all := float64(having), float64(l.Len())
	return math.Log(1 + (all-n+0.5)/(n+0.5))
}

// Most gives what no score for the words exceeds, also where no document has them all.
func (l *Lexicon) Most(words []string) (sum float64) {
	for _, w := range words {
		sum += l.rarity(l.Count(w)) * (saturation + 1)
	}
	return sum
}

// Count tells how many documents have a word.
func (l *Lexicon) Count(word string) int {
	t, ok := l.terms[word]
	if !ok {
		return 0
	}
	return l.words[t].alive
}

// Beginning gives words that begin with a prefix and are longer, in the order of their
// characters, at most so many.
func (l *Lexicon) Beginning(prefix string, most int) []string {
	if prefix == "" {
		return nil
	}
	from, found := slices.BinarySearch(l.sorted, prefix)
	if found {
		from++
	}
	to := from
	for to < len(l.sorted) && to-from < most && strings.HasPrefix(l.sorted[to], prefix) {
		to++
	}
	return l.sorted[from:to]
}

// Sort prepares Beginning, and so the searches of somebody who types, after changes.
func (l *Lexicon) Sort() {
	if l.sorted != nil {
		return
	}
	l.sorted = make([]string, 0, len(l.words))
	for _, t := range l.words {
		if t.alive > 0 {
			l.sorted = append(l.sorted, t.word)
		}
	}
	slices.Sort(l.sorted)
}
