package natsx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// EmbeddedConfig describes a NATS server inside the process.
type EmbeddedConfig struct {
	// Dir is where JetStream keeps its files. One process at a time.
	Dir string
	// Listen is an optional "host:port" for other processes, port 0 for any
	// free one. Empty means no port at all: only Connect reaches the server.
	Listen string
	// Token is asked of those who come by the port; empty asks nothing.
	Token string
	// Logger gets the server's warnings and errors; default slog.Default.
	Logger *slog.Logger
}

// Embedded is a NATS server with JetStream as a part of this process. It does
// not wait for the disk on every message: what a power cut takes is made again
// from the database.
type Embedded struct {
	server *server.Server
	logger *serverLog
	unlock func()
	token  string
	down   chan struct{}
	once   sync.Once
}

// readyLimit is how long the server may take to open its files.
const readyLimit = 30 * time.Second

// StartEmbedded starts the server and returns when clients can connect.
func StartEmbedded(c EmbeddedConfig) (*Embedded, error) {
	if c.Dir == "" {
		return nil, errors.New("embedded NATS: no data folder given")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	o, err := serverOptions(c)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	unlock, err := lockFile(filepath.Join(c.Dir, "parley.lock"))
	if err != nil {
		return nil, fmt.Errorf("embedded NATS: the data folder %s is in use by another process: %w", c.Dir, err)
	}
	s, err := server.NewServer(o)
	if err != nil {
		unlock()
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	e := &Embedded{server: s, logger: &serverLog{log: c.Logger}, unlock: unlock, token: c.Token, down: make(chan struct{})}
	s.SetLoggerV2(e.logger, false, false, false)
	started := make(chan struct{})
	go func() {
		s.Start()
		close(started)
		s.WaitForShutdown()
		close(e.down)
	}()
	<-started
	if fatal := e.logger.fatal(); fatal != "" || !s.ReadyForConnections(readyLimit) || !s.JetStreamEnabled() {
		e.Close()
		if fatal == "" {
			fatal = "the server did not become ready"
		}
		return nil, fmt.Errorf("embedded NATS: %s", fatal)
	}
	return e, nil
}

func serverOptions(c EmbeddedConfig) (*server.Options, error) {
	o := &server.Options{
		ServerName: "parley",
		DontListen: c.Listen == "",
		NoSigs:     true,
		JetStream:  true,
		StoreDir:   c.Dir,
		// The streams carry their own limits. A limit of the server would be
		// reserved against the free disk at start, and refuse small machines.
		JetStreamMaxStore:  1 << 50,
		JetStreamMaxMemory: 256 << 20,
		SyncAlways:         false,
		MaxPayload:         server.MAX_PAYLOAD_MAX_SIZE,
		Authorization:      c.Token,
	}
	if c.Listen == "" {
		return o, nil
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, fmt.Errorf("embedded NATS: listen address %q: %w", c.Listen, err)
	}
	o.Host = host
	if o.Port, err = strconv.Atoi(port); err != nil {
		return nil, fmt.Errorf("embedded NATS: listen address %q: the port is not a number", c.Listen)
	}
	if o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	return o, nil
}

// Connect opens a connection that never leaves the process.
func (e *Embedded) Connect(o Options) (*Bus, error) {
	more := []nats.Option{nats.InProcessServer(e.server)}
	if e.token != "" {
		more = append(more, nats.Token(e.token))
	}
	return dial("", "the embedded server", o, more...)
}

// URL is where other processes reach the server, token included; empty when it
// does not listen.
func (e *Embedded) URL() string {
	addr := e.server.Addr()
	if addr == nil {
		return ""
	}
	if e.token != "" {
		return "nats://" + e.token + "@" + addr.String()
	}
	return "nats://" + addr.String()
}

// Run keeps the server until ctx ends, then stops it. It returns an error only
// when the server stopped by itself.
func (e *Embedded) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		e.Close()
		return nil
	case <-e.down:
		e.Close()
		return errors.New("embedded NATS: the server stopped by itself")
	}
}

// Close stops the server and writes what is in memory to its files. It may be
// called more than once.
func (e *Embedded) Close() {
	e.once.Do(func() {
		e.server.Shutdown()
		<-e.down
		e.unlock()
	})
}

// serverLog passes the server's words on, and keeps those of a failed start: the
// server gives no error otherwise.
type serverLog struct {
	log   *slog.Logger
	mu    sync.Mutex
	words string
}

func (l *serverLog) Noticef(format string, v ...any) {
	l.log.Debug("nats: " + fmt.Sprintf(format, v...))
}
func (l *serverLog) Warnf(format string, v ...any) { l.log.Warn("nats: " + fmt.Sprintf(format, v...)) }
func (l *serverLog) Errorf(format string, v ...any) {
	l.log.Error("nats: " + fmt.Sprintf(format, v...))
}
func (l *serverLog) Debugf(string, ...any) {}
func (l *serverLog) Tracef(string, ...any) {}

func (l *serverLog) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.words = fmt.Sprintf(format, v...)
}

func (l *serverLog) fatal() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.words
}
