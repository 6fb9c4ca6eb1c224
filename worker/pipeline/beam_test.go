package pipeline

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/worker/bundle"
)

// logitsFor is a model that knows nothing but is the same every time.
func logitsFor(seed uint64, written []int64, vocabulary int) []float32 {
	h := seed
	for _, t := range written {
		h = h*6364136223846793005 + uint64(t) + 1442695040888963407
	}
	r := rand.New(rand.NewPCG(h, seed))
	row := make([]float32, vocabulary)
	for i := range row {
		row[i] = float32(r.NormFloat64() * 2)
	}
	return row
}

// runSearch runs a search without a model behind it.
func runSearch(t *testing.T, s search, seed uint64, origin []int64, vocabulary, limit int) []Output {
	t.Helper()
	written := [][]int64{slices.Clone(origin)}
	for range limit + 1 {
		rows := make([][]float32, len(written))
		for i := range rows {
			rows[i] = logitsFor(seed, written[i], vocabulary)
		}
		err := s.advance(func(beam int) []float32 { return rows[min(beam, len(rows)-1)] })
		require.NoError(t, err)
		if out := s.outputs(); out != nil {
			return out
		}
		next := make([][]int64, s.width())
		for i := range next {
			parent, token := s.step(i)
			next[i] = append(slices.Clone(written[min(parent, len(written)-1)]), token)
		}
		written = next
	}
	t.Fatal("the search does not end")
	return nil
}

// oracle is transformers' _beam_search written down line by line, with all
// placeholders and large negative numbers of the original, for one input.
func oracle(g *bundle.Generation, limit int, seed uint64, vocabulary int) []int64 {
	type entry struct {
		tokens []int64
		score  float32
		done   bool
	}
	k := g.NumBeams
	keep := max(2, 1+len(g.EOS)) * k
	running, finished := make([]entry, k), make([]entry, k)
	for i := range k {
		running[i] = entry{tokens: []int64{g.DecoderStart}}
		if i > 0 {
			running[i].score = -1e9
		}
		finished[i].score = -1e9
	}
	top := func(all []entry, n int) []entry {
		slices.SortStableFunc(all, func(a, b entry) int { return cmp.Compare(b.score, a.score) })
		return all[:n]
	}
	power := func(n int) float32 { return float32(math.Pow(float64(n), g.LengthPenalty)) }
	for length := 1; ; {
		var all []entry
		for _, r := range running {
			for token, x := range oracleScores(logitsFor(seed, r.tokens, vocabulary), r.tokens, g, limit) {
				all = append(all, entry{tokens: append(slices.Clone(r.tokens), int64(token)), score: x + r.score})
			}
		}
		all = slices.Clone(top(all, keep))
		ongoing, allHit := slices.Clone(all), true
		merged := slices.Clone(finished)
		full := g.EarlyStopping == bundle.StopFirst && !slices.ContainsFunc(finished, func(e entry) bool { return !e.done })
		for i := range all {
			hit := length+1 >= limit || slices.Contains(g.EOS, all[i].tokens[length])
			allHit = allHit && hit
			e := all[i]
			e.score /= power(length)
			if full {
				e.score += -1e9
			}
			if e.done = hit && i < k; !e.done {
				e.score += -1e9
			}
			merged = append(merged, e)
			if hit {
				ongoing[i].score += -1e9
			}
		}
		running = slices.Clone(top(ongoing, k))
		finished = slices.Clone(top(merged, k))
		length++
		best := length - 1
		if g.EarlyStopping == bundle.StopNever && g.LengthPenalty > 0 {
			best = limit - 1
		}
		improve, allDone := false, true
		for i := range finished {
			worst := float32(-1e9)
			if finished[i].done {
				worst = finished[k-1].score
			}
			improve = improve || running[0].score/power(best) > worst
			allDone = allDone && finished[i].done
		}
		if !improve || allDone && g.EarlyStopping == bundle.StopFirst || allHit {
			return finished[0].tokens
		}
	}
}

// oracleScores are the processors written down for whole rows.
func oracleScores(row []float32, written []int64, g *bundle.Generation, limit int) []float32 {
	softmax := func() {
		var sum float64
		for _, x := range row {
			sum += math.Exp(float64(x))
		}
		for i, x := range row {
			row[i] = x - float32(math.Log(sum))
		}
	}
	softmax()
	for i := range row {
		token := int64(i)
		if slices.Contains(written, token) {
			row[i] *= float32(g.RepetitionPenalty)
		}
		if n := g.NoRepeatNGram; n > 0 {
			gram := append(slices.Clone(written[max(0, len(written)-n+1):]), token)
			for at := 0; at+n <= len(written) && len(gram) == n; at++ {
				if slices.Equal(written[at:at+n], gram) {
					row[i] = forbidden
				}
			}
		}
		if len(written) < g.MinLength && slices.Contains(g.EOS, token) {
			row[i] = forbidden
		}
		if len(written) == 1 && g.ForcedBOS != nil {
			row[i] = forbidden
			if token == *g.ForcedBOS {
				row[i] = 0
			}
		}
		if len(written) == limit-1 && g.ForcedEOS != nil {
			row[i] = forbidden
			if slices.Contains(g.ForcedEOS, token) {
				row[i] = 0
			}
		}
		if slices.Contains(g.Suppress, token) {
			row[i] = forbidden
		}
	}
	if g.Renormalize {
		softmax()
	}
	return row
}

// Settings that no reference file has: every way to stop, penalties of all
// signs, several ends, forced starts.
func TestBeamsEqualTheOriginalWrittenDown(t *testing.T) {
	t.Parallel()
	const vocabulary = 24
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 3000 {
		g := bundle.Generation{
			DecoderStart: 23, EOS: bundle.Tokens{0}, NumBeams: 2 + r.IntN(4), NumReturnSequences: 1, MaxLength: 3 + r.IntN(14),
			RepetitionPenalty: 1, EncoderRepetitionPenalty: 1,
			LengthPenalty: []float64{-1, 0, 0.6, 1, 2}[r.IntN(5)],
			EarlyStopping: []bundle.EarlyStopping{bundle.StopHeuristic, bundle.StopFirst, bundle.StopNever}[r.IntN(3)],
			Renormalize:   r.IntN(2) == 0, MinLength: r.IntN(4), Suppress: []int64{5, 7},
		}
		switch r.IntN(5) {
		case 0:
			g.EOS = bundle.Tokens{0, 3}
		case 1:
			g.ForcedEOS = bundle.Tokens{0}
		case 2:
			g.ForcedBOS = new(int64(9))
		case 3:
			g.RepetitionPenalty = 1.3
		case 4:
			g.NoRepeatNGram = 1 + r.IntN(3)
		}
		limit := g.Limit(1, vocabulary)
		seed := uint64(round)
		want := oracle(&g, limit, seed, vocabulary)
		origin := []int64{g.DecoderStart}
		got := runSearch(t, newBeams(newRules(&g, nil, 1, limit), &g, origin, nil), seed, origin, vocabulary, limit)[0].Tokens
		if !slices.Equal(got, want) {
			t.Errorf("round %d: got %v, want %v with %s", round, got, want, describe(&g))
			if round > 500 {
				return
			}
		}
	}
}

// Whoever wants more of the beams gets the same first output, and the others behind it.
func TestMoreOutputsChangeNothing(t *testing.T) {
	t.Parallel()
	const vocabulary = 24
	for seed := range uint64(300) {
		g := bundle.Generation{
			DecoderStart: 23, EOS: bundle.Tokens{0}, NumBeams: 2 + int(seed%4), NumReturnSequences: 1, MaxLength: 12,
			RepetitionPenalty: 1, EncoderRepetitionPenalty: 1, LengthPenalty: float64(seed % 3), Renormalize: seed%2 == 0,
		}
		search := func() []Output {
			return runSearch(t, newBeams(newRules(&g, nil, 1, 12), &g, []int64{23}, nil), seed, []int64{23}, vocabulary, 12)
		}
		one := search()
		require.Len(t, one, 1)
		g.NumReturnSequences = g.NumBeams
		all := search()
		require.Len(t, all, g.NumBeams)
		require.Equal(t, one[0], all[0])
		for i := range all {
			var sum float64
			for at := 1; at < len(all[i].Tokens); at++ {
				row := oracleScores(logitsFor(seed, all[i].Tokens[:at], vocabulary), all[i].Tokens[:at], &g, 12)
				sum += float64(row[all[i].Tokens[at]])
			}
			want := sum / math.Pow(float64(len(all[i].Tokens)-1), g.LengthPenalty)
			require.InDelta(t, want, all[i].Score, 1e-3, "the score is that of its own tokens")
			for _, before := range all[:i] {
				require.GreaterOrEqual(t, before.Score, all[i].Score)
				require.NotEqual(t, before.Tokens, all[i].Tokens)
			}
		}
	}
}

func describe(g *bundle.Generation) string {
	return fmt.Sprintf("beams %d, limit %d, penalty %v, early %q, eos %v, forced %v %v, min %d, renormalize %v, repetition %v, ngram %d",
		g.NumBeams, g.MaxLength, g.LengthPenalty, g.EarlyStopping, g.EOS, g.ForcedBOS, g.ForcedEOS, g.MinLength, g.Renormalize, g.RepetitionPenalty, g.NoRepeatNGram)
}

func TestSumExp(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		row := make([]float32, 1+r.IntN(3000))
		for i := range row {
			row[i] = float32(r.NormFloat64() * 30)
		}
		if len(row) > 5 {
			row[3] = forbidden
		}
		top := maxOf(row)
		var want float64
		for _, x := range row {
			want += math.Exp(float64(x - top))
		}
		got := sumExp(row, top)
		assert.LessOrEqual(t, math.Abs(got-want), 1e-6*want, "got %v, want %v", got, want)
	}
}

func TestMoves(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		before := make([]int, 1+r.IntN(12))
		for i := range before {
			before[i] = i
		}
		parents := make([]int, 1+r.IntN(16))
		rows := make([]int, max(len(before), len(parents)))
		copy(rows, before)
		for i := range parents {
			parents[i] = r.IntN(len(before))
		}
		scratch := -1
		at := func(i int) *int {
			if i == ScratchRow {
				return &scratch
			}
			return &rows[i]
		}
		for _, m := range PlanMoves(parents) {
			*at(m.To) = *at(m.From)
		}
		require.Equal(t, parents, rows[:len(parents)], "%v became %v", parents, rows)
	}
}
