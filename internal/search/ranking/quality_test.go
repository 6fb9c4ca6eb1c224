package ranking_test

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/embedding"
	"parley/internal/search/lexicon"
	"parley/internal/search/ranking"
)

// asked is a query with the stickers that carry it as a name or tag in its language.
type asked struct {
	text, language string
	vector         []float32
	// voted are those of them that people vote for, held those that are held out: which
	// is which follows from a hash.
	voted, held map[string]bool
}

// queries draws so many words of each language that at least two stickers carry.
func (d *stickers) queries(t testing.TB, each int) []*asked {
	t.Helper()
	random := rand.New(rand.NewPCG(7, 9)) //nolint:gosec // no secret
	var all []*asked
	for _, language := range languages {
		carrying := map[string]map[string]bool{}
		for _, c := range d.cards {
			for _, text := range slices.Concat(c.labels[language], c.tags[language]) {
				text = embedding.Normalize(text)
				if carrying[text] == nil {
					carrying[text] = map[string]bool{}
				}
				carrying[text][c.id] = true
			}
		}
		var texts []string
		for text, ids := range carrying {
			if len(ids) >= 2 && len(ids) <= 40 {
				texts = append(texts, text)
			}
		}
		slices.Sort(texts)
		random.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
		for _, text := range texts[:each] {
			q := &asked{text: text, language: language, voted: map[string]bool{}, held: map[string]bool{}}
			for id := range carrying[text] {
				h := fnv.New32a()
				_, _ = h.Write([]byte(id + " " + text))
				if h.Sum32()%2 == 0 {
					q.voted[id] = true
				} else {
					q.held[id] = true
				}
			}
			all = append(all, q)
		}
	}
	texts := make([]string, len(all))
	for i, q := range all {
		texts[i] = q.text
	}
	for i, v := range embedTexts(t, texts) {
		all[i].vector = v
	}
	return all
}

func cosine(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// search ranks the set for a query, with opinions or without.
func (d *stickers) search(t testing.TB, q *asked, opinions map[string]ranking.Opinion) []ranking.Ranked {
	v := q.vector
	if opinions != nil {
		v = ranking.Move(v, opinions, func(id string) ([]float32, bool) { return d.byID[id].words, true })
	}
	s := ranking.Signs{Opinions: opinions}
	for _, h := range d.lexicon.Search(lexicon.Words(q.text), false) {
		s.Words = append(s.Words, h.ID)
	}
	s.Near = d.near(t, hits, v)
	return ranking.Rank(s)
}

// votes are judgements by query, as the asked one has it.
type votes map[*asked]map[string]*ranking.Judgement

func (v votes) add(q *asked, id string, positive bool) {
	if v[q] == nil {
		v[q] = map[string]*ranking.Judgement{}
	}
	j := v[q][id]
	if j == nil {
		j = &ranking.Judgement{ID: id}
		v[q][id] = j
	}
	if j.Votes++; positive {
		j.Positive++
	} else {
		j.Negative++
	}
}

// vote has three people look at the first forty of each query: each says of the voted
// stickers among them that they fit, and of two of the first ten that don't that they
// don't. Of all votes the given part is by somebody who votes at random on what is shown.
func (d *stickers) vote(t testing.TB, all []*asked, adverse float64) votes {
	random := rand.New(rand.NewPCG(11, 13)) //nolint:gosec // no secret
	v := votes{}
	for _, q := range all {
		shown := d.search(t, q, nil)[:40]
		cast := func(r ranking.Ranked, positive bool) {
			v.add(q, r.ID, positive)
			if random.Float64() < adverse/(1-adverse) {
				v.add(q, shown[random.IntN(len(shown))].ID, random.IntN(2) == 0)
			}
		}
		for range 3 {
			wrong := 0
			for i, r := range shown {
				switch {
				case q.voted[r.ID]:
					cast(r, true)
				case !q.held[r.ID] && i < 10 && wrong < 2:
					wrong++
					cast(r, false)
				}
			}
		}
	}
	return v
}

// opinions are those for a query from the votes for it and for its neighbours.
func (v votes) opinions(q *asked, all []*asked) map[string]ranking.Opinion {
	var judged []ranking.Judged
	for _, other := range all {
		near := cosine(q.vector, other.vector)
		if other == q {
			near = 1
		}
		j := ranking.Judged{Cosine: min(1, near)}
		for _, one := range v[other] {
			j.Judgements = append(j.Judgements, *one)
		}
		judged = append(judged, j)
	}
	return ranking.Opinions(judged)
}

// ndcg of the first ten, what may not count left out.
func ndcg(ranked []ranking.Ranked, fits, out map[string]bool) float64 {
	gain, best, i := 0.0, 0.0, 0
	for _, r := range ranked {
		if out[r.ID] {
			continue
		}
		if i == 10 {
			break
		}
		if fits[r.ID] {
			gain += 1 / math.Log2(float64(i+2))
		}
		i++
	}
	for i := range min(10, len(fits)) {
		best += 1 / math.Log2(float64(i+2))
	}
	return gain / best
}

// measure gives the mean nDCG@10 by language, on the held out stickers alone: those that
// people voted for are taken out of the answers.
func (d *stickers) measure(t testing.TB, all []*asked, v votes) map[string]float64 {
	sums, counts := map[string]float64{}, map[string]float64{}
	for _, q := range all {
		if len(q.held) == 0 {
			continue
		}
		var opinions map[string]ranking.Opinion
		if v != nil {
			opinions = v.opinions(q, all)
		}
		score := ndcg(d.search(t, q, opinions), q.held, q.voted)
		for _, name := range []string{q.language, "all"} {
			sums[name], counts[name] = sums[name]+score, counts[name]+1
		}
	}
	for name := range sums {
		sums[name] /= counts[name]
	}
	return sums
}

// What people said of half of the stickers that fit a query makes the search find the other
// half better, also where a tenth of the votes is random.
func TestVotesRaiseWhatIsFoundOfTheRest(t *testing.T) {
	t.Parallel()
	d := load(t)
	all := d.queries(t, 30)
	require.Len(t, all, 180)
	plain := d.measure(t, all, nil)
	learned := d.measure(t, all, d.vote(t, all, 0))
	adverse := d.measure(t, all, d.vote(t, all, 0.1))
	for _, language := range append(slices.Clone(languages), "all") {
		t.Logf("%-4s nDCG@10 plain %.3f, with votes %.3f, a tenth of them random %.3f", language, plain[language], learned[language], adverse[language])
	}
	assert.Greater(t, learned["all"], plain["all"])
	assert.Greater(t, adverse["all"], plain["all"])
}
