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

	"parley/internal/testkit/private"
)

func TestPostgresGivesEachTestAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	for range 2 {
		conn, err := pgx.Connect(t.Context(), Postgres(t))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.WithoutCancel(t.Context()))
		if _, err := conn.Exec(t.Context(), "CREATE TABLE mine (id int)"); err != nil {
			t.Fatalf("the database is not empty: %v", err)
		}
		var fsync string
		if err := conn.QueryRow(t.Context(), "SHOW fsync").Scan(&fsync); err != nil || fsync != "on" {
			t.Fatalf("fsync is %q, %v; want on", fsync, err)
		}
	}
}

func TestPostgresServerKeepsWhatWasCommittedBeforeAKill(t *testing.T) {
	t.Parallel()
	server := PostgresServer(t)
	if err := onPostgres(server.URL, "CREATE TABLE kept (id int)"); err != nil {
		t.Fatal(err)
	}
	killAndRestart(t, server)
	if err := onPostgres(server.URL, "SELECT id FROM kept"); err != nil {
		t.Fatal(err)
	}
}

func TestRedisDatabasesAreSeparate(t *testing.T) {
	t.Parallel()
	for range 2 {
		options, err := redis.ParseURL(Redis(t))
		if err != nil {
			t.Fatal(err)
		}
		client := redis.NewClient(options)
		defer client.Close()
		if set, err := client.SetNX(t.Context(), "mine", 1, 0).Result(); err != nil || !set {
			t.Fatalf("the database is not empty: %v, %v", set, err)
		}
	}
}

func TestRedisServerIsEmptyAfterAKill(t *testing.T) {
	t.Parallel()
	server := RedisServer(t)
	options, err := redis.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	if err := client.Set(t.Context(), "gone", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	killAndRestart(t, server)
	if err := client.Get(t.Context(), "gone").Err(); !errors.Is(err, redis.Nil) {
		t.Fatalf("got %v, want an empty Redis", err)
	}
}

func TestNATSKeepsItsStoreOverAKill(t *testing.T) {
	t.Parallel()
	server := NATS(t)
	publish := func(n uint64) {
		conn, err := nats.Connect(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		js, err := conn.JetStream()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.AddStream(&nats.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
			t.Fatal(err)
		}
		ack, err := js.Publish("s", nil)
		if err != nil || ack.Sequence != n {
			t.Fatalf("got %v, %v; want sequence %d", ack, err, n)
		}
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
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err != nil {
		t.Fatalf("a second kill: %v", err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pid, dir := readPid(t, output)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
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
		if err != nil {
			t.Fatalf("the child ended: %v; it said %q", err, text.String())
		}
	}
}

func TestRootHoldsTheModule(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(filepath.Join(Root(), "internal", "testkit")); err != nil {
		t.Fatal(err)
	}
}
