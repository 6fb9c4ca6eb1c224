package querytext_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"parley/internal/cache"
	"parley/internal/jobspec"
	"parley/internal/natsx"
	"parley/internal/querytext"
	"parley/internal/search/lexicon"
	"parley/internal/testkit"
	"parley/worker"
	"parley/worker/model"
	"parley/worker/pipeline"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

// ample is a deadline that no call reaches on a busy machine.
const ample = 20 * time.Second

// searching is the digest of the model that is searched with.
const searching = "searching"

// bench is a bus of the test's own, with the bundles that are announced and how often
// something was asked.
type bench struct {
	t       testing.TB
	bus     *natsx.Bus
	cache   cache.Cache
	bundles []jobspec.Bundle
	asked   atomic.Int64
	// hold, where it is set, is called before each request.
	hold func(ctx context.Context)
}

// setup makes a bench on which a model is announced that understands English.
func setup(t testing.TB) *bench {
	t.Helper()
	e, err := natsx.StartEmbedded(natsx.EmbeddedConfig{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(e.Close)
	b := &bench{t: t, cache: cache.NewMemory(16 << 20), bundles: []jobspec.Bundle{embedder("en")}}
	b.bus, err = e.Connect(natsx.Options{})
	require.NoError(t, err)
	t.Cleanup(b.bus.Close)
	require.NoError(t, b.bus.EnsureStreams(t.Context()))
	return b
}

func embedder(languages ...string) jobspec.Bundle {
	return jobspec.Bundle{Name: "s", Kind: jobspec.KindEmbed, Languages: languages, Space: &jobspec.Space{Digest: searching, Dimensions: 1, Texts: true}}
}

// translator announces directions that nobody serves.
func translator(digest string, directions ...string) jobspec.Bundle {
	b := jobspec.Bundle{Name: "t", Kind: jobspec.KindTranslate, Digest: digest}
	for _, d := range directions {
		source, target, _ := strings.Cut(d, ">")
		b.Directions = append(b.Directions, jobspec.Direction{Source: source, Target: target})
	}
	return b
}

// work opens a bundle, runs a worker with it and announces it.
func (b *bench) work(c worker.Config, name string) (stop func()) {
	b.t.Helper()
	models, err := model.Open(b.t.Context(), testkit.Shared(b.t, "models", name), pipeline.Options{Library: testkit.ONNX(b.t)})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { assert.NoError(b.t, models.Close()) })
	c.Bus, c.Handlers = b.bus, models.Handlers()
	w, err := worker.New(c)
	require.NoError(b.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(b.t, <-ended)
	})
	b.t.Cleanup(stop)
	for _, h := range models.Handlers() {
		b.bundles = append(b.bundles, h.Bundle())
	}
	// The worker listens before it answers this.
	deadline := time.Now().Add(ample)
	for {
		if _, err := b.bus.Conn().Request(jobspec.SubjectAnnouncePlease, nil, ample); err == nil {
			return stop
		}
		require.True(b.t, time.Now().Before(deadline), "the worker does not answer")
	}
}

// client makes a client; without a deadline it gets an ample one.
func (b *bench) client(deadline time.Duration) *querytext.Client {
	b.t.Helper()
	if deadline == 0 {
		deadline = ample
	}
	c, err := querytext.New(querytext.Config{
		Cache: b.cache, Deadline: deadline,
		Bundles: func(context.Context) ([]jobspec.Bundle, error) { return b.bundles, nil },
		Ask: func(ctx context.Context, subject string, payload any) (json.RawMessage, error) {
			b.asked.Add(1)
			if b.hold != nil {
				b.hold(ctx)
			}
			return b.bus.Ask(ctx, subject, payload)
		},
	})
	require.NoError(b.t, err)
	return c
}

// labels are the rows of the shared stickers, by the names of the columns.
func labels(t testing.TB) (rows []map[string]string) {
	t.Helper()
	data, err := os.ReadFile(testkit.Shared(t, "data", "stickers", "stickers.tsv"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	columns := strings.Split(lines[0], "\t")
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, cell := range strings.Split(line, "\t") {
			row[columns[i]] = cell
		}
		rows = append(rows, row)
	}
	require.Greater(t, len(rows), 1000)
	return rows
}

// english tells which words the English labels and tags of so many rows have.
func english(t testing.TB, rows int) func(word string) bool {
	t.Helper()
	count := map[string]int{}
	for _, row := range labels(t) {
		words := lexicon.Words(row["label_en"] + " " + row["tags_en"])
		slices.Sort(words)
		for _, w := range slices.Compact(words) {
			count[w]++
		}
	}
	return func(word string) bool { return count[word] >= rows }
}

// asked is a text that somebody asks for who prefers some languages.
func asked(text string, known func(word string) bool, preferred ...string) querytext.Asked {
	return querytext.Asked{Text: text, Words: lexicon.Words(text), Digest: searching, Known: known, Preferred: preferred}
}
