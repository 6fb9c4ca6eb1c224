package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/live"
	"parley/internal/server/sse"
)

// liveMetrics is what /metrics shows of the streams.
type liveMetrics struct {
	push    prometheus.Histogram
	replays prometheus.Histogram
	resets  *prometheus.CounterVec
	// open are the operations that run on connections that last.
	open *prometheus.GaugeVec
	// streams are the connections of server-sent events.
	streams       prometheus.Gauge
	streamsClosed *prometheus.CounterVec
}

func newLiveMetrics(r *prometheus.Registry) *liveMetrics {
	m := &liveMetrics{
		push: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "parley_push_seconds", Help: "From the commit of an event to its handing over to a subscriber.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
		replays: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "parley_replay_events", Help: "Events that a stream which resumed was given from the log.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 10),
		}),
		resets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parley_stream_resets_total", Help: "Streams that were told that history is gone, by reason.",
		}, []string{"reason"}),
	}
	m.open = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "parley_operations_open", Help: "Operations that run on websockets and server-sent events.",
	}, []string{"transport", "kind"})
	m.streams = prometheus.NewGauge(prometheus.GaugeOpts{Name: "parley_sse_open", Help: "Open connections of server-sent events."})
	m.streamsClosed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "parley_sse_closed_total", Help: "Ended connections of server-sent events, by reason.",
	}, []string{"reason"})
	r.MustRegister(m.push, m.replays, m.resets, m.open, m.streams, m.streamsClosed)
	return m
}

func (m *liveMetrics) started(transport, kind string) { m.open.WithLabelValues(transport, kind).Inc() }
func (m *liveMetrics) ended(transport, kind string)   { m.open.WithLabelValues(transport, kind).Dec() }

// hooks are those of server-sent events.
func (m *liveMetrics) hooks() sse.Hooks {
	return sse.Hooks{
		Opened: func(*sse.Stream) { m.streams.Inc() },
		Closed: func(_ *sse.Stream, why sse.End) {
			m.streams.Dec()
			m.streamsClosed.WithLabelValues(string(why)).Inc()
		},
		OperationStarted: func(kind string) { m.started("sse", kind) },
		OperationEnded:   func(kind string, _ time.Duration, _ bool) { m.ended("sse", kind) },
	}
}

func (m *liveMetrics) observer() live.Observer {
	return live.Observer{
		Pushed:   func(d time.Duration) { m.push.Observe(d.Seconds()) },
		Replayed: func(events int) { m.replays.Observe(float64(events)) },
		Reset:    func(reason string) { m.resets.WithLabelValues(reason).Inc() },
	}
}

// observeHub adds what a hub counts itself.
func observeHub(r *prometheus.Registry, h *live.Hub) {
	counts := h.Counts()
	for name, c := range map[string]struct {
		help  string
		value func() int64
	}{
		"parley_events_healed_total":   {"Events that the hub read from the database because NATS lost them.", counts.Healed.Load},
		"parley_conflations_total":     {"States and progress that a newer one replaced before their reader took them.", counts.Conflated.Load},
		"parley_streams_behind_total":  {"Readers that fell so far behind that they were sent to the log.", counts.Overflows.Load},
		"parley_results_dropped_total": {"Readers that did not find in the log what memory had dropped. It must stay 0.", counts.Dropped.Load},
	} {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: c.help}, func() float64 { return float64(c.value()) }))
	}
	for name, g := range map[string]struct {
		help  string
		value func() int64
	}{
		"parley_subscriptions": {"Keys that streams and connections wait for events of.", func() int64 { return int64(h.Subscriptions()) }},
		"parley_hub_shards":    {"Shards of the event log that this process listens to.", func() int64 { return int64(h.Shards()) }},
		"parley_events_held":   {"Events that wait in memory for their readers.", h.Held},
	} {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: g.help}, func() float64 { return float64(g.value()) }))
	}
}
