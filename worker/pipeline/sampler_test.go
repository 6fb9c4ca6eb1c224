package pipeline

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/bundle"
)

// distribution is a case of oracle/generation/distributions.py.
type distribution struct {
	Logits        []float32         `json:"logits"`
	Written       []int64           `json:"written"`
	Origin        int               `json:"origin"`
	Source        []int64           `json:"source"`
	Limit         int               `json:"limit"`
	Settings      json.RawMessage   `json:"settings"`
	Probabilities map[int64]float64 `json:"probabilities"`
}

func distributions(t *testing.T) []distribution {
	t.Helper()
	f, err := os.Open("testdata/distributions.json.zst")
	require.NoError(t, err)
	defer f.Close()
	z, err := zstd.NewReader(f)
	require.NoError(t, err)
	defer z.Close()
	var all struct{ Cases []distribution }
	require.NoError(t, json.NewDecoder(z).Decode(&all))
	return all.Cases
}

// plain is the bundle whose settings all come from a case.
func plain(t *testing.T) bundle.Generation {
	t.Helper()
	b, err := bundle.Open(testkit.Shared(t, "models", "random", "gpt2-random"))
	require.NoError(t, err)
	b.Generation.EOS = bundle.Tokens{0, 6}
	return b.Generation
}

// Every processor and warper, alone and together: what transformers leaves of a
// distribution is left here, with the same probabilities.
func TestDistributionsEqualTheReference(t *testing.T) {
	t.Parallel()
	cases, base := distributions(t), plain(t)
	require.NotEmpty(t, cases)
	for i, c := range cases {
		g, err := base.With(c.Settings)
		require.NoError(t, err)
		r := newRules(&g, c.Source, c.Origin, c.Limit)
		if forced := r.forced(len(c.Written)); len(forced) > 0 {
			for _, token := range forced {
				assert.InDelta(t, c.Probabilities[token], 1/float64(len(forced)), 1e-6, "case %d: %s", i, c.Settings)
			}
			continue
		}
		r.edit(c.Logits, c.Written)
		if !g.DoSample {
			g.Temperature, g.TopK, g.TopP, g.MinP, g.TypicalP, g.EpsilonCutoff, g.EtaCutoff = 1, 0, 1, 0, 1, 0, 0
		}
		s := newSampler(&g, 1, 0)
		s.collect(c.Logits)
		s.warp()
		total := s.normalize()
		assert.Len(t, s.tokens, len(c.Probabilities), "case %d: %s", i, c.Settings)
		for _, w := range s.tokens {
			assert.InDelta(t, c.Probabilities[w.token], w.share/total, 2e-6, "case %d: token %d with %s", i, w.token, c.Settings)
		}
	}
}

// What is drawn has the probabilities of the distribution.
func TestDrawsFollowTheDistribution(t *testing.T) {
	t.Parallel()
	const draws = 60_000
	g := plain(t)
	g.Temperature, g.TopK = 0.8, 6
	row := []float32{1, 0.5, -1, 2, forbidden, 0, 0.3, -3, 1.7}
	s := newSampler(&g, 42, 0)
	s.collect(row)
	total := s.normalize()
	want := map[int64]float64{}
	for _, w := range s.tokens {
		want[w.token] = w.share / total
	}
	got := map[int64]float64{}
	for place := range uint64(draws) {
		got[s.draw(slices.Clone(row), place)] += 1.0 / draws
	}
	assert.Len(t, got, 6)
	for token, share := range want {
		assert.InDelta(t, share, got[token], 0.008, "token %d", token)
	}
	assert.Equal(t, int64(-1), s.draw([]float32{forbidden, forbidden}, 0), "no token has a score")
}

// Scores without end, which a bias or a temperature near 0 may make, are drawn from like
// others.
func TestDrawsSurviveScoresWithoutEnd(t *testing.T) {
	t.Parallel()
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, temperature := range []float64{1, math.SmallestNonzeroFloat64} {
		for want, row := range map[int64][]float32{1: {0, inf, -2, forbidden}, 2: {1, nan, 20, 3}, -1: {nan, nan}} {
			g := plain(t)
			g.Temperature, g.TopK, g.TopP, g.MinP, g.TypicalP, g.EpsilonCutoff, g.EtaCutoff = temperature, 0, 0.99, 1e-6, 0.5, 1e-6, 1e-6
			assert.Equal(t, want, newSampler(&g, 1, 0).draw(row, 0), "%v at a temperature of %v", row, temperature)
		}
	}
}
