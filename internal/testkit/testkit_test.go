package testkit

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit/private"
)

func TestPostgresGivesEachTestAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	for range 2 {
		conn, err := pgx.Connect(t.Context(), Postgres(t))
		require.NoError(t, err)
		defer conn.Close(context.WithoutCancel(t.Context()))
		_, err = conn.Exec(t.Context(), "CREATE TABLE mine (id int)")
		require.NoError(t, err, "the database is not empty")
		var fsync string
		require.NoError(t, conn.QueryRow(t.Context(), "SHOW fsync").Scan(&fsync), "fsync; want on")
		require.Equal(t, "on", fsync, "fsync; want on")
	}
}

func TestPostgresServerKeepsWhatWasCommittedBeforeAKill(t *testing.T) {
	t.Parallel()
	server := PostgresServer(t)
	require.NoError(t, onPostgres(server.URL, "CREATE TABLE kept (id int)"))
	killAndRestart(t, server)
	require.NoError(t, onPostgres(server.URL, "SELECT id FROM kept"))
}

func TestPGVectorHasTheExtension(t *testing.T) {
	t.Parallel()
	var version string
	require.NoError(t, PGVector(t).QueryRowContext(t.Context(),
		"SELECT default_version FROM pg_available_extensions WHERE name = 'vector'").Scan(&version))
	require.GreaterOrEqual(t, version, "0.8")
}

func TestRedisDatabasesAreSeparate(t *testing.T) {
	t.Parallel()
	for range 2 {
		options, err := redis.ParseURL(Redis(t))
		require.NoError(t, err)
		client := redis.NewClient(options)
		defer client.Close()
		set, err := client.SetNX(t.Context(), "mine", 1, 0).Result()
		require.NoError(t, err, "the database is not empty")
		require.True(t, set, "the database is not empty: %v", set)
	}
}

func TestRedisServerIsEmptyAfterAKill(t *testing.T) {
	t.Parallel()
	server := RedisServer(t)
	options, err := redis.ParseURL(server.URL)
	require.NoError(t, err)
	client := redis.NewClient(options)
	defer client.Close()
	require.NoError(t, client.Set(t.Context(), "gone", 1, 0).Err())
	killAndRestart(t, server)
	require.ErrorIs(t, client.Get(t.Context(), "gone").Err(), redis.Nil, "want an empty Redis")
}

func TestNATSKeepsItsStoreOverAKill(t *testing.T) {
	t.Parallel()
	server := NATS(t)
	publish := func(n uint64) {
		conn, err := nats.Connect(server.URL())
		require.NoError(t, err)
		defer conn.Close()
		js, err := conn.JetStream()
		require.NoError(t, err)
		_, err = js.AddStream(&nats.StreamConfig{Name: "S", Subjects: []string{"s"}})
		require.NoError(t, err)
		ack, err := js.Publish("s", nil)
		require.NoError(t, err, "got %v; want sequence %d", ack, n)
		require.Equal(t, n, ack.Sequence, "got %v; want sequence %d", ack, n)
	}
	publish(1)
	server.Kill()
	if conn, err := nats.Connect(server.URL(), nats.Timeout(time.Second)); err == nil {
		conn.Close()
		t.Fatal("the killed server still answers")
	}
	server.Restart()
	publish(2)
	server.Restart() // of a running one
	publish(3)
}

func killAndRestart(t *testing.T, server *private.Server) {
	t.Helper()
	require.NoError(t, server.Kill())
	require.NoError(t, server.Kill(), "a second kill")
	require.NoError(t, server.Restart(t.Context()))
}

// A test process that is killed runs no cleanup, and must leave nothing behind
// all the same. The child is this test binary itself.
func TestServersEndWithAKilledOwner(t *testing.T) {
	if os.Getenv("PARLEY_TESTKIT_CHILD") != "" {
		server := startOrEnd(t, private.StartRedis)
		_, _ = os.Stdout.WriteString("pid " + strconv.Itoa(server.Pid()) + " dir " + server.Dir() + "\n")
		select {} // until killed
	}
	t.Parallel()
	RedisServer(t) // ends the test here where redis-server is missing
	child := exec.Command(os.Args[0], "-test.run=^TestServersEndWithAKilledOwner$", "-test.v")
	child.Env = append(os.Environ(), "PARLEY_TESTKIT_CHILD=1")
	output, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	pid, dir := readPid(t, output)
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	gone := func() bool {
		_, err := os.Stat(dir)
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) && errors.Is(err, os.ErrNotExist)
	}
	deadline := time.After(20 * time.Second)
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !gone() {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("process %d or folder %s outlived its owner", pid, dir)
		}
	}
}

func readPid(t *testing.T, output interface{ Read([]byte) (int, error) }) (pid int, dir string) {
	t.Helper()
	var text strings.Builder
	buffer := make([]byte, 256)
	for {
		n, err := output.Read(buffer)
		text.Write(buffer[:n])
		for line := range strings.Lines(text.String()) {
			fields := strings.Fields(line)
			if len(fields) == 4 && fields[0] == "pid" && strings.HasSuffix(line, "\n") {
				if pid, err := strconv.Atoi(fields[1]); err == nil {
					return pid, fields[3]
				}
			}
		}
		require.NoError(t, err, "the child ended; it said %q", text.String())
	}
}

func TestRootHoldsTheModule(t *testing.T) {
	t.Parallel()
	_, err := os.Stat(filepath.Join(Root(), "internal", "testkit"))
	require.NoError(t, err)
}
