package translate

import (
	"cmp"
	"container/heap"
	"encoding/json"
	"math"
	"slices"

	"parley/internal/jobspec"
	"parley/worker/pipeline"
	"parley/worker/pipeline/document"
)

const (
	// maxVariedText is the longest text, in bytes, that has alternatives.
	maxVariedText = 4 << 10
	// maxAlternatives and maxResult bound, in bytes as they are encoded, the alternatives of
	// a text and the result that they come with: a message of NATS may have 1 MiB.
	maxAlternatives = 64 << 10
	maxResult       = 512 << 10
	// leastGap is below what any other way to say something has: it belongs to a beam that
	// only fills a place.
	leastGap = -1000
)

// Variant is another way to translate a sentence, as the model wrote it. Gap is how much
// lower than the best one the search ranks it, 0 or less.
type Variant struct {
	Text string  `json:"text"`
	Gap  float32 `json:"gap"`
}

// variants are what a search found behind its best output, each text once.
func variants(outputs []pipeline.Output, best string, decode func([]int64) string) []Variant {
	var all []Variant
	for _, o := range outputs[1:] {
		v := Variant{decode(o.Tokens), o.Score - outputs[0].Score}
		same := func(other Variant) bool { return other.Text == v.Text }
		if v.Gap > leastGap && v.Text != "" && v.Text != best && !slices.ContainsFunc(all, same) {
			all = append(all, v)
		}
	}
	return all
}

// varied is a sentence that can be said in other ways: its segment's texts, the best one
// first, with what each costs, from 0 up.
type varied struct {
	segment int
	texts   []string
	costs   []float64
}

// vary notes the other ways to say a sentence, with what was taken out of it put back.
func (p *passage) vary(segment int, r reading, best string, others []Variant) {
	if p.beams < 2 || len(others) == 0 {
		return
	}
	v := varied{segment: segment, texts: []string{best}, costs: []float64{0}}
	for _, o := range others {
		if text := r.whole(o.Text); !slices.Contains(v.texts, text) {
			v.texts, v.costs = append(v.texts, text), append(v.costs, -float64(o.Gap))
		}
	}
	if len(v.texts) > 1 {
		p.varied = append(p.varied, v)
	}
}

// alternatives are the best texts beside the translation: those whose sentences cost least
// in all. Their number and size are bounded; show makes a text of segments.
func (p *passage) alternatives(translation string, show func([]document.Segment) string) []jobspec.Alternative {
	var found []jobspec.Alternative
	seen := map[string]bool{translation: true}
	room := min(maxAlternatives, maxResult-encoded(translation))
	ways := newWays(p.varied)
	// Few of them give the same text: sentences are different from their own variants.
	for range 4 * jobspec.MaxAlternatives {
		choice, cost, ok := ways.next()
		if !ok || len(found) == jobspec.MaxAlternatives {
			break
		}
		segments := slices.Clone(p.segments)
		for _, c := range choice {
			v := ways.sentences[c.sentence]
			segments[v.segment].Text = v.texts[c.option]
		}
		text := show(segments)
		if seen[text] {
			continue
		}
		seen[text] = true
		// A score has about 7 digits; 0 is not to have a sign.
		a := jobspec.Alternative{Text: text, Score: 0 - math.Round(cost*1e6)/1e6}
		if room -= encoded(a); room < 0 {
			break
		}
		found = append(found, a)
	}
	return found
}

// encoded is how many bytes a value takes in a message; none of them fails.
func encoded(v any) int {
	data, _ := json.Marshal(v) //nolint:errchkjson // strings and finite numbers
	return len(data)
}

// ways enumerates the choices of one option for each sentence, the cheapest first, but for
// the one that takes all first options. Each choice is reached from exactly one cheaper one:
// the last sentence that differs takes its next option, or the sentence behind it differs
// too, or instead of it. That is cheaper first since the sentences are sorted by what their
// second option costs.
type ways struct {
	sentences []varied
	queue     choices
}

// change is a sentence, by its place, that takes another option than the first.
type change struct{ sentence, option int }

// choice is what is changed, in the order of the sentences.
type choice struct {
	cost    float64
	changes []change
}

func newWays(all []varied) *ways {
	w := &ways{sentences: slices.Clone(all)}
	slices.SortFunc(w.sentences, func(a, b varied) int {
		return cmp.Or(cmp.Compare(a.costs[1], b.costs[1]), cmp.Compare(a.segment, b.segment))
	})
	if len(all) > 0 {
		w.queue = choices{w.choice([]change{{0, 1}})}
	}
	return w
}

func (w *ways) choice(changes []change) choice {
	c := choice{changes: changes}
	for _, e := range changes {
		c.cost += w.sentences[e.sentence].costs[e.option]
	}
	return c
}

// next gives the next choice, ok false when there is none.
func (w *ways) next() (changes []change, cost float64, ok bool) {
	if len(w.queue) == 0 {
		return nil, 0, false
	}
	c := heap.Pop(&w.queue).(choice)
	last := c.changes[len(c.changes)-1]
	before := c.changes[:len(c.changes)-1]
	follow := func(base []change, more ...change) {
		heap.Push(&w.queue, w.choice(slices.Concat(base, more)))
	}
	if last.option+1 < len(w.sentences[last.sentence].costs) {
		follow(before, change{last.sentence, last.option + 1})
	}
	if last.sentence+1 < len(w.sentences) {
		behind := change{last.sentence + 1, 1}
		follow(c.changes, behind)
		if last.option == 1 {
			follow(before, behind)
		}
	}
	return c.changes, c.cost, true
}

// choices is a heap, the cheapest on top; of equal ones that with fewer changes, then the
// one that changes what stands first in its order.
type choices []choice

func (q choices) Len() int      { return len(q) }
func (q choices) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *choices) Push(x any)   { *q = append(*q, x.(choice)) }

func (q choices) Less(i, j int) bool {
	order := func(a, b change) int {
		return cmp.Or(cmp.Compare(a.sentence, b.sentence), cmp.Compare(a.option, b.option))
	}
	return cmp.Or(cmp.Compare(q[i].cost, q[j].cost), cmp.Compare(len(q[i].changes), len(q[j].changes)),
		slices.CompareFunc(q[i].changes, q[j].changes, order)) < 0
}

func (q *choices) Pop() any {
	end := len(*q) - 1
	last := (*q)[end]
	*q = (*q)[:end]
	return last
}
