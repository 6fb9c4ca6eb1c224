package testkit

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/testkit/private"
)

// NATSServer is a real nats-server with JetStream, of one test's own.
type NATSServer struct {
	t      testing.TB
	server *private.Server
}

// NATS starts a NATS server for the test and stops it at its end. It answers
// when NATS returns.
func NATS(t testing.TB) *NATSServer {
	t.Helper()
	s := startOrEnd(t, private.StartNATS)
	stopAtEnd(t, s)
	return &NATSServer{t, s}
}

// URL is where clients connect; it stays the same over Kill and Restart.
func (n *NATSServer) URL() string { return n.server.URL }

// Kill ends the server by SIGKILL and returns when it is gone.
func (n *NATSServer) Kill() {
	n.t.Helper()
	require.NoError(n.t, n.server.Kill(), "kill NATS")
}

// Restart brings the server back on the same port and store, stopping it
// before where it runs. It answers when Restart returns.
func (n *NATSServer) Restart() {
	n.t.Helper()
	require.NoError(n.t, n.server.Restart(n.t.Context()), "restart NATS")
}
