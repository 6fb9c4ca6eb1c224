package ranking_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/search/lexicon"
	"parley/internal/testkit"
	"parley/internal/vector"
	"parley/worker"
	"parley/worker/model"
	"parley/worker/pipeline"
)

// languages are those that the demo set has words in.
var languages = []string{"en", "es", "fr", "de", "pt", "it"}

// card is a sticker of the demo set.
type card struct {
	id           string
	labels, tags map[string][]string
	// vector is that of its words.
	vector []float32
}

// demo is the demo set with the vectors of the model sticker-mini.
type demo struct {
	t        testing.TB
	embedder worker.Handler
	cards    []*card
	byID     map[string]*card
	lexicon  *lexicon.Lexicon
	// words and pictures are the vectors of the English names and of the pictures.
	words, pictures *vector.Exact
}

func load(t testing.TB) *demo {
	t.Helper()
	models, err := model.Open(t.Context(), testkit.Shared(t, "models", "sticker-mini"), pipeline.Options{Library: testkit.ONNX(t)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, models.Close()) })
	d := &demo{t: t, byID: map[string]*card{}, lexicon: lexicon.New()}
	for _, h := range models.Handlers() {
		if h.Bundle().Kind == jobspec.KindEmbed {
			d.embedder = h
		}
	}
	pictures := d.files()
	table, err := os.ReadFile(testkit.Shared(t, "data", "stickers", "stickers.tsv"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(table)), "\n")
	var texts []string
	var files [][]byte
	for _, line := range lines[1:] {
		c := parse(strings.Split(lines[0], "\t"), strings.Split(line, "\t"))
		if pictures[c.id] == nil {
			continue
		}
		d.cards, d.byID[c.id] = append(d.cards, c), c
		texts, files = append(texts, c.labels["en"][0]), append(files, pictures[c.id])
		fields := []lexicon.Field{{Text: c.labels["en"][0], Weight: 2}}
		for _, tag := range c.tags["en"] {
			fields = append(fields, lexicon.Field{Text: tag, Weight: 1})
		}
		d.lexicon.Put(c.id, fields...)
	}
	vectors := d.embed(texts, nil)
	for i, v := range vectors {
		d.cards[i].vector = v
	}
	d.words, d.pictures = d.index(vectors), d.index(d.embed(nil, files))
	return d
}

// index holds a vector of each card.
func (d *demo) index(vectors [][]float32) *vector.Exact {
	x, err := vector.New(vector.Config{Dimension: len(vectors[0])})
	require.NoError(d.t, err)
	d.t.Cleanup(func() { require.NoError(d.t, x.Close()) })
	rows := make([]vector.Row, len(vectors))
	for i, v := range vectors {
		rows[i] = vector.Row{ID: d.cards[i].id, Vector: v}
	}
	require.NoError(d.t, x.Put(d.t.Context(), rows...))
	return x
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

// files are the pictures of the set by the ids of their stickers.
func (d *demo) files() map[string][]byte {
	packed, err := os.ReadFile(testkit.Shared(d.t, "data", "stickers", "fluent-3d-72.tar.zst"))
	require.NoError(d.t, err)
	z, err := zstd.NewReader(bytes.NewReader(packed))
	require.NoError(d.t, err)
	defer z.Close()
	files := map[string][]byte{}
	for archive := tar.NewReader(z); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(d.t, err)
		if id, ok := strings.CutSuffix(head.Name, ".png"); ok {
			files[id], err = io.ReadAll(archive)
			require.NoError(d.t, err)
		}
	}
}

// embed gives the vectors of texts, or of pictures.
func (d *demo) embed(texts []string, pictures [][]byte) (vectors [][]float32) {
	const portion = 128
	var parts []jobspec.Embed
	for part := range slices.Chunk(texts, portion) {
		parts = append(parts, jobspec.Embed{Texts: part})
	}
	for part := range slices.Chunk(pictures, portion) {
		parts = append(parts, jobspec.Embed{Pictures: part})
	}
	for _, part := range parts {
		payload, err := json.Marshal(part)
		require.NoError(d.t, err)
		result, err := d.embedder.Handle(d.t.Context(), worker.Task{Run: "r", Kind: jobspec.KindEmbed, Payload: payload}, func(float64, string) {})
		require.NoError(d.t, err)
		var out jobspec.Embedded
		require.NoError(d.t, json.Unmarshal(result, &out))
		for _, e := range out.Vectors {
			require.Nil(d.t, e.Failure)
			v, err := e.Vector.Values()
			require.NoError(d.t, err)
			vectors = append(vectors, v)
		}
	}
	return vectors
}
