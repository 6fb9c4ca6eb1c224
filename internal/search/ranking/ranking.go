// Package ranking joins what speaks for a sticker into one order: its words, its vectors,
// and what people said of it. It knows no database and no model.
package ranking

import (
	"cmp"
	"slices"
)

// damping damps the first places of reciprocal rank fusion (Cormack, Clarke and Büttcher,
// SIGIR 2009, who found 60 good over many collections).
const damping = 60

// votesWeight is what a full opinion counts beside 1, the score of what comes first by all
// other signs. It is the best of a few that were tried on the demo set (quality_test.go).
const votesWeight = 0.5

// Near is a thing whose vector is near to the query's.
type Near struct {
	ID string
	// Cosine is the higher one of its picture's and its words'.
	Cosine float64
	// Picture tells that it is the picture's.
	Picture bool
}

// Signs are what is known of the candidates for a query.
type Signs struct {
	// Words are ids in the order in which their words fit, the best first.
	Words []string
	// Near are in the order of their cosines.
	Near []Near
	// Opinions are by id.
	Opinions map[string]Opinion
}

// Ranked is a candidate with its score and where that comes from.
type Ranked struct {
	ID string
	// Score is 0 to 1: 1 is first by words and vector, and with opinions by all of them.
	Score float64
	// Words, Picture and Votes are the shares of the score, which are 1 together; a
	// vector counts for the picture or for the words, as Near.Picture says. Votes is 0
	// where the opinions speak against it.
	Words, Picture, Votes float64
	// Count is how many people voted on it for this query.
	Count int
}

// Rank joins the signs, the best candidate first and equal ones by id.
func Rank(s Signs) []Ranked {
	found := map[string]*Ranked{}
	get := func(id string) *Ranked {
		r := found[id]
		if r == nil {
			r = &Ranked{ID: id}
			found[id] = r
		}
		return r
	}
	signs := 0.0
	if len(s.Words) > 0 {
		signs++
	}
	if len(s.Near) > 0 {
		signs++
	}
	for i, id := range s.Words {
		get(id).Words += place(i) / signs
	}
	for i, n := range s.Near {
		if r := get(n.ID); n.Picture {
			r.Picture += place(i) / signs
		} else {
			r.Words += place(i) / signs
		}
	}
	for id, o := range s.Opinions {
		if r := get(id); o.Value > 0 {
			r.Votes = votesWeight * o.Value
		}
	}
	most := 1.0
	if len(s.Opinions) > 0 {
		most += votesWeight
	}
	all := make([]Ranked, 0, len(found))
	for id, r := range found {
		o := s.Opinions[id]
		sum := r.Words + r.Picture + r.Votes
		if sum == 0 {
			continue // votes against what nothing else speaks for
		}
		r.Words, r.Picture, r.Votes, r.Count = r.Words/sum, r.Picture/sum, r.Votes/sum, o.Votes
		r.Score = sum / most
		if o.Value < 0 {
			r.Score *= 1 + o.Value*votesWeight
		}
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b Ranked) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// place is what a place in an order counts, 1 for the first, which is 0.
func place(i int) float64 { return (damping + 1) / float64(damping+1+i) }
