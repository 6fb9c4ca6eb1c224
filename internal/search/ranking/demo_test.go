package ranking_test

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"parley/internal/search/lexicon"
	"parley/internal/search/ranking"
	"parley/internal/sticker"
	"parley/internal/sticker/demo"
	"parley/internal/testkit"
	"parley/internal/vector"
)

// languages are those that the demo set has words in.
var languages = []string{"en", "es", "fr", "de", "pt", "it"}

// card is a sticker of the demo set.
type card struct {
	id           string
	labels, tags map[string][]string
	// words and picture are the vectors of its English name and of its picture.
	words, picture []float32
}

// stickers is the demo set as it ships, with the vectors of the model sticker-mini.
type stickers struct {
	cards   []*card
	byID    map[string]*card
	lexicon *lexicon.Lexicon
	// words and pictures are the vectors of the English names and of the pictures.
	words, pictures *vector.Exact
}

var (
	embedded stickers
	once     sync.Once
)

// load gives the demo set. All tests share it, and the first that wants it embeds it.
func load(t testing.TB) *stickers {
	t.Helper()
	testkit.Model(t, "sticker-mini") // skips by itself each test that misses a part
	testkit.ONNX(t)
	once.Do(func() { embedded = embedDemo(t) })
	require.NotEmpty(t, embedded.cards, "another test could not embed the demo set")
	return &embedded
}

func embedDemo(t testing.TB) stickers {
	d := stickers{byID: map[string]*card{}, lexicon: lexicon.New()}
	rows := table(t)
	var ids, texts []string
	var files [][]byte
	for one, err := range demo.Stickers() {
		require.NoError(t, err)
		c := parse(rows[0], rows[len(d.cards)+1])
		require.Equal(t, one.Caption, c.labels["en"][0])
		d.cards, d.byID[c.id] = append(d.cards, c), c
		ids, texts, files = append(ids, c.id), append(texts, one.Caption), append(files, one.File)
		d.lexicon.Put(c.id, fields(one)...)
	}
	words, pictures := embedTexts(t, texts), embed(t, nil, files)
	for i, c := range d.cards {
		c.words, c.picture = words[i], pictures[i]
	}
	d.words, d.pictures = index(t, ids, words), index(t, ids, pictures)
	return d
}

// fields are the words of a sticker with their weights, as the search has them.
func fields(one sticker.Shipped) []lexicon.Field {
	all := []lexicon.Field{{Text: sticker.Spoken(one.Name), Weight: 1}, {Text: one.Caption, Weight: 2}}
	for _, tag := range one.Tags {
		all = append(all, lexicon.Field{Text: tag, Weight: 1})
	}
	return all
}

// table gives the header and the rows of the labels in all languages, in the order of the
// set.
func table(t testing.TB) (rows [][]string) {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join(testkit.Root(), "internal", "sticker", "demo", "testdata", "languages.tsv.zst"))
	require.NoError(t, err)
	z, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer z.Close()
	text, err := z.DecodeAll(packed, nil)
	require.NoError(t, err)
	for line := range strings.SplitSeq(strings.TrimSuffix(string(text), "\n"), "\n") {
		rows = append(rows, strings.Split(line, "\t"))
	}
	require.Len(t, rows, demo.Count+1)
	return rows
}

func parse(head, row []string) *card {
	c := &card{id: row[0], labels: map[string][]string{}, tags: map[string][]string{}}
	for i, name := range head {
		if kind, language, ok := strings.Cut(name, "_"); ok && kind == "label" {
			c.labels[language] = []string{row[i]}
		} else if ok && kind == "tags" {
			c.tags[language] = strings.Split(row[i], "|")
		}
	}
	return c
}

// index holds vectors under ids. It needs no close, as it reads no file.
func index(t testing.TB, ids []string, vectors [][]float32) *vector.Exact {
	t.Helper()
	x, err := vector.New(vector.Config{Dimension: len(vectors[0])})
	require.NoError(t, err)
	rows := make([]vector.Row, len(vectors))
	for i, v := range vectors {
		rows[i] = vector.Row{ID: ids[i], Vector: v}
	}
	require.NoError(t, x.Put(t.Context(), rows...))
	return x
}

// hits is how many hits are ranked, as in the search.
const hits = 500

// near gives the k nearest by the highest cosine of some vectors to the words and the
// picture.
func (d *stickers) near(t testing.TB, k int, vectors ...[]float32) []ranking.Near {
	t.Helper()
	best := map[string]ranking.Near{}
	for i, side := range []*vector.Exact{d.words, d.pictures} {
		for _, v := range vectors {
			found, err := side.Search(t.Context(), vector.Query{Vector: v, K: k})
			require.NoError(t, err)
			for _, h := range found {
				if have, ok := best[h.ID]; !ok || h.Score > have.Cosine {
					best[h.ID] = ranking.Near{ID: h.ID, Cosine: h.Score, Picture: i == 1}
				}
			}
		}
	}
	all := slices.SortedFunc(maps.Values(best), func(a, b ranking.Near) int {
		return cmp.Or(cmp.Compare(b.Cosine, a.Cosine), cmp.Compare(a.ID, b.ID))
	})
	return all[:min(len(all), k)]
}
