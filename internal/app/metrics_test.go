package app

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/live"
	"parley/internal/testkit"
)

func TestTheMetricsThatTheDocsNameExist(t *testing.T) {
	t.Parallel()
	m := newMetrics()
	hub, err := live.NewHub(nil, nil, nil)
	require.NoError(t, err)
	observeHub(m.registry, hub)
	descriptions := make(chan *prometheus.Desc, 1000)
	m.registry.Describe(descriptions)
	close(descriptions)
	var all strings.Builder
	for d := range descriptions {
		all.WriteString(d.String())
	}
	doc, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "live.md"))
	require.NoError(t, err)
	names := regexp.MustCompile("`(parley_[a-z_]+)`").FindAllSubmatch(doc, -1)
	require.GreaterOrEqual(t, len(names), 10, "the document names %d metrics only", len(names))
	for _, name := range names {
		assert.Contains(t, all.String(), `"`+string(name[1])+`"`, "docs/live.md names %s, which does not exist", name[1])
	}
}
