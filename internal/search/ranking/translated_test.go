package ranking_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/cache"
	"parley/internal/jobspec"
	"parley/internal/querytext"
	"parley/internal/search/lexicon"
	"parley/internal/search/ranking"
	"parley/worker"
)

// texts makes a client that finds the language of a query and translates it as the search
// does, by the model translate-mini.
func texts(t testing.TB) *querytext.Client {
	t.Helper()
	h, e := translator.handler(t, jobspec.KindTranslate).(worker.Answerer), embedder.handler(t, jobspec.KindEmbed)
	c, err := querytext.New(querytext.Config{
		Cache: cache.NewMemory(16 << 20), Deadline: 10 * time.Minute,
		Bundles: func(context.Context) ([]jobspec.Bundle, error) { return []jobspec.Bundle{e.Bundle(), h.Bundle()}, nil },
		Ask: func(ctx context.Context, subject string, query any) (json.RawMessage, error) {
			assert.Equal(t, h.QuerySubject(), subject)
			payload, err := json.Marshal(query)
			require.NoError(t, err)
			return h.Answer(ctx, payload)
		},
	})
	require.NoError(t, err)
	return c
}

// understood gives what queries are searched for as, by somebody who says which language
// they are in, or nil.
func understood(t testing.TB, c *querytext.Client, known func(word string) bool, queries []string, language *string) []querytext.Understood {
	t.Helper()
	digest := embedder.handler(t, jobspec.KindEmbed).Bundle().Space.Digest
	got := make([]querytext.Understood, len(queries))
	var asking sync.WaitGroup
	room := make(chan struct{}, 16)
	for i, q := range queries {
		room <- struct{}{}
		asking.Go(func() {
			defer func() { <-room }()
			var err error
			got[i], err = c.Understood(t.Context(), querytext.Asked{Text: q, Words: lexicon.Words(q), Known: known, Digest: digest, Language: language})
			assert.NoError(t, err, q)
		})
	}
	asking.Wait()
	return got
}

// sample gives so many of the cards, the same ones each time.
func sample(cards []*card, n int) []*card {
	number := func(c *card) uint64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(c.id))
		return h.Sum64()
	}
	cards = slices.Clone(cards)
	slices.SortFunc(cards, func(a, b *card) int {
		if number(a) < number(b) {
			return -1
		}
		return 1
	})
	return cards[:min(n, len(cards))]
}

// placed sums up at which places the wanted ones were.
type placed struct{ n, first, ten, reciprocal float64 }

func (p *placed) add(place int) {
	p.n++
	if place < 0 {
		return
	}
	p.reciprocal += 1 / float64(place+1)
	if place == 0 {
		p.first++
	}
	if place < 10 {
		p.ten++
	}
}

// at1 and at10 are the parts of the queries that find their own first and among the first
// ten, and mrr is the mean reciprocal rank, 0 for what is not there.
func (p *placed) at1() float64  { return p.first / p.n }
func (p *placed) at10() float64 { return p.ten / p.n }
func (p *placed) mrr() float64  { return p.reciprocal / p.n }

func (p *placed) String() string {
	return fmt.Sprintf("@1 %.3f, @10 %.3f, mean reciprocal rank %.3f", p.at1(), p.at10(), p.mrr())
}

// words are those of texts, each once.
func words(texts ...string) (all []string) {
	for _, text := range texts {
		for _, w := range lexicon.Words(text) {
			if !slices.Contains(all, w) {
				all = append(all, w)
			}
		}
	}
	return all
}

// place is where a sticker stands in what the search finds for some words and some vectors,
// of which the nearest counts; -1 for nowhere.
func (d *stickers) place(t testing.TB, l *lexicon.Lexicon, words []string, vectors [][]float32, id string) int {
	t.Helper()
	var s ranking.Signs
	for _, h := range l.Search(words, false) {
		s.Words = append(s.Words, h.ID)
	}
	s.Near = d.near(t, hits, vectors...)
	return slices.IndexFunc(ranking.Rank(s), func(r ranking.Ranked) bool { return r.ID == id })
}

// Labels of stickers in other languages, translated by the model that ships, find their
// stickers: by the pictures alone, by the pictures and the English labels, and by the whole
// search, which has the words too and the label as it is.
func TestLabelsInOtherLanguagesFindTheirStickers(t *testing.T) {
	t.Parallel()
	d, c := load(t), texts(t)
	cards := sample(d.cards, 150)
	for _, of := range []struct {
		language string
		// floors are the least parts for the three ways, first and among the first ten, a little
		// below what was measured.
		floors [3][2]float64
	}{
		{"es", [3][2]float64{{0.20, 0.40}, {0.28, 0.45}, {0.30, 0.52}}},
		{"fr", [3][2]float64{{0.20, 0.34}, {0.24, 0.35}, {0.34, 0.54}}},
		{"de", [3][2]float64{{0.16, 0.26}, {0.21, 0.32}, {0.24, 0.37}}},
	} {
		labels, translations := make([]string, len(cards)), make([]string, len(cards))
		for i, one := range cards {
			labels[i] = one.labels[of.language][0]
		}
		for i, u := range understood(t, c, nil, labels, &of.language) {
			translations[i] = u.Text
		}
		typed, meant := embedTexts(t, labels), embedTexts(t, translations)
		find := first(t, d.pictures)
		var ways [3]placed
		var alone placed
		for i, one := range cards {
			ways[0].add(slices.Index(find(meant[i]), one.id))
			ways[1].add(slices.IndexFunc(d.near(t, 10, meant[i]), func(n ranking.Near) bool { return n.ID == one.id }))
			asked := words(translations[i], labels[i])
			ways[2].add(d.place(t, d.lexicon, asked, [][]float32{meant[i], typed[i]}, one.id))
			alone.add(d.place(t, d.lexicon, asked, [][]float32{meant[i]}, one.id))
		}
		for i, name := range []string{"pictures", "pictures and English labels", "the whole search"} {
			t.Logf("%s, %s: %s", of.language, name, &ways[i])
			assert.GreaterOrEqual(t, ways[i].at1(), of.floors[i][0], "%s, %s", of.language, name)
			assert.GreaterOrEqual(t, ways[i].at10(), of.floors[i][1], "%s, %s", of.language, name)
		}
		t.Logf("%s, the whole search without the vector of the label as it is: %s", of.language, &alone)
		assert.Greater(t, ways[2].mrr(), alone.mrr()-0.01, of.language)
	}
}

// English words that no sticker has are taken for another language now and then. What was
// typed finds the sticker more often than the translation does, so that the search, which asks
// for both, loses little by having translated.
func TestWhatWasTypedFindsWhatAWrongTranslationDoesNot(t *testing.T) {
	t.Parallel()
	d, c := load(t), texts(t)
	queries, cards, l := d.unknown()
	cards, queries = cards[:150], queries[:150]
	var typed, meant, both placed
	for i, u := range understood(t, c, func(word string) bool { return l.Count(word) > 0 }, queries, nil) {
		if !u.Translated {
			continue
		}
		v := embedTexts(t, []string{queries[i], u.Text})
		typed.add(d.place(t, l, words(queries[i]), v[:1], cards[i].id))
		meant.add(d.place(t, l, words(u.Text, queries[i]), v[1:], cards[i].id))
		both.add(d.place(t, l, words(u.Text, queries[i]), v, cards[i].id))
	}
	t.Logf("of %d English keywords that no sticker has %.0f are translated", len(queries), both.n)
	t.Logf("the keyword: %s", &typed)
	t.Logf("the translation: %s", &meant)
	t.Logf("both: %s", &both)
	assert.Greater(t, both.n, 40.0)
	assert.Greater(t, both.at10(), 2*meant.at10())
	assert.Greater(t, both.mrr(), 0.75*typed.mrr())
}

// unknown gives the English keywords whose words only one sticker has, in an order without
// meaning, those stickers, and the words of all without such words.
func (d *stickers) unknown() (queries []string, cards []*card, l *lexicon.Lexicon) {
	count := map[string]int{}
	for _, c := range d.cards {
		for _, w := range words(slices.Concat(c.labels["en"], c.tags["en"])...) {
			count[w]++
		}
	}
	l = lexicon.New()
	for _, c := range sample(d.cards, len(d.cards)) {
		// A label of such words stays, as every sticker has one.
		fields := []lexicon.Field{{Text: c.labels["en"][0], Weight: 3}}
		own := words(c.labels["en"]...)
		for _, tag := range c.tags["en"] {
			if slices.ContainsFunc(words(tag), func(w string) bool { return count[w] > 1 || slices.Contains(own, w) }) {
				fields = append(fields, lexicon.Field{Text: tag, Weight: 1})
			} else {
				queries, cards = append(queries, tag), append(cards, c)
			}
		}
		l.Put(c.id, fields...)
	}
	return queries, cards, l
}
