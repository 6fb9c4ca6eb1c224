// Package process runs the real binary for tests: it builds it once, starts
// processes of it, waits on what they say, kills and restarts them.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/testkit"
)

// Main is the TestMain of a package that uses this one; it gives the exit
// status.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "parley-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	buildDir = dir
	return m.Run()
}

var buildDir string

// Binary builds parley once, with the race detector where the tests have it,
// and gives its path. Its version is "e2e".
func Binary(t testing.TB) string {
	t.Helper()
	path, err := build()
	require.NoError(t, err)
	return path
}

var build = sync.OnceValues(func() (string, error) {
	if buildDir == "" {
		return "", errors.New("the package's TestMain does not call process.Main")
	}
	path := filepath.Join(buildDir, "parley")
	args := []string{"build", "-ldflags", "-X main.version=e2e", "-o", path}
	if raceDetector {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/parley")...)
	cmd.Dir = testkit.Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build parley: %w\n%s", err, out)
	}
	return path, nil
})

// Env is the environment of the processes, with nothing of the developer's
// settings, and what is given.
func Env(t testing.TB, extra ...string) []string {
	t.Helper()
	var kept []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case strings.HasPrefix(name, "PARLEY_"), strings.HasSuffix(name, "_URL"), name == "AUTO_MIGRATE":
		default:
			kept = append(kept, v)
		}
	}
	kept = append(kept, "ONNXRUNTIME_LIB="+testkit.ONNX(t))
	return append(kept, extra...)
}

// Models is the folder of the models that are in the repository.
func Models() string { return filepath.Join(testkit.Root(), "models") }

// ServeArgs are the arguments of a process that has everything in it, with its
// data in a folder and a free port, and without the demo stickers.
func ServeArgs(data string, args ...string) []string {
	all := []string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--models", Models(), "--log-level", "debug", "--demo", "off"}
	return append(all, args...)
}

// Serve starts everything in one process on a fresh data folder.
func Serve(t testing.TB, args ...string) *Process {
	t.Helper()
	return Start(t, Env(t), ServeArgs(t.TempDir(), args...)...).Ready()
}

// Finish runs parley to its end and gives its exit status and output.
func Finish(t testing.TB, environment []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	program := Binary(t)
	ctx, cancel := context.WithTimeout(t.Context(), gqlclient.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = testkit.Root()
	cmd.Env = environment
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	require.False(t, err != nil && !errors.As(err, &exit), "%v", err)
	require.NoError(t, ctx.Err(), "parley %s did not end:\n%s", strings.Join(args, " "), tail(errs.String()))
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// DeadPort gives an address where nothing listens.
func DeadPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
