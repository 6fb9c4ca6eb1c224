package ranking_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker"
	"parley/worker/model"
	"parley/worker/pipeline"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	code := m.Run()
	for _, one := range []*opened{&embedder, &translator} {
		if err := one.close(); err != nil {
			fmt.Fprintln(os.Stderr, "close a model:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// opened is a model that ships with the project. All tests share it, and the first that
// wants it opens it.
type opened struct {
	name  string
	once  sync.Once
	set   *model.Set
	stop  context.CancelFunc
	ended chan error
}

var embedder, translator = opened{name: "sticker-mini"}, opened{name: "translate-mini"}

// handler gives the model's handler of a kind.
func (o *opened) handler(t testing.TB, kind string) worker.Handler {
	t.Helper()
	dir, library := testkit.Model(t, o.name), testkit.ONNX(t)
	o.once.Do(func() {
		var ctx context.Context
		ctx, o.stop = context.WithCancel(context.Background())
		set, err := model.Open(ctx, dir, pipeline.Options{Library: library})
		require.NoError(t, err)
		o.set, o.ended = set, make(chan error, len(set.Handlers()))
		for _, h := range set.Handlers() {
			if r, ok := h.(interface {
				Run(ctx context.Context) error
			}); ok {
				go func() { o.ended <- r.Run(ctx) }()
			} else {
				o.ended <- nil
			}
		}
	})
	require.NotNil(t, o.set, "another test could not open the model")
	at := slices.IndexFunc(o.set.Handlers(), func(h worker.Handler) bool { return h.Bundle().Kind == kind })
	require.GreaterOrEqual(t, at, 0)
	return o.set.Handlers()[at]
}

func (o *opened) close() error {
	if o.set == nil {
		return nil
	}
	o.stop()
	for range cap(o.ended) {
		if err := <-o.ended; err != nil {
			return err
		}
	}
	return o.set.Close()
}

// said are the vectors of texts that were asked for before.
var said struct {
	sync.Mutex
	vectors map[string][]float32
}

// embedTexts gives the vectors of texts, each embedded once for all tests.
func embedTexts(t testing.TB, texts []string) [][]float32 {
	t.Helper()
	said.Lock()
	defer said.Unlock()
	var missing []string
	for _, text := range texts {
		if said.vectors[text] == nil {
			missing = append(missing, text)
		}
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	if said.vectors == nil {
		said.vectors = map[string][]float32{}
	}
	for i, v := range embed(t, missing, nil) {
		said.vectors[missing[i]] = v
	}
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		vectors[i] = said.vectors[text]
	}
	return vectors
}

// embed gives the vectors of texts, or of pictures, as a worker makes them.
func embed(t testing.TB, texts []string, pictures [][]byte) (vectors [][]float32) {
	t.Helper()
	const portion = 128
	var parts []jobspec.Embed
	for part := range slices.Chunk(texts, portion) {
		parts = append(parts, jobspec.Embed{Texts: part})
	}
	for part := range slices.Chunk(pictures, portion) {
		parts = append(parts, jobspec.Embed{Pictures: part})
	}
	h := embedder.handler(t, jobspec.KindEmbed)
	for _, part := range parts {
		payload, err := json.Marshal(part)
		require.NoError(t, err)
		result, err := h.Handle(t.Context(), worker.Task{Run: "r", Kind: jobspec.KindEmbed, Payload: payload}, func(float64, string) {})
		require.NoError(t, err)
		var out jobspec.Embedded
		require.NoError(t, json.Unmarshal(result, &out))
		for _, e := range out.Vectors {
			require.Nil(t, e.Failure)
			v, err := e.Vector.Values()
			require.NoError(t, err)
			vectors = append(vectors, v)
		}
	}
	return vectors
}
