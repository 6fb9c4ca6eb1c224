package fault

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"parley/internal/testkit"
)

// listener is a client in a process of its own: events.mjs of a folder of
// clients/.
type listener struct {
	*record
	t    testing.TB
	dir  string
	args []string
	env  []string

	mu      sync.Mutex
	cmd     *exec.Cmd
	stderr  bytes.Buffer
	stopped bool
	done    chan struct{}
}

// listen starts the client of a folder on a server as the viewer of a token;
// it ends with the test.
func listen(t testing.TB, name, dir, server, token string, args ...string) *listener {
	t.Helper()
	program, err := exec.LookPath("node")
	if err != nil {
		testkit.Missing(t, "node: install Node.js")
	}
	at := filepath.Join(testkit.Root(), "clients", dir)
	if _, err := os.Stat(filepath.Join(at, "node_modules")); err != nil {
		testkit.Missing(t, "the npm packages of clients/%s: run `make test-deps`", dir)
	}
	l := &listener{record: newRecord(name), t: t, dir: at, args: append([]string{program, "events.mjs", server}, args...), env: append(os.Environ(), "TOKEN="+token)}
	l.start()
	t.Cleanup(l.kill)
	return l
}

// start runs the client's process.
func (l *listener) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	cmd := exec.Command(l.args[0], l.args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stderr = l.dir, l.env, &l.stderr
	output, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		l.problem("start the client: %v", err)
		return
	}
	l.cmd, l.stopped, l.done = cmd, false, make(chan struct{})
	go l.follow(cmd, bufio.NewScanner(output), l.done)
}

// line is what a client prints.
type line struct {
	Event     json.RawMessage
	Connected bool
	Closed    int
	Error     string
}

func (l *listener) follow(cmd *exec.Cmd, lines *bufio.Scanner, done chan struct{}) {
	defer close(done)
	for lines.Scan() {
		var said line
		switch err := json.Unmarshal(lines.Bytes(), &said); {
		case err != nil:
			l.cut(lines.Bytes())
		case said.Error != "":
			l.problem("the client gave up: %s", said.Error)
		case said.Connected:
			l.connected()
		case said.Closed != 0:
			l.closed(said.Closed)
		case said.Event != nil:
			l.add(said.Event)
		}
	}
	err := cmd.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped {
		l.problem("the client ended: %v\n%s", err, l.stderr.String())
	}
}

// cut takes a line that is no JSON: the last one of a process that was killed
// while it wrote.
func (l *listener) cut(text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped {
		l.problem("the client printed %q", text)
	}
}

// kill ends the process by SIGKILL and returns when all that it had printed is
// read.
func (l *listener) kill() {
	l.mu.Lock()
	l.stopped = true
	done := l.done
	if l.cmd != nil {
		_ = l.cmd.Process.Kill()
	}
	l.mu.Unlock()
	if done != nil {
		<-done
	}
}
