package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/process"
	"parley/internal/testkit"
)

// EventSource knows nothing of parley: it sends the last id that it has when it
// comes back.
func TestEventSourceInChromiumGoesOnAfterTheServerWasKilled(t *testing.T) {
	t.Parallel()
	chromium := testkit.Chromium(t)
	program, err := exec.LookPath("node")
	if err != nil {
		testkit.Missing(t, "node: install Node.js")
	}
	p := process.Serve(t)
	cmd := exec.CommandContext(t.Context(), program, "eventsource.mjs", p.URL)
	cmd.Dir, cmd.Env = filepath.Join(testkit.Root(), "clients", "browser"), append(os.Environ(), "CHROMIUM="+chromium)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var last string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if last = lines.Text(); last != "restart" {
			continue
		}
		p.Kill()
		p.Restart()
		p.Ready()
		_, err := in.Write([]byte("done\n"))
		assert.NoError(t, err)
	}
	require.NoError(t, cmd.Wait())
	assert.Equal(t, `["before","while it was away","after"]`, last, "the browser")
}
