package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/e2e/gqlclient"
	"parley/internal/testkit"
)

// env is the environment of the processes: nothing of the developer's settings.
func env(t testing.TB, extra ...string) []string {
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

// output is a process's standard error, which can be waited on.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	close(o.more)
	o.more = make(chan struct{})
	return len(p), nil
}

func (o *output) now() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.more
}

// process is a running parley.
type process struct {
	t    testing.TB
	args []string
	env  []string
	cmd  *exec.Cmd
	log  *output
	// done is closed when the process has ended, with err from Wait.
	done chan struct{}
	err  error
	// URL is where it answers, empty for a worker.
	URL string
}

// start runs parley with the arguments; it ends with the test, which fails when
// it does not end well.
func start(t testing.TB, environment []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, args: args, env: environment}
	p.launch()
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("parley %s: %v", p.args[0], err)
		}
		text, _ := p.log.now()
		if strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic") || t.Failed() {
			t.Errorf("parley %s said:\n%s", strings.Join(p.args, " "), tail(text))
		}
	})
	return p
}

func tail(text string) string {
	const most = 12_000
	return text[max(0, len(text)-most):]
}

func (p *process) launch() {
	p.t.Helper()
	p.log = &output{more: make(chan struct{})}
	p.cmd = exec.Command(binary(p.t), p.args...)
	p.cmd.Dir = testkit.Root()
	p.cmd.Env = p.env
	p.cmd.Stderr = p.log
	p.cmd.Stdout = p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		p.err = cmd.Wait()
		close(done)
	}(p.cmd, p.done)
}

// waitLog waits until the log matches and gives the submatches.
func (p *process) waitLog(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	timeout := time.After(gqlclient.Patience)
	for {
		text, more := p.log.now()
		if m := re.FindStringSubmatch(text); m != nil {
			return m
		}
		select {
		case <-more:
		case <-p.done:
			text, _ := p.log.now()
			p.t.Fatalf("parley %s ended (%v) before it said %q:\n%s", strings.Join(p.args, " "), p.err, pattern, tail(text))
		case <-timeout:
			p.t.Fatalf("parley %s did not say %q:\n%s", strings.Join(p.args, " "), pattern, tail(text))
		}
	}
}

// ready waits until an API process answers /readyz.
func (p *process) ready() *process {
	p.t.Helper()
	p.URL = p.waitLog(`msg="parley is ready" address=(http://\S+)`)[1]
	backoff := time.NewTimer(0)
	defer backoff.Stop()
	for wait, until := time.Millisecond, time.Now().Add(gqlclient.Patience); ; wait *= 2 {
		r, err := http.Get(p.URL + "/readyz")
		if err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return p
			}
		}
		if time.Now().After(until) {
			p.t.Fatalf("%s is not ready: %v", p.URL, err)
		}
		backoff.Reset(wait)
		<-backoff.C
	}
}

// kill ends the process by SIGKILL and returns when it is gone.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
	<-p.done
}

// restart launches the process again after its end, at the same address.
func (p *process) restart() {
	p.t.Helper()
	<-p.done
	if p.URL != "" {
		for i, arg := range p.args {
			if arg == "--listen" {
				p.args[i+1] = strings.TrimPrefix(p.URL, "http://")
			}
		}
	}
	p.launch()
}

// stop asks the process to end and reports an exit status that is not 0; a
// process that was killed before is fine.
func (p *process) stop() error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-time.After(gqlclient.Patience):
		return errors.Join(errors.New("it did not stop"), p.cmd.Process.Kill())
	}
}

// client gives a client of the process for nobody.
func (p *process) client() *gqlclient.Client { return &gqlclient.Client{URL: p.URL} }

// serve starts everything in one process on a fresh data folder.
func serve(t testing.TB, args ...string) *process {
	t.Helper()
	return start(t, env(t), serveArgs(t.TempDir(), args...)...).ready()
}

func serveArgs(data string, args ...string) []string {
	all := []string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--models", models(), "--log-level", "debug"}
	return append(all, args...)
}

func models() string { return filepath.Join(testkit.Root(), "models") }

// finish runs parley to its end and gives its exit status and output.
func finish(t testing.TB, environment []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	program := binary(t)
	ctx, cancel := context.WithTimeout(t.Context(), gqlclient.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = testkit.Root()
	cmd.Env = environment
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("parley %s did not end:\n%s", strings.Join(args, " "), tail(errs.String()))
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// deadPort gives an address where nothing listens.
func deadPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
