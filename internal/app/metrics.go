package app

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"parley/internal/batch"
	"parley/internal/embedding"
	"parley/internal/server/ws"
)

// metrics is what /metrics shows of an API process.
type metrics struct {
	registry   *prometheus.Registry
	closed     *prometheus.CounterVec
	operations *prometheus.HistogramVec
	sockets    prometheus.Gauge
	overflows  prometheus.Counter
	batchItems *prometheus.HistogramVec
	batchCalls *prometheus.HistogramVec
	batchWait  *prometheus.HistogramVec
	batchTook  *prometheus.HistogramVec
	batchFails *prometheus.CounterVec
	vectors    *prometheus.HistogramVec
	live       *liveMetrics
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		sockets:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "parley_sockets_open", Help: "Open websockets."}),
		closed:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parley_sockets_closed_total", Help: "Closed websockets by close code."}, []string{"code"}),
		operations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "parley_socket_operation_seconds", Help: "Operations over websockets.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 10),
		}, []string{"kind"}),
		overflows: prometheus.NewCounter(prometheus.CounterOpts{Name: "parley_sockets_stuck_total", Help: "Readers that were cut off because they accepted nothing."}),
	}
	batches := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{"batch"})
	}
	sizes, seconds := prometheus.ExponentialBuckets(1, 2, 12), prometheus.ExponentialBuckets(0.0005, 2, 14)
	m.batchItems = batches("parley_batch_items", "Items of one group commit.", sizes)
	m.batchCalls = batches("parley_batch_calls", "Calls that shared one group commit.", sizes)
	m.batchWait = batches("parley_batch_wait_seconds", "How long the oldest item of a group commit waited for its transaction.", seconds)
	m.batchTook = batches("parley_batch_commit_seconds", "How long the transaction of a group commit took.", seconds)
	m.batchFails = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parley_batch_failed_total", Help: "Transactions of group commits that failed."}, []string{"batch"})
	m.vectors = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "parley_vector_seconds", Help: "How long it took to get the vector of a query, by what it is of and how it ended.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 14),
	}, []string{"kind", "outcome"})
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.sockets, m.closed, m.operations, m.overflows, m.batchItems, m.batchCalls, m.batchWait, m.batchTook, m.batchFails, m.vectors)
	m.live = newLiveMetrics(m.registry)
	return m
}

// observe adds what the parts count themselves.
func (m *metrics) observe(p *parts) {
	for _, c := range p.domains.Counters() {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: c.Name, Help: c.Help}, func() float64 { return float64(c.Value()) }))
	}
	observeHub(m.registry, p.hub)
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "parley_vector_models", Help: "Models that embed and that a worker has."},
		func() float64 { return vectorModels(p.vectors) }))
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "parley_batch_waiting", Help: "Items that wait for a group commit, and exercises that wait for a shared read."},
		func() float64 { return float64(p.domains.Waiting()) }))
}

// observeVector counts one query's vector.
func (m *metrics) observeVector(kind embedding.Kind, outcome embedding.Outcome, took time.Duration) {
	m.vectors.WithLabelValues(string(kind), string(outcome)).Observe(took.Seconds())
}

// vectorModels counts the models that a query's vector can be had from, for which the
// directory is asked as for a query.
func vectorModels(c *embedding.Client) float64 {
	ctx, end := context.WithTimeout(context.Background(), c.Deadline)
	defer end()
	models, err := c.Models(ctx)
	if err != nil {
		slog.Warn("the models that embed are not counted", "error", err)
	}
	return float64(len(models))
}

// observeFlush counts one transaction of a group commit.
func (m *metrics) observeFlush(f batch.Flush) {
	m.batchItems.WithLabelValues(f.Name).Observe(float64(f.Items))
	m.batchCalls.WithLabelValues(f.Name).Observe(float64(f.Calls))
	m.batchWait.WithLabelValues(f.Name).Observe(f.Waited.Seconds())
	m.batchTook.WithLabelValues(f.Name).Observe(f.Took.Seconds())
	if f.Err != nil {
		m.batchFails.WithLabelValues(f.Name).Inc()
	}
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
		OperationStarted: func(kind string) { m.live.started("websocket", kind) },
		OperationEnded: func(kind string, took time.Duration, _ bool) {
			m.live.ended("websocket", kind)
			m.operations.WithLabelValues(kind).Observe(took.Seconds())
		},
		Overflow: func(*ws.Conn) { m.overflows.Inc() },
	}
}
