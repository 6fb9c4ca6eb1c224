package ranking_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/search/ranking"
)

func ids(all []ranking.Ranked) (ids []string) {
	for _, r := range all {
		ids = append(ids, r.ID)
	}
	return ids
}

func TestWordsAndVectorsAreJoinedByTheirPlaces(t *testing.T) {
	t.Parallel()
	assert.Empty(t, ranking.Rank(ranking.Signs{}))
	got := ranking.Rank(ranking.Signs{
		Words: []string{"a", "b"},
		Near:  []ranking.Near{{ID: "a", Cosine: 0.9, Picture: true}, {ID: "c", Cosine: 0.8}},
	})
	assert.Equal(t, []string{"a", "b", "c"}, ids(got))
	assert.InDelta(t, 1, got[0].Score, 1e-12, "first by both")
	assert.InDelta(t, 0.5, got[0].Words, 1e-12)
	assert.InDelta(t, 0.5, got[0].Picture, 1e-12)
	assert.InDelta(t, 1, got[2].Words, 1e-12, "the words' vector")
	alone := ranking.Rank(ranking.Signs{Words: []string{"a", "b"}})
	assert.InDelta(t, 1, alone[0].Score, 1e-12, "first by all that there is")
}

func TestVotesLiftAndLower(t *testing.T) {
	t.Parallel()
	near := []ranking.Near{{ID: "a", Cosine: 0.9}, {ID: "b", Cosine: 0.8}, {ID: "c", Cosine: 0.7}}
	opinions := ranking.Opinions([]ranking.Judged{{Cosine: 1, Judgements: []ranking.Judgement{
		{ID: "c", Positive: 4, Votes: 4}, {ID: "a", Negative: 3, Votes: 3}, {ID: "far", Positive: 1, Votes: 1}, {ID: "bad", Negative: 2, Votes: 2},
	}}})
	got := ranking.Rank(ranking.Signs{Near: near, Opinions: opinions})
	assert.Equal(t, []string{"c", "b", "a", "far"}, ids(got))
	assert.Equal(t, 4, got[0].Count)
	assert.Positive(t, got[0].Votes)
	assert.Zero(t, got[2].Votes)
	assert.Equal(t, 3, got[2].Count)
	assert.InDelta(t, 1, got[3].Votes, 1e-12)
	for _, r := range got {
		assert.InDelta(t, 1, r.Words+r.Picture+r.Votes, 1e-12)
		assert.LessOrEqual(t, r.Score, 1.0)
	}
}

func TestOpinionsAreSmoothedAndShared(t *testing.T) {
	t.Parallel()
	one := []ranking.Judgement{{ID: "a", Positive: 1, Votes: 1}}
	same := ranking.Opinions([]ranking.Judged{{Cosine: 1, Judgements: one}})
	assert.InDelta(t, 1.0/5, same["a"].Value, 1e-12)
	near := ranking.Opinions([]ranking.Judged{{Cosine: 0.95, Judgements: one}})
	assert.Less(t, near["a"].Value, same["a"].Value)
	assert.Positive(t, near["a"].Value)
	assert.Zero(t, near["a"].Votes, "nobody voted for this query")
	assert.Empty(t, ranking.Opinions([]ranking.Judged{{Cosine: 0.6, Judgements: one}}))
	torn := ranking.Opinions([]ranking.Judged{{Cosine: 1, Judgements: []ranking.Judgement{{ID: "a", Positive: 2, Negative: 2, Votes: 4}}}})
	assert.Equal(t, ranking.Opinion{Votes: 4}, torn["a"])
}

func TestAQueryMovesByABoundedWay(t *testing.T) {
	t.Parallel()
	query := []float32{1, 0, 0}
	vectors := map[string][]float32{"good": {0, 1, 0}, "bad": {0, 0, 1}, "odd": {1, 1}}
	get := func(id string) ([]float32, bool) { v, ok := vectors[id]; return v, ok }
	assert.Equal(t, query, ranking.Move(query, nil, get))
	assert.Equal(t, query, ranking.Move(query, map[string]ranking.Opinion{"gone": {Value: 1}, "odd": {Value: 1}, "good": {}}, get))
	moved := ranking.Move(query, map[string]ranking.Opinion{"good": {Value: 0.9}, "bad": {Value: -0.9}}, get)
	assert.Positive(t, moved[1])
	assert.Zero(t, moved[2])
	assert.Greater(t, moved[0], moved[1])
	length := 0.0
	for _, x := range moved {
		length += float64(x) * float64(x)
	}
	assert.InDelta(t, 1, math.Sqrt(length), 1e-6)
	little := ranking.Move(query, map[string]ranking.Opinion{"good": {Value: 0.1}}, get)
	assert.Less(t, little[1], moved[1])
	many := map[string]ranking.Opinion{}
	for i := range 100 {
		id := string(rune('A' + i))
		vectors[id], many[id] = []float32{0, 1, 0}, ranking.Opinion{Value: 1}
	}
	assert.InDelta(t, ranking.Move(query, map[string]ranking.Opinion{"good": {Value: 1}}, get)[0], ranking.Move(query, many, get)[0], 1e-6,
		"a hundred move it no farther than one")
	vectors["against"] = []float32{-1, 0, 0}
	assert.Equal(t, query, ranking.Move(query, map[string]ranking.Opinion{"against": {Value: 1}}, get))
}

func TestACalibrationGivesTheChances(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // no secret
	draw := func() ranking.Example {
		e := ranking.Example{Features: ranking.Features{Cosine: random.Float64(), Deviation: 6 * random.Float64(), Words: random.Float64()}}
		chance := 1 / (1 + math.Exp(-(6*e.Cosine + e.Deviation - 6)))
		e.Fits = random.Float64() < chance
		return e
	}
	examples := make([]ranking.Example, 4000)
	for i := range examples {
		examples[i] = draw()
	}
	_, ok := ranking.Calibrate(examples[:30])
	assert.False(t, ok, "too few")
	c, ok := ranking.Calibrate(examples)
	require.True(t, ok)
	var said, were [10]float64
	for range 20000 {
		e := draw()
		p := c.Confidence(e.Features)
		said[min(9, int(p*10))] += p
		if e.Fits {
			were[min(9, int(p*10))]++
		}
	}
	for i := range said {
		assert.InDelta(t, 1, said[i]/were[i], 0.25, "of what was said to fit with a chance of %d tenths", i)
	}
}

// Examples that are told apart without a fault end with finite weights.
func TestACalibrationOfClearCases(t *testing.T) {
	t.Parallel()
	var examples []ranking.Example
	for i := range 100 {
		examples = append(examples, ranking.Example{Features: ranking.Features{Cosine: float64(i) / 100}, Fits: i >= 50})
	}
	c, ok := ranking.Calibrate(examples)
	require.True(t, ok)
	assert.Greater(t, c.Confidence(ranking.Features{Cosine: 0.9}), 0.9)
	assert.Less(t, c.Confidence(ranking.Features{Cosine: 0.1}), 0.1)
}
