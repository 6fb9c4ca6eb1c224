package app

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"parley/internal/server/ws"
)

// metrics is what /metrics shows of an API process.
type metrics struct {
	registry   *prometheus.Registry
	closed     *prometheus.CounterVec
	operations *prometheus.HistogramVec
	sockets    prometheus.Gauge
	overflows  prometheus.Counter
}

func newMetrics(p *parts) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		sockets:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "parley_sockets_open", Help: "Open websockets."}),
		closed:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parley_sockets_closed_total", Help: "Closed websockets by close code."}, []string{"code"}),
		operations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "parley_socket_operation_seconds", Help: "Operations over websockets.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 10),
		}, []string{"kind"}),
		overflows: prometheus.NewCounter(prometheus.CounterOpts{Name: "parley_sockets_stuck_total", Help: "Readers that were cut off because they accepted nothing."}),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.sockets, m.closed, m.operations, m.overflows)
	count := func(name, help string, value func() int64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value()) }))
	}
	count("parley_results_stale_total", "Reports of attempts that were no longer current.", func() int64 { n, _, _ := p.jobs.Counts(); return n })
	count("parley_runs_rescued_total", "Runs whose worker or message was lost.", func() int64 { _, n, _ := p.jobs.Counts(); return n })
	count("parley_attempts_repeated_total", "Attempts after a failure.", func() int64 { _, _, n := p.jobs.Counts(); return n })
	count("parley_events_healed_total", "Events that the hub read from the database because NATS lost them.", p.hub.Healed)
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "parley_watches", Help: "Keys that subscriptions watch."},
		func() float64 { return float64(p.hub.Watches()) }))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) hooks() ws.Hooks {
	return ws.Hooks{
		Opened: func(*ws.Conn) { m.sockets.Inc() },
		Closed: func(_ *ws.Conn, code int) {
			m.sockets.Dec()
			m.closed.WithLabelValues(strconv.Itoa(code)).Inc()
		},
		OperationEnded: func(kind string, took time.Duration, _ bool) {
			m.operations.WithLabelValues(kind).Observe(took.Seconds())
		},
		Overflow: func(*ws.Conn) { m.overflows.Inc() },
	}
}
