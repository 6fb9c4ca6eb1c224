package sse

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/nats-io/nats.go"

	"parley/internal/natsx"
	"parley/internal/server/lasting"
)

// Config holds the settings of a Transport. Its zero value is usable.
type Config struct {
	// Heartbeat is how long a stream may be silent before a comment is sent,
	// which keeps proxies from closing it; 0 means 15 s.
	Heartbeat time.Duration
	// WriteTimeout is how long a peer may accept no byte of what is written to
	// it before it is cut off; 0 means 10 s.
	WriteTimeout time.Duration
	// Retry is how long an EventSource is asked to wait before it comes back,
	// give or take half of it at random; 0 means 2 s.
	Retry time.Duration
	// Reservation is how long a token waits for its stream; 0 means 30 s.
	Reservation time.Duration
	// MaxReservations is how many tokens may wait for their streams at a time;
	// 0 means 10,000. One more is RATE_LIMITED.
	MaxReservations int
	// MaxBody is the longest body of a request in bytes; 0 means 1 MiB.
	MaxBody int64
	// MaxOperations is how many operations one stream may have at a time; 0
	// means 100. One more is RATE_LIMITED.
	MaxOperations int
	// MaxHeld is how many bytes of requests the operations of one stream may
	// hold together, refused like MaxOperations; 0 means 4 times MaxBody.
	MaxHeld int64
	// DrainSpread is the time over which Run ends the streams; 0 means 5 s.
	DrainSpread time.Duration
	// ForwardTimeout is how long another process may take to answer for a token
	// that it has; 0 means 2 s.
	ForwardTimeout time.Duration
	// Open lets a connection in before its first operation and gives the context
	// for all of them, which must derive from ctx; a nil context means ctx. An
	// error is answered with its code and 401, 403, 429 or 503, and the
	// connection ends. nil lets everybody in.
	Open func(ctx context.Context, s *Stream) (context.Context, error)
	// Bus carries what reaches another process than the one that has the token;
	// nil means that there is only this process. With a Bus, Run must run.
	Bus *natsx.Bus
	// Hooks count what happens.
	Hooks Hooks
	// Log takes what an operator may want to know; nil means slog.Default().
	// Tokens, queries and variables are never logged.
	Log *slog.Logger
}

func (cfg Config) withDefaults() Config {
	cfg.Heartbeat = cmp.Or(max(cfg.Heartbeat, 0), 15*time.Second)
	cfg.WriteTimeout = cmp.Or(max(cfg.WriteTimeout, 0), 10*time.Second)
	cfg.Retry = cmp.Or(max(cfg.Retry, 0), 2*time.Second)
	cfg.Reservation = cmp.Or(max(cfg.Reservation, 0), 30*time.Second)
	cfg.MaxReservations = cmp.Or(max(cfg.MaxReservations, 0), 10_000)
	cfg.MaxBody = cmp.Or(max(cfg.MaxBody, 0), 1<<20)
	cfg.MaxOperations = cmp.Or(max(cfg.MaxOperations, 0), 100)
	cfg.MaxHeld = cmp.Or(max(cfg.MaxHeld, 0), 4*cfg.MaxBody)
	cfg.DrainSpread = cmp.Or(max(cfg.DrainSpread, 0), 5*time.Second)
	cfg.ForwardTimeout = cmp.Or(max(cfg.ForwardTimeout, 0), 2*time.Second)
	cfg.Hooks = cfg.Hooks.WithDefaults()
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return cfg
}

// Transport is a graphql.Transport for event streams and the registry of those
// that are open or reserved. Make one with New and add it to one gqlgen handler,
// before the transports that take any GET and POST.
type Transport struct {
	cfg        Config
	operations lasting.Config
	requests   chan *nats.Msg // of other processes
	streams    lasting.Registry[*Stream]

	mu       sync.Mutex
	seats    map[seatKey]*Stream // those with a token, open or reserved
	reserved int                 // tokens that wait for their streams
}

var _ graphql.Transport = (*Transport)(nil)

// New makes a Transport; what cfg leaves out gets its default.
func New(cfg Config) *Transport {
	cfg = cfg.withDefaults()
	return &Transport{
		cfg: cfg, requests: make(chan *nats.Msg, maxRequests), seats: map[seatKey]*Stream{},
		operations: lasting.Config{
			MaxOperations: cfg.MaxOperations, Internal: internalSentence,
			Started: cfg.Hooks.OperationStarted, Ended: cfg.Hooks.OperationEnded, Refused: cfg.Hooks.OperationRefused,
		},
	}
}

// Supports tells whether r is one of the protocol's.
func (t *Transport) Supports(r *http.Request) bool {
	if r.Header.Get("Upgrade") != "" {
		return false
	}
	switch r.Method {
	case http.MethodPut, http.MethodDelete:
		return true
	case http.MethodGet, http.MethodPost:
		return tokenOf(r) != "" || wantsEvents(r)
	}
	return false
}

// Do answers the request; for a stream it returns when that has ended.
func (t *Transport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	r.Body = http.MaxBytesReader(w, r.Body, t.cfg.MaxBody)
	token := tokenOf(r)
	switch {
	case t.streams.Draining():
		t.reply(w, r, restarting())
	case r.Method == http.MethodPut:
		t.reserve(w, r, exec, token)
	case r.Method == http.MethodDelete || !wantsEvents(r):
		t.command(w, r, token)
	case token != "":
		t.attach(w, r, exec, token)
	default:
		t.distinct(w, r, exec)
	}
}
