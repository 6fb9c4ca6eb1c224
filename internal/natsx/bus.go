// Package natsx is parley's way to NATS: a server inside the process or
// outside of it, the streams JOBS and RESULTS, the bucket of cancelled runs, and
// the calls that the relay, the recorder and the worker make on them.
package natsx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Limits bound what the streams may hold. Zero values mean the defaults.
type Limits struct {
	// MaxJobs is how many runs may wait on JOBS; default 1,000,000. Beyond it
	// PublishJob answers ErrFull and the outbox keeps the rest.
	MaxJobs int64
	// MaxJobBytes and MaxResultBytes bound the streams' files; default 1 GiB each.
	// Workers whose results are refused hold them and try again.
	MaxJobBytes    int64
	MaxResultBytes int64
	// MaxRecordBytes bounds what is kept of how far attempts have come; default 256
	// MiB. What is refused is not kept: another attempt begins anew.
	MaxRecordBytes int64
	// JobWindow is how long JOBS remembers a message id; default 10 minutes.
	// ResultWindow is the same for RESULTS; default 2 minutes.
	JobWindow    time.Duration
	ResultWindow time.Duration
	// Replicas of what is created, on a cluster; default 1. What exists keeps
	// the number it has.
	Replicas int
}

func (l Limits) withDefaults() Limits {
	l.MaxJobs = orDefault(l.MaxJobs, 1_000_000)
	l.MaxJobBytes = orDefault(l.MaxJobBytes, 1<<30)
	l.MaxResultBytes = orDefault(l.MaxResultBytes, 1<<30)
	l.MaxRecordBytes = orDefault(l.MaxRecordBytes, 256<<20)
	l.JobWindow = orDefault(l.JobWindow, 10*time.Minute)
	l.ResultWindow = orDefault(l.ResultWindow, 2*time.Minute)
	l.Replicas = orDefault(l.Replicas, 1)
	return l
}

func orDefault[T int | int64 | time.Duration](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// Options say how a Bus behaves. The zero value is ready for use.
type Options struct {
	// Name is how the connection shows in the server's own listings.
	Name   string
	Limits Limits
	// Logger gets disconnects and what a consumer had to refuse; default
	// slog.Default.
	Logger *slog.Logger
}

// Bus is one connection to NATS with JetStream on top. It reconnects forever.
// All methods may be called from many goroutines at once.
type Bus struct {
	conn    *nats.Conn
	js      jetstream.JetStream
	limits  Limits
	log     *slog.Logger
	address string

	bucketMu sync.Mutex
	buckets  map[string]jetstream.KeyValue
}

// How long one call to JetStream may take, and how long a stored message's
// acknowledgement is waited for.
const (
	callTimeout = 10 * time.Second
	dialTimeout = 5 * time.Second
	drainLimit  = 5 * time.Second
)

// Connect dials an external NATS, given as one URL or several joined by commas.
// It fails with a sentence for the operator when none can be reached within
// 5 seconds; later losses of the connection are healed by themselves.
func Connect(ctx context.Context, address string, o Options) (*Bus, error) {
	type dialled struct {
		bus *Bus
		err error
	}
	done := make(chan dialled, 1)
	go func() {
		b, err := dial(address, Redact(address), o)
		done <- dialled{b, err}
	}()
	select {
	case d := <-done:
		return d.bus, d.err
	case <-ctx.Done():
		// The dial ends by its own timeout; what it got is given back.
		go func() {
			if d := <-done; d.bus != nil {
				d.bus.Close()
			}
		}()
		return nil, fmt.Errorf("connect to NATS at %s: %w", Redact(address), context.Cause(ctx))
	}
}

func dial(address, shown string, o Options, more ...nats.Option) (*Bus, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Name == "" {
		o.Name = "parley"
	}
	options := append([]nats.Option{
		nats.Name(o.Name),
		nats.Timeout(dialTimeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, time.Second),
		nats.PingInterval(20 * time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				o.Logger.Warn("NATS connection lost, trying again", "server", shown, "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { o.Logger.Info("NATS connection is back", "server", shown) }),
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) {
			subject := ""
			if s != nil {
				subject = s.Subject
			}
			o.Logger.Warn("NATS reports an error", "subject", subject, "error", err)
		}),
	}, more...)
	conn, err := nats.Connect(address, options...)
	if errors.Is(err, nats.ErrAuthorization) {
		return nil, fmt.Errorf("NATS at %s refuses the name, password or token given: %w", shown, err)
	}
	if err != nil {
		return nil, fmt.Errorf("NATS is not reachable at %s (is the address right and the server running?): %w", shown, err)
	}
	// The pending limit lies above what the callers here keep open, so that it
	// never stalls them.
	js, err := jetstream.New(conn,
		jetstream.WithPublishAsyncTimeout(callTimeout),
		jetstream.WithPublishAsyncMaxPending(64<<10),
		jetstream.WithDefaultTimeout(callTimeout))
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return &Bus{conn: conn, js: js, limits: o.Limits.withDefaults(), log: o.Logger, address: shown, buckets: map[string]jetstream.KeyValue{}}, nil
}

// Redact hides the passwords and tokens of a NATS address for logs and errors.
func Redact(address string) string {
	parts := strings.Split(address, ",")
	for i, part := range parts {
		part = strings.TrimSpace(part)
		if u, err := url.Parse(part); err == nil && u.User != nil {
			if _, has := u.User.Password(); !has {
				// A lone user part is a token.
				u.User = url.User("xxxxx")
			}
			part = u.Redacted()
		} else if at := strings.LastIndexByte(part, '@'); at >= 0 {
			part = "xxxxx" + part[at:]
		}
		parts[i] = part
	}
	return strings.Join(parts, ",")
}

// Conn is the connection, for core NATS.
func (b *Bus) Conn() *nats.Conn { return b.conn }

// JetStream is the JetStream context on the connection.
func (b *Bus) JetStream() jetstream.JetStream { return b.js }

// Ready tells whether the connection stands right now.
func (b *Bus) Ready() error {
	if s := b.conn.Status(); s != nats.CONNECTED {
		return fmt.Errorf("NATS at %s is not connected (%s)", b.address, strings.ToLower(s.String()))
	}
	return nil
}

// Close sends what is still buffered, waits up to 5 seconds for the server to
// have it, and ends the connection. It may be called more than once.
func (b *Bus) Close() {
	if b.conn.IsClosed() {
		return
	}
	b.Flush()
	b.conn.Close()
}

// Flush returns when the server has all that was published before, when 5 seconds
// have passed, or at once without a connection.
func (b *Bus) Flush() {
	if !b.conn.IsConnected() {
		return
	}
	if err := b.conn.FlushTimeout(drainLimit); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		b.log.Warn("NATS did not take the last messages", "error", err)
	}
}
