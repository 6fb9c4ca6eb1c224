package process

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

// Cluster is a set of processes on one Postgres, one NATS and one Redis.
type Cluster struct {
	// Env is the environment of the processes.
	Env []string
	// NATS can be killed by the test.
	NATS *testkit.NATSServer
	// Postgres is the URL of the database.
	Postgres string

	t testing.TB
}

// SigningKey is the key of the access tokens in a Cluster.
const SigningKey = "a key for the tests of several processes"

// NewCluster makes a cluster without processes; the settings that are given are
// those of all its processes.
func NewCluster(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	c := &Cluster{t: t, NATS: testkit.NATS(t), Postgres: testkit.Postgres(t)}
	c.Env = append(Env(t, "DATABASE_URL="+c.Postgres, "NATS_URL="+c.NATS.URL(), "REDIS_URL="+testkit.Redis(t),
		"PARLEY_ACK_WAIT=1s", "PARLEY_SIGNING_KEY="+SigningKey, "PARLEY_LOG_LEVEL=debug", "PARLEY_MODELS="+Models()), settings...)
	status, out, errs := Finish(t, c.Env, "migrate")
	require.Zero(t, status, "migrate: %s%s", out, errs)
	return c
}

// API starts an API process, with more settings, and waits until it is ready.
func (c *Cluster) API(settings ...string) *Process {
	c.t.Helper()
	return Start(c.t, append(c.Env[:len(c.Env):len(c.Env)], settings...), "api", "--listen", "127.0.0.1:0").Ready()
}

// Worker starts a worker and waits until it is ready.
func (c *Cluster) Worker() *Process {
	c.t.Helper()
	p := Start(c.t, c.Env, "worker")
	p.WaitLog(`msg="worker ready"`)
	return p
}
