package ranking

import "math"

// doubt is how many votes an opinion is smoothed by: with one vote it is a fifth, with four
// that agree a half. This and the numbers below did best among a few on the demo set, with
// and without votes at random (quality_test.go).
const doubt = 4

// related is the cosine of two queries from which what was said for one counts for the
// other.
const related = 0.6

// Judgement is what people said of a thing for a query. Votes that are old count less.
type Judgement struct {
	ID                 string
	Positive, Negative float64
	// Votes is how many people voted, whatever their votes' age.
	Votes int
}

// Judged are the judgements for a query that is as near as Cosine to the one at hand, 1 for
// the same.
type Judged struct {
	Cosine     float64
	Judgements []Judgement
}

// Opinion is what is thought of a thing for the query at hand: -1 is against it and 1 for
// it. Votes is how many people voted for that very query.
type Opinion struct {
	Value float64
	Votes int
}

// Opinions joins judgements. Those for other queries count the less the farther they are,
// and nothing from a cosine of 0.6 down.
func Opinions(all []Judged) map[string]Opinion {
	type sum struct {
		positive, negative float64
		votes              int
	}
	sums := map[string]sum{}
	for _, q := range all {
		weight := relatedness(q.Cosine)
		if weight == 0 {
			continue
		}
		for _, j := range q.Judgements {
			s := sums[j.ID]
			s.positive += weight * j.Positive
			s.negative += weight * j.Negative
			if q.Cosine == 1 {
				s.votes += j.Votes
			}
			sums[j.ID] = s
		}
	}
	opinions := make(map[string]Opinion, len(sums))
	for id, s := range sums {
		if value := (s.positive - s.negative) / (s.positive + s.negative + doubt); value != 0 || s.votes > 0 {
			opinions[id] = Opinion{value, s.votes}
		}
	}
	return opinions
}

func relatedness(cosine float64) float64 {
	return math.Pow(max(0, cosine-related)/(1-related), 2)
}

// towards is how far opinions move a query at most, as a part of its own length.
const towards = 1

// Move moves a query's vector, of length 1, towards what people liked (Rocchio, The SMART
// Retrieval System, 1971; the weight is bounded, and small where the opinions are few or
// doubtful). To move it away from what they did not like as well made answers worse. vector
// gives the vector of a thing, false when it has none. The result has length 1; query is
// left as it is.
func Move(query []float32, opinions map[string]Opinion, vector func(id string) ([]float32, bool)) []float32 {
	var liked centre
	for id, o := range opinions {
		if o.Value <= 0 {
			continue
		}
		if v, ok := vector(id); ok && len(v) == len(query) {
			liked.add(v, o.Value)
		}
	}
	moved := make([]float64, len(query))
	for i, x := range query {
		moved[i] = float64(x)
	}
	liked.pull(moved)
	length := 0.0
	for _, x := range moved {
		length += x * x
	}
	if length = math.Sqrt(length); length < 1e-3 {
		return query // what was liked is the opposite
	}
	unit := make([]float32, len(query))
	for i, x := range moved {
		unit[i] = float32(x / length)
	}
	return unit
}

// centre is a weighted sum of vectors.
type centre struct {
	sum    []float64
	weight float64
}

func (c *centre) add(v []float32, weight float64) {
	if c.sum == nil {
		c.sum = make([]float64, len(v))
	}
	for i, x := range v {
		c.sum[i] += weight * float64(x)
	}
	c.weight += weight
}

// pull moves v towards the centre, by all of towards once the opinions sum to 1.
func (c *centre) pull(v []float64) {
	if c.weight == 0 {
		return
	}
	by := towards * min(1, c.weight) / c.weight
	for i, x := range c.sum {
		v[i] += by * x
	}
}
