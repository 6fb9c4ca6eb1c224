package app

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/live"
	"parley/internal/testkit"
)

func TestTheMetricsThatTheDocsNameExist(t *testing.T) {
	t.Parallel()
	m := newMetrics()
	hub, err := live.NewHub(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	observeHub(m.registry, hub)
	descriptions := make(chan *prometheus.Desc, 1000)
	m.registry.Describe(descriptions)
	close(descriptions)
	var all strings.Builder
	for d := range descriptions {
		all.WriteString(d.String())
	}
	doc, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "live.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`(parley_[a-z_]+)`").FindAllSubmatch(doc, -1)
	if len(names) < 10 {
		t.Fatalf("the document names %d metrics only", len(names))
	}
	for _, name := range names {
		if !strings.Contains(all.String(), `"`+string(name[1])+`"`) {
			t.Errorf("docs/live.md names %s, which does not exist", name[1])
		}
	}
}
