// Package server is the HTTP side: the GraphQL endpoint with its transports,
// the pages, health and metrics.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"

	"parley/graph"
	"parley/graph/gen"
	"parley/internal/apperr"
	"parley/internal/config"
	"parley/internal/dialog"
	"parley/internal/feedback"
	"parley/internal/natsx"
	"parley/internal/server/pages"
	"parley/internal/server/sse"
	"parley/internal/server/ws"
)

// Limits of a request.
const (
	maxTokens = 15_000
	// maxFields bounds the fields that a document spells out.
	maxFields = 1000
	// maxComplexity bounds the fields of one operation, its fragments unfolded.
	maxComplexity = 2000
	queryCache    = 1000
)

// Config of a Server. Everything is required but Introspection, Confirm, Tenor, MaxTime,
// ExpiryWarning and DraftStatus.
type Config struct {
	Listen        string
	Origins       config.Origins
	Introspection bool
	Resolver      *graph.Resolver
	// Verify gives the viewer of a token, or UNAUTHENTICATED with what is wrong
	// with it. It is called for every request, and for sockets of keys also for
	// every operation: it must be quick.
	Verify VerifyFunc
	// Confirm is asked when a signed-in viewer opens a connection that lasts, and
	// again when events may have been missed; nil lets everybody stay.
	Confirm ConfirmFunc
	Status  pages.StatusFunc
	// Ready tells whether the parts that a request needs answer.
	Ready func(ctx context.Context) error
	// Metrics is served at /metrics.
	Metrics http.Handler
	// Tenor answers clients of Tenor's API; nil leaves them out.
	Tenor http.Handler
	Hooks ws.Hooks
	// StreamHooks are told of event streams.
	StreamHooks sse.Hooks
	// Bus carries what belongs to an event stream of another process; nil means
	// that there is only this one.
	Bus *natsx.Bus
	// MaxConnections bounds websockets and event streams, each by itself; 20,000
	// when it is 0.
	MaxConnections int
	// MaxTime is how long an operation other than a subscription may take; 30
	// seconds when it is 0.
	MaxTime time.Duration
	// ExpiryWarning is how long before its end a connection is warned; a minute
	// when it is 0.
	ExpiryWarning time.Duration
	// DraftStatus gives the status codes of the draft of GraphQL over HTTP of
	// August 2026 instead of those that all audits of graphql-http pass.
	DraftStatus bool
	// Grace is how long open requests may take once the server is to stop.
	Grace time.Duration
}

// Server is the HTTP server of one process.
type Server struct {
	cfg      Config
	sessions *sessions
	listener net.Listener
	http     *http.Server
	// draining is set once the server is about to end.
	draining atomic.Bool
	bulk     bulk
	// Sockets is the websocket transport; it drains before the server stops.
	Sockets *ws.Transport
	// Streams is the transport of server-sent events; it drains like Sockets.
	Streams *sse.Transport
}

// New opens the port, so that one in use is told at once.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.MaxTime <= 0 {
		cfg.MaxTime = 30 * time.Second
	}
	if cfg.ExpiryWarning <= 0 {
		cfg.ExpiryWarning = time.Minute
	}
	if cfg.MaxConnections <= 0 {
		cfg.MaxConnections = 20_000
	}
	s := &Server{cfg: cfg}
	s.Sockets, s.Streams = s.newSockets(), s.newStreams()
	mux := http.NewServeMux()
	mux.Handle("/graphql", s.cors(s.authenticate(s.limitBody(s.graphql()))))
	for _, format := range []dialog.Format{dialog.CSV, dialog.JSONL} {
		mux.Handle("GET /export/dialogs."+string(format), s.cors(s.authenticate(s.export(format))))
	}
	for _, format := range []feedback.Format{feedback.CSV, feedback.JSONL} {
		mux.Handle("GET /export/feedback."+string(format), s.cors(s.authenticate(s.exportFeedback(format))))
	}
	pictures := s.cors(s.authenticate(http.HandlerFunc(s.media)))
	mux.Handle("GET /media/", pictures)
	mux.Handle("OPTIONS /media/", pictures)
	if cfg.Tenor != nil {
		mux.Handle("/v2/", anyOrigin(s.tenor()))
	}
	mux.Handle("GET /schema.graphql", schemaHandler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", cfg.Metrics)
	if err := pages.Register(mux, cfg.Status); err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use by another program: stop it, or choose another address with --listen", cfg.Listen)
	} else if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", cfg.Listen, err)
	}
	s.listener, s.sessions = listener, newSessions(cfg.Resolver.Hub, cfg.Verify, cfg.Confirm)
	s.http = &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	return s, nil
}

// newSockets makes the transport of websockets.
func (s *Server) newSockets() *ws.Transport {
	return ws.New(ws.Config{
		CheckOrigin: s.cfg.Origins.Allows, Init: s.initSocket, Hooks: s.cfg.Hooks,
		DrainSpread: min(s.cfg.Grace/4, 5*time.Second), WriteTimeout: 10 * time.Second,
		ExpiryWarning: s.cfg.ExpiryWarning, Expiring: warnStreams, MaxSockets: s.cfg.MaxConnections, AnswerTimeout: s.cfg.Grace / 4,
	})
}

// newStreams makes the transport of server-sent events.
func (s *Server) newStreams() *sse.Transport {
	return sse.New(sse.Config{
		Open: func(ctx context.Context, conn *sse.Stream) (context.Context, error) {
			if s.Streams.Len() >= s.cfg.MaxConnections {
				return nil, apperr.New(apperr.Unavailable, "There are too many open connections.")
			}
			// Its headers have left when an operation could set a cookie.
			return s.openStream(graph.WithCarrier(ctx, graph.Carrier{Address: graph.ClientAddress(ctx)}), conn)
		},
		Hooks: s.cfg.StreamHooks, Bus: s.cfg.Bus, MaxBody: maxBody,
		DrainSpread: min(s.cfg.Grace/4, 5*time.Second), WriteTimeout: 10 * time.Second,
	})
}

// Addr is the address that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends, then lets open requests finish.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	rechecked := make(chan struct{})
	go func() {
		defer close(rechecked)
		_ = s.sessions.Run(ctx) // ends with ctx and has no other reason to
	}()
	defer func() { cancel(); <-rechecked }()
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	stop, release := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Grace)
	defer release()
	if err := s.http.Shutdown(stop); err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}

func (s *Server) graphql() http.Handler {
	h := handler.New(gen.NewExecutableSchema(gen.Config{Resolvers: s.cfg.Resolver, Directives: gen.DirectiveRoot{Delivery: graph.Delivery}}))
	h.AddTransport(s.Sockets)
	h.AddTransport(s.Streams)
	p := profile{draft: s.cfg.DraftStatus}
	for _, t := range []graphql.Transport{post{p}, get{p}, upload{p}, other{}} {
		h.AddTransport(t)
	}
	h.SetQueryCache(lru.New[*ast.QueryDocument](queryCache))
	h.SetParserTokenLimit(maxTokens)
	h.SetErrorPresenter(graph.PresentError)
	h.SetRecoverFunc(graph.Recover)
	h.AroundOperations(asViewer)
	h.AroundOperations(s.deadline)
	h.AroundOperations(s.cfg.Resolver.Guard)
	h.AroundResponses(s.cfg.Resolver.Loaders)
	h.Use(drainGate{s})
	h.Use(keyCheck{s.cfg.Verify})
	h.Use(fieldLimit{maxFields})
	h.Use(extension.FixedComplexityLimit(maxComplexity))
	h.SetDisableSuggestion(true)
	h.SetValidationRulesFn(validation)
	if s.cfg.Introspection {
		h.Use(extension.Introspection{})
	}
	return h
}

// deadline stops queries and mutations that take too long.
func (s *Server) deadline(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	if op := graphql.GetOperationContext(ctx).Operation; op == nil || op.Operation == ast.Subscription {
		return next(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.MaxTime)
	respond := next(ctx)
	return func(ctx context.Context) *graphql.Response {
		defer cancel()
		return respond(ctx)
	}
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if s.draining.Load() {
		plain(w, http.StatusServiceUnavailable, "draining")
		return
	}
	if err := s.cfg.Ready(ctx); err != nil {
		slog.WarnContext(ctx, "not ready", "error", err)
		plain(w, http.StatusServiceUnavailable, "not ready")
		return
	}
	plain(w, http.StatusOK, "ready")
}

func plain(w http.ResponseWriter, status int, words string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(words + "\n"))
}
