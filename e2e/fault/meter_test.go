package fault

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley/e2e/gqlclient"
)

// meter reads the /metrics of a process.
type meter struct {
	t   testing.TB
	url string
	// most is the most memory that was seen.
	most memory
}

// memory is what a process takes, in bytes.
type memory struct{ resident, heap float64 }

// read gives the metrics without labels.
func (m *meter) read() map[string]float64 {
	r, err := http.Get(m.url + "/metrics")
	if err != nil {
		m.t.Error(err)
		return nil
	}
	defer r.Body.Close()
	all := map[string]float64{}
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			all[name] = n
		}
	}
	now := memory{all["process_resident_memory_bytes"], all["go_memstats_heap_inuse_bytes"]}
	m.most = memory{max(m.most.resident, now.resident), max(m.most.heap, now.heap)}
	return all
}

// look gives the memory of this moment.
func (m *meter) look() memory {
	all := m.read()
	return memory{all["process_resident_memory_bytes"], all["go_memstats_heap_inuse_bytes"]}
}

// until waits until a metric has a value.
func (m *meter) until(name string, value float64) {
	m.t.Helper()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	timeout := time.After(gqlclient.Patience)
	for {
		n, there := m.read()[name]
		if n == value || m.t.Failed() {
			return
		}
		select {
		case <-again.C:
		case <-timeout:
			m.t.Errorf("%s is %.0f (there: %t), want %.0f", name, n, there, value)
			return
		}
	}
}
