package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/process"
	"parley/internal/testkit"
)

// node runs a script of clients/ and gives what it printed.
func node(t testing.TB, dir string, environment []string, args ...string) string {
	t.Helper()
	at := filepath.Join(testkit.Root(), "clients", dir)
	program, err := exec.LookPath("node")
	if err != nil {
		testkit.Missing(t, "node: install Node.js")
	}
	if _, err := os.Stat(filepath.Join(at, "node_modules")); err != nil {
		testkit.Missing(t, "the npm packages of clients/%s: run `make test-deps`", dir)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Env = at, append(os.Environ(), environment...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "node %v in clients/%s: %v\n%s", args, dir, err, out)
	return string(out)
}

func TestApolloClientReceivesATranslation(t *testing.T) {
	t.Parallel()
	receivesTranslation(t, "apollo")
}

func TestUrqlReceivesATranslation(t *testing.T) {
	t.Parallel()
	receivesTranslation(t, "urql")
}

func receivesTranslation(t *testing.T, client string) {
	p := process.Serve(t)
	out := node(t, client, nil, "run.mjs", p.URL, story(10))
	var got struct {
		States         []string
		Language, Text string
	}
	require.NoError(t, json.Unmarshal([]byte(out), &got), "%s printed %q", client, out)
	n := len(got.States)
	assert.True(t, n != 0 && got.States[n-1] == "SUCCEEDED" && got.Language == "es" && got.Text != "", "%s received %+v", client, got)
}

// What a newcomer does: sign up, write, translate and watch in GraphiQL.
func TestGraphiQLShowsATranslationInChromium(t *testing.T) {
	t.Parallel()
	chromium := testkit.Chromium(t)
	p := process.Serve(t)
	shots := os.Getenv("PARLEY_TEST_SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	out := node(t, "browser", []string{"CHROMIUM=" + chromium}, "graphiql.mjs", p.URL, shots)
	assert.Regexp(t, `(?m)^translated: \S`, out, "the browser")
}
