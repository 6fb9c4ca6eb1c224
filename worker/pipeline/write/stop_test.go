package write

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/tokenizer"
)

// Outputs stop where transformers' StopStringCriteria stops them; oracle/generation makes
// the cases.
func TestStopStringsEqualTheReference(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("testdata", "stop_strings.json"))
	require.NoError(t, err)
	var golden struct {
		Bundles map[string][]struct {
			IDs   []int64  `json:"ids"`
			Stops []string `json:"stops"`
			Done  bool     `json:"done"`
		} `json:"bundles"`
	}
	require.NoError(t, json.Unmarshal(data, &golden))
	assert.Len(t, golden.Bundles, 3)
	for name, cases := range golden.Bundles {
		tok, err := tokenizer.Open(testkit.Shared(t, "models", filepath.FromSlash(name)))
		require.NoError(t, err)
		w := &Writer{tokenizer: tok}
		assert.Len(t, cases, 200)
		for _, c := range cases {
			assert.Equal(t, c.Done, w.stopper(c.Stops)(c.IDs), "%s: %q in %q", name, c.Stops, tok.DecodeAll(c.IDs))
		}
	}
}
