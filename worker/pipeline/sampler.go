package pipeline

import (
	"cmp"
	"math"
	"slices"

	"parley/worker/bundle"
	"parley/worker/noise"
)

// sampler draws tokens: the warpers of transformers 4.57 (generation/
// logits_process.py) in the order in which generate applies them, then one number of
// its own for each place of an output. What is drawn follows from the logits, the
// settings, the seed and the place alone.
type sampler struct {
	settings *bundle.Generation
	noise    noise.Source
	tokens   []weighted
}

// weighted is a token that may be drawn.
type weighted struct {
	token int64
	logit float64
	// share is its part of the whole, where it was computed.
	share float64
}

// newSampler makes the sampler of one of the sequences of a seed.
func newSampler(g *bundle.Generation, seed uint64, sequence int) *sampler {
	return &sampler{settings: g, noise: noise.Source{Seed: seed, Stream: uint32(sequence)}}
}

// draw gives the token for a place, -1 where no token has a score.
func (s *sampler) draw(row []float32, place uint64) int64 {
	s.collect(row)
	if len(s.tokens) == 0 {
		return -1
	}
	s.warp()
	total := s.normalize()
	left := s.noise.Uniform(place) * total
	for _, t := range s.tokens {
		if left -= t.share; left < 0 {
			return t.token
		}
	}
	return s.tokens[0].token
}

// collect takes the tokens that have a score, the most probable first, of equals the
// lowest; with top_k set only those that it leaves, equals of the last one among them.
// Scores are relative to the greatest, so that neither a tiny temperature nor a bias
// without end makes them anything but numbers.
func (s *sampler) collect(row []float32) {
	s.tokens = s.tokens[:0]
	floor := s.floor(row)
	for i, x := range row {
		if x >= floor && x > forbidden {
			s.tokens = append(s.tokens, weighted{token: int64(i), logit: float64(x)})
		}
	}
	slices.SortFunc(s.tokens, func(a, b weighted) int {
		return cmp.Or(cmp.Compare(b.logit, a.logit), cmp.Compare(a.token, b.token))
	})
	top := 0.0
	for i, t := range s.tokens {
		switch {
		case i == 0:
			top = t.logit
			fallthrough
		case t.logit == top:
			s.tokens[i].logit = 0
		default:
			s.tokens[i].logit = (t.logit - top) / s.settings.Temperature
		}
	}
}

// floor is the score of the last token that top_k leaves.
func (s *sampler) floor(row []float32) float32 {
	k := s.settings.TopK
	if k <= 0 || k >= len(row) {
		return forbidden
	}
	top := newBest(k)
	for i, x := range row {
		top.offer(candidate{score: x, token: int64(i)})
	}
	if len(top.found) < k {
		return forbidden
	}
	return top.found[k-1].score
}

// warp leaves out the tokens that the other warpers forbid, never the first one.
func (s *sampler) warp() {
	g := s.settings
	if g.TopP < 1 {
		s.topP(g.TopP)
	}
	if g.MinP > 0 {
		s.normalize()
		least := g.MinP * s.tokens[0].share
		s.keep(func(t weighted) bool { return t.share >= least })
	}
	if g.TypicalP < 1 {
		s.typical(g.TypicalP)
	}
	if g.EpsilonCutoff > 0 {
		total := s.normalize()
		s.keep(func(t weighted) bool { return t.share/total >= g.EpsilonCutoff })
	}
	if g.EtaCutoff > 0 {
		least := min(g.EtaCutoff, math.Sqrt(g.EtaCutoff)*math.Exp(-s.entropy()))
		total := s.normalize()
		s.keep(func(t weighted) bool { return t.share/total >= least })
	}
}

// normalize fills in the shares and gives their sum, that of the first one being 1.
func (s *sampler) normalize() float64 {
	total := 0.0
	for i := range s.tokens {
		s.tokens[i].share = math.Exp(s.tokens[i].logit - s.tokens[0].logit)
		total += s.tokens[i].share
	}
	return total
}

// keep leaves the tokens for which ok holds, and the first one in any case.
func (s *sampler) keep(ok func(weighted) bool) {
	kept := s.tokens[:1]
	for _, t := range s.tokens[1:] {
		if ok(t) {
			kept = append(kept, t)
		}
	}
	s.tokens = kept
}

// topP leaves the most probable tokens that together have more than a share p.
func (s *sampler) topP(p float64) {
	total := s.normalize()
	// The reference sums from the least probable one and drops what stays at or
	// below 1-p.
	sum, last := 0.0, 0
	for i := len(s.tokens) - 1; i > 0; i-- {
		if sum += s.tokens[i].share / total; sum > 1-p {
			last = i
			break
		}
	}
	s.tokens = s.tokens[:last+1]
}

// typical leaves the tokens whose surprise is nearest to the expected one (Meister et
// al. 2022, arXiv:2202.00666) until they have a share of mass.
func (s *sampler) typical(mass float64) {
	entropy := s.entropy()
	total := s.normalize()
	distance := func(t weighted) float64 { return math.Abs(-math.Log(t.share/total) - entropy) }
	byDistance := slices.Clone(s.tokens)
	slices.SortStableFunc(byDistance, func(a, b weighted) int { return cmp.Compare(distance(a), distance(b)) })
	sum, last := 0.0, 0
	for _, t := range byDistance {
		if sum += t.share / total; sum >= mass {
			break
		}
		last++
	}
	farthest := distance(byDistance[min(last, len(byDistance)-1)])
	kept := s.tokens[:0]
	for _, t := range s.tokens {
		if distance(t) <= farthest {
			kept = append(kept, t)
		}
	}
	s.tokens = kept
}

// entropy is that of the distribution, in nats.
func (s *sampler) entropy() float64 {
	total := s.normalize()
	sum := 0.0
	for _, t := range s.tokens {
		if p := t.share / total; p > 0 {
			sum -= p * math.Log(p)
		}
	}
	return sum
}
