package process

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/testkit"
)

// Process is a running parley.
type Process struct {
	// URL is where it answers, empty for a worker and before Ready.
	URL string
	// Env is its environment, Args are its arguments.
	Env, Args []string

	t       testing.TB
	program string
	cmd     *exec.Cmd
	log     *output
	// done is closed when the process has ended, with err from Wait.
	done chan struct{}
	err  error
}

// Start runs parley with the arguments; it ends with the test, which fails when
// it does not end well.
func Start(t testing.TB, environment []string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, Args: args, Env: environment, program: Binary(t)}
	require.NoError(t, p.launch())
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Errorf("parley %s: %v", p.Args[0], err)
		}
		p.complain(t.Failed())
	})
	return p
}

// complain fails the test when the process said that something is broken in it.
func (p *Process) complain(always bool) {
	text, _ := p.log.now()
	assert.True(p.t, !strings.Contains(text, "DATA RACE") && !strings.Contains(text, "panic") && !always,
		"parley %s said:\n%s", strings.Join(p.Args, " "), tail(text))
}

func (p *Process) launch() error {
	p.log = newOutput()
	cmd := exec.Command(p.program, p.Args...)
	cmd.Dir = testkit.Root()
	cmd.Env = p.Env
	cmd.Stderr = p.log
	cmd.Stdout = p.log
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() {
		p.err = cmd.Wait()
		close(done)
	}()
	return nil
}

// WaitLog waits until the log matches and gives the submatches.
func (p *Process) WaitLog(pattern string) []string {
	p.t.Helper()
	m, err := p.await(pattern)
	require.NoError(p.t, err)
	return m
}

func (p *Process) await(pattern string) ([]string, error) {
	re := regexp.MustCompile(pattern)
	timeout := time.After(gqlclient.Patience)
	for {
		text, more := p.log.now()
		if m := re.FindStringSubmatch(text); m != nil {
			return m, nil
		}
		select {
		case <-more:
		case <-p.done:
			text, _ := p.log.now()
			return nil, fmt.Errorf("parley %s ended (%w) before it said %q:\n%s", strings.Join(p.Args, " "), p.err, pattern, tail(text))
		case <-timeout:
			return nil, fmt.Errorf("parley %s did not say %q:\n%s", strings.Join(p.Args, " "), pattern, tail(text))
		}
	}
}

// Ready waits until an API process answers /readyz.
func (p *Process) Ready() *Process {
	p.t.Helper()
	require.NoError(p.t, p.awaitReady())
	return p
}

func (p *Process) awaitReady() error {
	m, err := p.await(`msg="parley is ready" address=(http://\S+)`)
	if err != nil {
		return err
	}
	p.URL = m[1]
	backoff := time.NewTimer(0)
	defer backoff.Stop()
	for wait, until := time.Millisecond, time.Now().Add(gqlclient.Patience); ; wait = min(2*wait, time.Second) {
		r, err := http.Get(p.URL + "/readyz")
		if err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("status %d", r.StatusCode)
		}
		if time.Now().After(until) {
			return fmt.Errorf("%s is not ready: %w", p.URL, err)
		}
		backoff.Reset(wait)
		<-backoff.C
	}
}

// Kill ends the process by SIGKILL and returns when it is gone.
func (p *Process) Kill() {
	p.t.Helper()
	require.NoError(p.t, p.End(syscall.SIGKILL))
}

// End sends a signal and returns when the process is gone, with an error when
// that takes too long. Its exit status is no error.
func (p *Process) End(signal os.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(gqlclient.Patience):
		text, _ := p.log.now()
		return errors.Join(fmt.Errorf("it did not end after the signal %v:\n%s", signal, tail(text)), p.cmd.Process.Kill())
	}
}

// Err tells how the process ended, nil for status 0; it must have ended.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Restart launches the process again after its end, at the same address.
func (p *Process) Restart() {
	p.t.Helper()
	require.NoError(p.t, p.relaunch())
}

// Revive launches an API process again after its end, at the same address, and
// returns when it is ready. It may be called on any goroutine.
func (p *Process) Revive() error {
	if err := p.relaunch(); err != nil {
		return err
	}
	return p.awaitReady()
}

func (p *Process) relaunch() error {
	<-p.done
	p.complain(false)
	if p.URL != "" {
		for i, arg := range p.Args {
			if arg == "--listen" {
				p.Args[i+1] = strings.TrimPrefix(p.URL, "http://")
			}
		}
	}
	return p.launch()
}

// Stop asks the process to end and reports an exit status that is not 0; a
// process that was killed before is fine.
func (p *Process) Stop() error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.End(syscall.SIGTERM); err != nil {
		return err
	}
	return p.err
}

// Client gives a client of the process for nobody.
func (p *Process) Client() *gqlclient.Client { return &gqlclient.Client{URL: p.URL} }
