package private

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/nats-io/nats.go"
)

// StartNATS runs the real nats-server with JetStream on loopback only. Its
// store survives Kill and Restart. The program is .cache/bin/nats-server below
// the repository's root, built from the module that go.mod pins when it is not
// there yet.
func StartNATS(ctx context.Context, root string) (*Server, error) {
	program := filepath.Join(root, ".cache", "bin", "nats-server")
	if _, err := os.Stat(program); err != nil {
		if err := buildNATS(ctx, root, program); err != nil {
			return nil, err
		}
	}
	return launch(ctx, func(port int) (*Server, error) { return newNATS(program, port) })
}

func newNATS(program string, port int) (*Server, error) {
	dir, err := newDir("nats")
	if err != nil {
		return nil, err
	}
	url := fmt.Sprintf("nats://127.0.0.1:%d", port)
	return &Server{
		URL:  url,
		name: "nats-server",
		spec: spec{
			dir: dir, log: filepath.Join(dir, "log"), signal: "TERM",
			args: []string{program, "-a", "127.0.0.1", "-p", strconv.Itoa(port), "-js", "-sd", filepath.Join(dir, "store")},
		},
		ready: func(ctx context.Context) error {
			conn, err := nats.Connect(url)
			if err != nil {
				return err
			}
			defer conn.Close()
			js, err := conn.JetStream(nats.Context(ctx))
			if err != nil {
				return err
			}
			_, err = js.AccountInfo(nats.Context(ctx))
			return err
		},
	}, nil
}

// buildNATS builds beside the target and renames, because several test
// processes may find it missing at once.
func buildNATS(ctx context.Context, root, program string) error {
	dir := filepath.Dir(program)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	own, err := os.MkdirTemp(dir, "nats-")
	if err != nil {
		return fmt.Errorf("make a folder to build in: %w", err)
	}
	defer os.RemoveAll(own)
	built := filepath.Join(own, "nats-server")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", built, "github.com/nats-io/nats-server/v2")
	cmd.Dir = root
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build nats-server from its module: %w\n%s", err, output)
	}
	if err := os.Rename(built, program); err != nil {
		return fmt.Errorf("put nats-server in its place: %w", err)
	}
	return nil
}
