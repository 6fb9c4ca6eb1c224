// Package testkit gives tests the real things: private PostgreSQL, Redis and
// NATS servers, shared test data, ONNX Runtime's library. What is missing on a
// machine skips the test loudly; with CI=true or PARLEY_TEST_REQUIRE=1 (which
// `make test` sets) it fails the test.
package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit/private"
)

// Variables by which `make test` shares one server of a kind between the test
// processes of all packages.
const (
	EnvPostgres = "PARLEY_TEST_POSTGRES"
	EnvRedis    = "PARLEY_TEST_REDIS"
)

// Required tells whether a missing part must fail a test instead of skipping it.
func Required() bool {
	return os.Getenv("CI") == "true" || os.Getenv("PARLEY_TEST_REQUIRE") == "1"
}

// Missing ends the test because a part is not there: skipped, or failed where
// Required says so. The message says what is missing and how to get it.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	message := fmt.Sprintf(format, args...)
	if Required() {
		t.Fatalf("required here, and missing: %s", message)
	}
	t.Skipf("SKIPPED, NOT TESTED: %s", message)
}

// Root is the repository's root: the nearest folder with a go.mod at or above
// the working directory, which for tests is their package's folder.
func Root() string { return root() }

var root = sync.OnceValue(func() string {
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at
		}
		if at == filepath.Dir(at) {
			return dir
		}
	}
})

// Shared gives a path below the test data that lies beside the repository, in
// the folder shared/. Where that folder or the path is not there, the test ends as
// Missing says.
func Shared(t testing.TB, elem ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{Root(), "..", "shared"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		Missing(t, "the shared test data %s: %v", filepath.Join(elem...), err)
	}
	return path
}

// Model gives the folder of a bundle that ships with the project. Where it is not
// there, the test ends as Missing says.
func Model(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(Root(), "models", name)
	if _, err := os.Stat(path); err != nil {
		Missing(t, "the model %s: %v", name, err)
	}
	return path
}

// ONNX gives the path of ONNX Runtime's shared library: ONNXRUNTIME_LIB, or
// the one that `npm ci` put below the repository's node_modules.
func ONNX(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("ONNXRUNTIME_LIB"); path != "" {
		_, err := os.Stat(path)
		require.NoError(t, err, "ONNXRUNTIME_LIB names no file")
		return path
	}
	arch := strings.Replace(runtime.GOARCH, "amd64", "x64", 1)
	folder := filepath.Join(Root(), "node_modules", "onnxruntime-node", "bin", "napi-v*", runtime.GOOS, arch)
	for _, name := range []string{"libonnxruntime.so.1", "libonnxruntime.so*", "libonnxruntime*.dylib"} {
		if found, err := filepath.Glob(filepath.Join(folder, name)); err == nil && len(found) > 0 {
			return found[len(found)-1]
		}
	}
	Missing(t, "ONNX Runtime's library: run `make deps` (it puts onnxruntime-node below node_modules), or set ONNXRUNTIME_LIB")
	return ""
}

// Chromium gives the program of a Chromium or Chrome: PARLEY_TEST_CHROMIUM, one
// on the PATH, or the one that `make test-deps` unpacked.
func Chromium(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("PARLEY_TEST_CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", filepath.Join(Root(), ".cache", "bin", "chromium")} {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	Missing(t, "Chromium: run `make test-deps`, install the package chromium, or set PARLEY_TEST_CHROMIUM")
	return ""
}

// startOrEnd starts a server for a test and ends the test when that fails.
func startOrEnd(t testing.TB, start func(context.Context, string) (*private.Server, error)) *private.Server {
	t.Helper()
	server, err := start(t.Context(), Root())
	endOn(t, err)
	return server
}

func endOn(t testing.TB, err error) {
	t.Helper()
	var missing *private.Missing
	if errors.As(err, &missing) {
		Missing(t, "%v", missing)
	}
	require.NoError(t, err, "start a private server")
}

// stopAtEnd stops a server with its test.
func stopAtEnd(t testing.TB, s *private.Server) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server's log ended with:\n%s", s.Log())
		}
		assert.NoError(t, s.Stop(), "stop a private server")
	})
}
