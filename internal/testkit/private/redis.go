package private

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// RedisDatabases is how many numbered databases a private Redis has; 0 is kept
// for handing out the others.
const RedisDatabases = 4096

// StartRedis runs redis-server without persistence, on loopback only; after a
// Kill and Restart it is empty, as a lost cache is. The program is taken from
// the PATH or from .cache/ below the repository's root. A *Missing error says
// that it is not on this machine.
func StartRedis(ctx context.Context, root string) (*Server, error) {
	program, env, err := findRedis(root)
	if err != nil {
		return nil, err
	}
	return launch(ctx, func(port int) (*Server, error) { return newRedis(program, env, port) })
}

func newRedis(program string, env []string, port int) (*Server, error) {
	dir, err := newDir("redis")
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	return &Server{
		URL:  fmt.Sprintf("redis://%s/0", address),
		name: "Redis",
		spec: spec{
			dir: dir, log: filepath.Join(dir, "log"), env: env, signal: "TERM",
			args: []string{
				program, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
				"--save", "", "--appendonly", "no", "--daemonize", "no", "--databases", strconv.Itoa(RedisDatabases),
			},
		},
		ready: func(ctx context.Context) error {
			client := redis.NewClient(&redis.Options{Addr: address, MaxRetries: -1})
			defer client.Close()
			return client.Ping(ctx).Err()
		},
	}, nil
}

func findRedis(root string) (program string, env []string, err error) {
	if found, err := exec.LookPath("redis-server"); err == nil {
		return found, nil, nil
	}
	extracted := filepath.Join(root, ".cache", "servers")
	for _, name := range []string{"redis-server", "redis-check-rdb"} {
		// Debian's redis-server is a link to redis-check-rdb of redis-tools,
		// and the program asks its own name what it is.
		found := filepath.Join(extracted, "usr/bin", name)
		if _, err := os.Stat(found); err == nil {
			return found, libraryPath(extracted), nil
		}
	}
	return "", nil, &Missing{"redis-server", "run `make test-deps`, or install the package redis-server"}
}
