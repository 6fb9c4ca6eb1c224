package ranking_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/internal/vector"
)

// gallery are pictures that are searched, in an order.
type gallery struct {
	ids, labels []string
	// keywords are one of each, drawn as for the model's card; own are all of them and the
	// label.
	keywords []string
	own      map[string]map[string]bool
}

// recall is which part of the queries finds its picture: names are queries, and keywords;
// with "any" it is enough that one of the pictures found carries the keyword.
type recall struct{ name1, name10, keyword1, keyword10, any1, any10 float64 }

func (r recall) log(t testing.TB, of string) {
	t.Helper()
	t.Logf("%s: name @1 %.3f, @10 %.3f; keyword @1 %.3f, @10 %.3f; keyword any @1 %.3f, @10 %.3f", of, r.name1, r.name10, r.keyword1, r.keyword10, r.any1, r.any10)
}

// keywords gives the keyword of each emoji that testdata/keywords.py drew.
func keywords(t testing.TB) map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "keywords.tsv"))
	require.NoError(t, err)
	drawn := map[string]string{}
	for line := range strings.Lines(string(data)) {
		id, word, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		drawn[id] = word
	}
	return drawn
}

func (g *gallery) add(c *card, drawn map[string]string) {
	label := c.labels["en"][0]
	g.ids, g.labels, g.keywords = append(g.ids, c.id), append(g.labels, label), append(g.keywords, drawn[c.id])
	if g.own == nil {
		g.own = map[string]map[string]bool{}
	}
	g.own[c.id] = map[string]bool{label: true}
	for _, tag := range c.tags["en"] {
		g.own[c.id][tag] = true
	}
}

// measure asks for all names and all keywords; find gives the ids of the first ten.
func (g *gallery) measure(t testing.TB, find func(v []float32) []string) (r recall) {
	t.Helper()
	n := float64(len(g.ids))
	for i, v := range embedTexts(t, g.labels) {
		if at := slices.Index(find(v), g.ids[i]); at >= 0 {
			r.name10 += 1 / n
			if at == 0 {
				r.name1 += 1 / n
			}
		}
	}
	asked := slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(g.keywords))), func(word string) bool { return word == "" })
	found := map[string][]string{}
	for i, v := range embedTexts(t, asked) {
		found[asked[i]] = find(v)
	}
	for i, word := range g.keywords {
		at := slices.Index(found[word], g.ids[i])
		some := slices.IndexFunc(found[word], func(id string) bool { return g.own[id][word] })
		for _, one := range []struct {
			sum *float64
			is  bool
		}{{&r.keyword1, at == 0}, {&r.keyword10, at >= 0}, {&r.any1, some == 0}, {&r.any10, some >= 0}} {
			if one.is {
				*one.sum += 1 / n
			}
		}
	}
	return r
}

// first gives the ids of the ten nearest vectors of an index.
func first(t testing.TB, x *vector.Exact) func(v []float32) []string {
	return func(v []float32) (ids []string) {
		found, err := x.Search(t.Context(), vector.Query{Vector: v, K: 10})
		require.NoError(t, err)
		for _, h := range found {
			ids = append(ids, h.ID)
		}
		return ids
	}
}

// pictures gives the files of a set of pictures that is packed, by the ids of their emoji.
func pictures(t testing.TB, name string) map[string][]byte {
	t.Helper()
	packed, err := os.ReadFile(testkit.Shared(t, "data", "stickers", name))
	require.NoError(t, err)
	z, err := zstd.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	defer z.Close()
	files := map[string][]byte{}
	for archive := tar.NewReader(z); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		if id, ok := strings.CutSuffix(head.Name, ".png"); ok {
			files[id], err = io.ReadAll(archive)
			require.NoError(t, err)
		}
	}
}

// The figures in the model's card are those that its own recipe measured, with Pillow and
// the reference tokenizer: parley's pipeline finds the same.
func TestTheFiguresOfTheModelsCardAreReproduced(t *testing.T) {
	t.Parallel()
	files, drawn := pictures(t, "noto-72.tar.zst"), keywords(t)
	data, err := os.ReadFile(testkit.Shared(t, "data", "stickers", "stickers.tsv"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	var g gallery
	var inOrder [][]byte
	for _, line := range lines[1:] {
		c := parse(strings.Split(lines[0], "\t"), strings.Split(line, "\t"))
		g.add(c, drawn)
		require.NotEmpty(t, drawn[c.id])
		require.NotEmpty(t, files[c.id])
		inOrder = append(inOrder, files[c.id])
	}
	require.Len(t, g.ids, 1906)
	r := g.measure(t, first(t, index(t, g.ids, embed(t, nil, inOrder))))
	r.log(t, "all 1,906 pictures of Noto")
	const tolerance = 0.003
	assert.InDelta(t, 0.927, r.name1, tolerance)
	assert.InDelta(t, 0.999, r.name10, tolerance)
	assert.InDelta(t, 0.596, r.keyword10, tolerance)
	assert.InDelta(t, 0.908, r.any10, tolerance)
}

// The same measures on the stickers that ship, by their pictures alone, and by the higher
// cosine of picture and name, as the search compares them before it counts words.
func TestWhatIsFoundOfTheDemoSetInEnglish(t *testing.T) {
	t.Parallel()
	d, drawn := load(t), keywords(t)
	var g gallery
	for _, c := range d.cards {
		g.add(c, drawn)
	}
	r := g.measure(t, first(t, d.pictures))
	r.log(t, "the demo set by pictures")
	assert.GreaterOrEqual(t, r.name1, 0.88)
	assert.GreaterOrEqual(t, r.name10, 0.99)
	assert.GreaterOrEqual(t, r.keyword10, 0.62)
	assert.GreaterOrEqual(t, r.any10, 0.91)
	both := g.measure(t, func(v []float32) (ids []string) {
		for _, n := range d.near(t, 10, v) {
			ids = append(ids, n.ID)
		}
		return ids
	})
	both.log(t, "the demo set by pictures and names")
	assert.GreaterOrEqual(t, both.name1, 0.99, "the name has the same vector")
	assert.GreaterOrEqual(t, both.keyword10, 0.54)
	assert.GreaterOrEqual(t, both.any10, 0.87)
}
