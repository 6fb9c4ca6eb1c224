package ws

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gorilla/websocket"

	"parley/internal/apperr"
	"parley/internal/server/lasting"
)

// Protocol is the one subprotocol that is spoken.
const Protocol = "graphql-transport-ws"

// Sizes of gorilla's buffers in bytes. The read buffer stays with an idle
// socket, the write buffers come from a pool.
const (
	readBuffer  = 256 // longer messages are read past it
	writeBuffer = 4 << 10
)

// Config holds the settings of a Transport. Its zero value is usable.
type Config struct {
	// InitTimeout is how long a fresh socket may take to send connection_init
	// before it is closed with 4408; 0 means 3 s.
	InitTimeout time.Duration
	// AuthTimeout is how long Init may take before the socket is closed with
	// 1013; 0 means 10 s.
	AuthTimeout time.Duration
	// WriteTimeout is how long a peer may accept no byte of what is written to
	// it before it is cut off; 0 means 10 s.
	WriteTimeout time.Duration
	// PingInterval is the time from one ping message to the next; 0 means 25 s,
	// less than 0 sends none, and then nothing notices a silent peer.
	PingInterval time.Duration
	// PongTimeout is how long after a ping a peer may send nothing at all before
	// it is closed with 4408; 0 means 30 s. The next ping waits for it, so that
	// pings are never closer than the longer of the two while the peer is silent.
	PongTimeout time.Duration
	// ExpiryWarning is how long before a socket's expiry a ping with the payload
	// {"sessionExpiring":{"expiresAt":"<RFC 3339>"}} is sent; 0 means 60 s, less
	// than 0 sends none.
	ExpiryWarning time.Duration
	// Expiring is told, at the moment of that ping, when the socket will expire. It
	// runs on a goroutine of its own and must be quick; nil tells nobody.
	Expiring func(*Conn, time.Time)
	// DrainSpread is the time over which Run closes its sockets; 0 means 5 s.
	DrainSpread time.Duration
	// AnswerTimeout is how long CloseAll waits for the queries and mutations of a
	// socket to be answered before it closes the socket; 0 means 1 s.
	AnswerTimeout time.Duration
	// MaxSockets is how many sockets there may be at a time; 0 means 20,000. One
	// more is answered with 503.
	MaxSockets int
	// MaxMessage is the longest message in bytes that a client may send; 0 means
	// 1 MiB. Longer ones close the socket with 1009.
	MaxMessage int64
	// MaxOperations is how many operations one socket may have at a time; 0
	// means 100. One more ends with an error message of code RATE_LIMITED, and
	// the others go on: 4429 would stop the official client for good.
	MaxOperations int
	// MaxHeld is how many bytes of subscribe messages the live operations of one
	// socket may hold together, refused like MaxOperations; 0 means 4 times
	// MaxMessage.
	MaxHeld int64
	// SendBuffer is the size in bytes of the kernel's send buffer per socket,
	// which bounds what a stalled reader costs; 0 means 128 KiB, less than 0
	// leaves it to the kernel.
	SendBuffer int
	// CheckOrigin tells whether a browser page may connect; nil allows requests
	// without Origin and those whose Origin is the request's own host.
	CheckOrigin func(*http.Request) bool
	// Init authenticates. It gets the payload of connection_init and gives the
	// context for all operations of the socket (which must derive from ctx; nil
	// means ctx) and the payload of connection_ack (nil means none). It runs on
	// a goroutine of its own, and ctx ends with the socket. A *CloseError
	// closes with its own code, apperr's UNAVAILABLE and TIMEOUT close with 1013,
	// anything else closes with 4403 "Forbidden". nil lets everybody in.
	Init func(ctx context.Context, payload InitPayload) (context.Context, map[string]any, error)
	// ConfirmAfter is how long after a message of a stream whose position is kept the
	// peer is pinged at the latest, so that its pong confirms the message; 0 means
	// 5 s. A socket's first messages are confirmed sooner, and many at a time.
	ConfirmAfter time.Duration
	// Hooks count what happens.
	Hooks Hooks
	// Log takes what an operator may want to know; nil means slog.Default().
	// Payloads, queries and variables are never logged.
	Log *slog.Logger
}

func (cfg Config) withDefaults() Config {
	cfg.InitTimeout = cmp.Or(max(cfg.InitTimeout, 0), 3*time.Second)
	cfg.AuthTimeout = cmp.Or(max(cfg.AuthTimeout, 0), 10*time.Second)
	cfg.WriteTimeout = cmp.Or(max(cfg.WriteTimeout, 0), 10*time.Second)
	cfg.PingInterval = cmp.Or(cfg.PingInterval, 25*time.Second)
	cfg.PongTimeout = cmp.Or(max(cfg.PongTimeout, 0), 30*time.Second)
	cfg.ConfirmAfter = cmp.Or(max(cfg.ConfirmAfter, 0), 5*time.Second)
	cfg.ExpiryWarning = cmp.Or(cfg.ExpiryWarning, time.Minute)
	cfg.DrainSpread = cmp.Or(max(cfg.DrainSpread, 0), 5*time.Second)
	cfg.AnswerTimeout = cmp.Or(max(cfg.AnswerTimeout, 0), time.Second)
	cfg.MaxSockets = cmp.Or(max(cfg.MaxSockets, 0), 20_000)
	cfg.MaxMessage = cmp.Or(max(cfg.MaxMessage, 0), 1<<20)
	cfg.MaxOperations = cmp.Or(max(cfg.MaxOperations, 0), 100)
	cfg.MaxHeld = cmp.Or(max(cfg.MaxHeld, 0), 4*cfg.MaxMessage)
	cfg.SendBuffer = cmp.Or(cfg.SendBuffer, 128<<10)
	cfg.Hooks = cfg.Hooks.WithDefaults()
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return cfg
}

// Transport is a graphql.Transport for websockets and the registry of those
// that are open. Make one with New and add it to one gqlgen handler.
type Transport struct {
	cfg        Config
	operations lasting.Config
	upgrader   websocket.Upgrader

	conns lasting.Registry[*Conn]
}

var _ graphql.Transport = (*Transport)(nil)

// New makes a Transport; what cfg leaves out gets its default.
func New(cfg Config) *Transport {
	cfg = cfg.withDefaults()
	t := &Transport{cfg: cfg}
	t.operations = lasting.Config{
		MaxOperations: cfg.MaxOperations, Internal: internalReason,
		Started: cfg.Hooks.OperationStarted, Ended: cfg.Hooks.OperationEnded, Refused: cfg.Hooks.OperationRefused,
	}
	t.upgrader = websocket.Upgrader{
		HandshakeTimeout: cfg.WriteTimeout,
		ReadBufferSize:   readBuffer,
		WriteBufferSize:  writeBuffer,
		WriteBufferPool:  &sync.Pool{},
		Subprotocols:     []string{Protocol},
		CheckOrigin:      cfg.CheckOrigin,
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			code := apperr.BadInput
			if status == http.StatusForbidden {
				code = apperr.Forbidden
			}
			refuse(w, status, apperr.Wrap(reason, code, "%s", http.StatusText(status)))
		},
	}
	return t
}

// Supports tells whether r asks for a websocket.
func (t *Transport) Supports(r *http.Request) bool { return websocket.IsWebSocketUpgrade(r) }

// Do turns the request into a socket and returns at once: the socket lives on a
// goroutine of its own, because the HTTP server's would keep its buffers and a
// grown stack for as long. The socket's context has the values of the
// request's, and not its end.
func (t *Transport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	if t.conns.Draining() {
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, apperr.New(apperr.Unavailable, "The server restarts."))
		return
	}
	if t.Len() >= t.cfg.MaxSockets {
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, apperr.New(apperr.Unavailable, "There are too many open sockets."))
		return
	}
	socket, err := t.upgrader.Upgrade(&hijacker{ResponseWriter: w, cfg: &t.cfg}, r, nil)
	if err != nil {
		t.cfg.Log.DebugContext(r.Context(), "websocket refused", "error", err)
		return
	}
	c := newConn(t, socket, r, exec)
	if !t.conns.Add(c) {
		message := websocket.FormatCloseMessage(CloseRestart, restartReason)
		_ = socket.WriteControl(websocket.CloseMessage, message, time.Now().Add(t.cfg.WriteTimeout))
		_ = socket.Close()
		c.cancel()
		return
	}
	go c.serve()
}

// refuse answers a request that becomes no socket in the shape of a GraphQL
// error.
func refuse(w http.ResponseWriter, status int, e *apperr.Error) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Sec-Websocket-Version", "13")
	w.WriteHeader(status)
	_, _ = w.Write(append(append([]byte(`{"errors":`), errorList(e)...), '}', '\n'))
}
