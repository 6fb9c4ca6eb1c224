package paper_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/bench/paper"
)

func TestNumbersAreWrittenForReaders(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{3.14159: "3.1", 999.6: "1,000", 15000: "15,000", 1234567: "1,234,567"} {
		assert.Equal(t, want, paper.Thousands(v), "%v", v)
	}
	for d, want := range map[time.Duration]string{1234 * time.Millisecond: "1234", 1500 * time.Microsecond: "1.5", 1500 * time.Nanosecond: "0.002"} {
		assert.Equal(t, want, paper.Millis(d))
	}
}

// Two tools write one document, and neither takes from it what is the other's.
func TestASectionAndTheRestDontTouchEachOther(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "figures.md")
	reads := func(want string) {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, want, string(data))
	}
	require.NoError(t, paper.WriteAround(path, "worker", "# One\n"))
	reads("# One\n")
	require.NoError(t, paper.WriteSection(path, "worker", "## Two\n"))
	reads("# One\n\n<!-- begin: worker -->\n## Two\n<!-- end: worker -->\n")
	require.NoError(t, paper.WriteAround(path, "worker", "# One anew\n"))
	reads("# One anew\n\n<!-- begin: worker -->\n## Two\n<!-- end: worker -->\n")
	require.NoError(t, paper.WriteSection(path, "worker", "## Two anew\n"))
	reads("# One anew\n\n<!-- begin: worker -->\n## Two anew\n<!-- end: worker -->\n")
}
