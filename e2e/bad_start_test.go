package e2e

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/process"
	"parley/internal/testkit"
)

// refused runs parley and expects one clear sentence and exit status 1.
func refused(t *testing.T, environment []string, sentence string, args ...string) {
	t.Helper()
	status, _, stderr := process.Finish(t, environment, args...)
	assert.Equal(t, 1, status, "exit status %d, want 1; it said:\n%s", status, stderr)
	lines := strings.Split(strings.TrimRight(stderr, "\n"), "\n")
	last := lines[len(lines)-1]
	require.True(t, strings.HasPrefix(last, "parley: "), "it said\n%s\nwant a line that begins with parley: and %q", stderr, sentence)
	assert.Regexp(t, sentence, stderr, "it said\n%s\nwant a line that begins with parley: and %q", stderr, sentence)
	assert.NotContains(t, stderr, "goroutine ", "it said more than a sentence")
	assert.NotContains(t, stderr, "Usage:", "it said more than a sentence")
}

func TestAPortInUseIsToldInASentence(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	refused(t, process.Env(t), regexp.QuoteMeta(l.Addr().String())+" is in use by another program: stop it, or choose another address with --listen",
		"serve", "--data", t.TempDir(), "--models", process.Models(), "--listen", l.Addr().String())
}

func TestAnUnreachableServiceIsToldInASentence(t *testing.T) {
	t.Parallel()
	nats := testkit.NATS(t).URL()
	dead := process.DeadPort(t)
	for name, c := range map[string]struct {
		env      []string
		sentence string
		args     []string
	}{
		"postgres": {
			[]string{"DATABASE_URL=postgres://someone:secret@" + dead + "/parley"},
			"the database at postgres://someone:xxxxx@" + dead + "/parley", []string{"serve"},
		},
		"nats, serve":            {[]string{"NATS_URL=nats://someone:secret@" + dead}, "NATS.*" + dead, []string{"serve"}},
		"nats, worker":           {[]string{"NATS_URL=nats://" + dead}, "NATS.*" + dead, []string{"worker"}},
		"redis":                  {[]string{"REDIS_URL=redis://:secret@" + dead + "/0"}, "redis at " + dead + " does not answer", []string{"serve"}},
		"api without a database": {nil, "api needs a database that all processes share: set DATABASE_URL", []string{"api"}},
		"worker without NATS":    {nil, "worker needs a NATS that all processes share: set NATS_URL", []string{"worker"}},
		"unmigrated": {
			[]string{"DATABASE_URL=" + testkit.Postgres(t), "NATS_URL=" + nats},
			"lacks [0-9]+ migration\\(s\\): run `parley migrate`, or start with AUTO_MIGRATE=1", []string{"api"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append(c.args, "--data", t.TempDir(), "--models", process.Models(), "--listen", "127.0.0.1:0")
			refused(t, process.Env(t, c.env...), c.sentence, args...)
			_, _, stderr := process.Finish(t, process.Env(t, c.env...), args...)
			assert.NotContains(t, stderr, "secret", "it shows the password")
		})
	}
}

func TestADataFolderThatCantBeWrittenIsToldInASentence(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	// A file where the folder should be stops root as well.
	refused(t, process.Env(t), regexp.QuoteMeta(file), "serve", "--data", filepath.Join(file, "var"), "--models", process.Models(), "--listen", "127.0.0.1:0")
	if os.Geteuid() == 0 {
		return
	}
	closed := filepath.Join(t.TempDir(), "closed")
	require.NoError(t, os.Mkdir(closed, 0o500))
	refused(t, process.Env(t), regexp.QuoteMeta(closed), "serve", "--data", closed, "--models", process.Models(), "--listen", "127.0.0.1:0")
}

func TestADataFolderInUseIsToldInASentence(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	process.Start(t, process.Env(t), process.ServeArgs(data)...).Ready()
	refused(t, process.Env(t), regexp.QuoteMeta(data)+".*(in use|used by another)", "serve", "--data", data, "--models", process.Models(), "--listen", "127.0.0.1:0")
}

func TestBrokenSettingsAreToldInASentence(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(file, []byte("listenn: 127.0.0.1:1\n"), 0o600))
	for _, c := range []struct {
		env      []string
		sentence string
		args     []string
	}{
		{nil, `the settings are not right: listen: "nowhere" is no host:port`, []string{"--listen", "nowhere"}},
		{[]string{"PARLEY_DB_CONNS=many"}, `db-conns \(from PARLEY_DB_CONNS\): "many" is no whole number`, nil},
		{nil, `ack-wait \(from --ack-wait\): "soon" is no duration such as 15m or 30s`, []string{"--ack-wait", "soon"}},
		{[]string{"DATABASE_URL=mysql://x"}, `database-url: .* one of postgres:?, postgresql:?, sqlite`, nil},
		{[]string{"PARLEY_SIGNING_KEY=short"}, `signing-key: it has 5 characters and needs 32`, nil},
		{nil, `has the setting "listenn", which does not exist`, []string{"--config", file}},
		{nil, `read the settings: .*none.yaml`, []string{"--config", "none.yaml"}},
		{nil, `unknown flag: --lissen`, []string{"--lissen", "x"}},
	} {
		for _, command := range []string{"serve", "config"} {
			refused(t, process.Env(t, c.env...), c.sentence, append([]string{command}, c.args...)...)
		}
	}
	refused(t, process.Env(t), `unknown command "server"`, "server")
}

// Without a usable model the API works and says so; jobs wait for a worker. A folder that
// can be written may still get one; in another that is the end of a worker.
func TestServeWithoutAUsableModelStartsAndJobsWait(t *testing.T) {
	t.Parallel()
	corrupt := corruptModels(t)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	const pulls, alone = `there is no model that can be used yet: jobs wait until one is pulled`, `there is no worker in this process, jobs wait for another one`
	for name, c := range map[string]struct{ models, sentence, then string }{
		"no folder":     {filepath.Join(t.TempDir(), "none"), pulls, ""},
		"corrupt":       {corrupt, `a model can't be used.*decoder_model_merged.onnx`, ""},
		"never a model": {filepath.Join(file, "none"), alone, `look for models`},
		"one, corrupt":  {filepath.Join(corrupt, "translate-mini"), alone, `there is no model in .* that can be used`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := process.Start(t, process.Env(t), "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--models", c.models).Ready()
			p.WaitLog(c.sentence)
			a := signUp(t, p)
			job, _ := a.translate(t, a.createNote(t, "The house is old."))
			first := until(t, watch(t, a.MustDial(t), job), func(update) bool { return true })[0].Job.Job
			assert.Equal(t, "QUEUED", first.State, "the job is %+v, want it to wait for a WORKER", first)
			require.NotNil(t, first.WaitingFor, "the job is %+v, want it to wait for a WORKER", first)
			assert.Equal(t, "WORKER", *first.WaitingFor, "the job is %+v, want it to wait for a WORKER", first)
			if c.then != "" {
				refused(t, process.Env(t, "NATS_URL="+testkit.NATS(t).URL()), c.then, "worker", "--models", c.models)
			}
		})
	}
}

// corruptModels gives a copy of models/ with one changed byte in a model.
func corruptModels(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(process.Models())))
	flip(t, filepath.Join(dir, "translate-mini", "onnx", "decoder_model_merged.onnx"))
	return dir
}

func flip(t testing.TB, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	data[len(data)/2] ^= 0xff
	require.NoError(t, os.WriteFile(file, data, 0o600), "change %s", file)
}
