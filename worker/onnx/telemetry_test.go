package onnx

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

// aloneVariable tells the test binary that it is the process whose traces are looked for.
const aloneVariable = "PARLEY_TEST_ONNX_ALONE"

// ONNX Runtime is loaded and used in a process of its own, with a home of its own, where
// nothing may be found afterwards.
func TestNoTelemetryIsLeft(t *testing.T) {
	if os.Getenv(aloneVariable) != "" {
		s := encoder(t)
		out := []*Tensor{nil}
		require.NoError(t, s.Run(t.Context(), input(t, 1, 4), out))
		out[0].Close()
		return
	}
	library, home := testkit.ONNX(t), t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	run := exec.CommandContext(t.Context(), self, "-test.run=^TestNoTelemetryIsLeft$", "-test.v")
	run.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, telemetryVariable+"=") })
	run.Env = append(run.Env, aloneVariable+"=1", LibraryVariable+"="+library, "PARLEY_TEST_REQUIRE=1",
		"HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, ".cache"))
	said, err := run.CombinedOutput()
	require.NoError(t, err, string(said))
	require.Contains(t, string(said), "--- PASS: TestNoTelemetryIsLeft")
	var left []string
	require.NoError(t, filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, path)
		}
		return err
	}))
	assert.Empty(t, left)
}

func TestAnOperatorsSettingOfTelemetryStays(t *testing.T) {
	t.Setenv(telemetryVariable, "0")
	require.NoError(t, declineTelemetry())
	assert.Equal(t, "0", os.Getenv(telemetryVariable))
	require.NoError(t, os.Unsetenv(telemetryVariable))
	require.NoError(t, declineTelemetry())
	assert.Equal(t, "1", os.Getenv(telemetryVariable))
}
