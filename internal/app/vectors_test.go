package app

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/config"
	"parley/internal/testkit"
)

// A process with its worker gives the vectors of queries from the moment in which the
// worker's announcement is known, and counts them.
func TestServeGivesVectorsOfQueries(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(map[string]string{
		"data": t.TempDir(), "listen": "127.0.0.1:0", "models": testkit.Shared(t, "models", "random", "clip-random"), "onnxruntime-lib": testkit.ONNX(t),
		"query-deadline": "20s",
	}, func(string) string { return "" }, "")
	require.NoError(t, err)
	p, err := openAPI(t.Context(), cfg, Serve)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx, Options{}) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
		assert.NoError(t, p.Close())
	})
	v, err := p.vectors.Text(t.Context(), "", "red apple")
	for deadline := time.Now().Add(30 * time.Second); err != nil && time.Now().Before(deadline); {
		v, err = p.vectors.Text(t.Context(), "", "red apple")
	}
	require.NoError(t, err)
	assert.Equal(t, "clip-random", v.Model)
	assert.Len(t, v.Values, 64)
	assert.Equal(t, 1.0, vectorModels(p.vectors))
}
