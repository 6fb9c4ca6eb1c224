package private

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// guardScript runs one server and outlives its owner. It waits on its standard
// input: the word "keep" or the end of the stream (the owner stopped it, or
// died, by whatever signal) stops the server, and without "keep" the server's
// folder goes too. Descriptor 3 reports the server's pid; descriptor 4 is held
// by the server alone, so that its reader sees the server's end.
const guardScript = `signal=$1; dir=$2; shift 2
"$@" </dev/null 3>&- &
pid=$!
echo "$pid" >&3
exec 3>&- 4>&-
read -r word || word=gone
kill -s "$signal" "$pid" 2>/dev/null
wait "$pid"
[ "$word" = keep ] || rm -rf "$dir"
`

// guard is the running shell around one server process.
type guard struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	pid    int
	done   chan struct{} // closed when the server process has ended
	exited chan struct{} // closed when the shell itself has ended
}

// spec says what a guard runs.
type spec struct {
	dir    string   // working folder, removed at the end
	log    string   // file that takes the server's output
	signal string   // how the server is told to stop: TERM, QUIT
	env    []string // added to this process's environment
	args   []string // program and arguments
	owner  *syscall.Credential
}

func startGuard(s spec) (*guard, error) {
	output, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the server's log: %w", err)
	}
	defer output.Close()
	pidReader, pidWriter, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer pidReader.Close()
	aliveReader, aliveWriter, err := os.Pipe()
	if err != nil {
		pidWriter.Close()
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", guardScript, "guard", s.signal, s.dir}, s.args...)...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.ExtraFiles = []*os.File{pidWriter, aliveWriter}
	// Its own process group: Ctrl-C reaches the owner only, who then ends and
	// thereby closes the pipe.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.owner}
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	pidWriter.Close()
	aliveWriter.Close()
	if err != nil {
		aliveReader.Close()
		return nil, fmt.Errorf("start %s: %w", filepath.Base(s.args[0]), err)
	}
	g := &guard{cmd: cmd, stdin: stdin, done: make(chan struct{}), exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(g.exited)
	}()
	go func() {
		defer aliveReader.Close()
		_, _ = io.Copy(io.Discard, aliveReader)
		close(g.done)
	}()
	line, err := bufio.NewReader(pidReader).ReadString('\n')
	if err == nil {
		g.pid, err = strconv.Atoi(strings.TrimSpace(line))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the pid of %s: %w", filepath.Base(s.args[0]), err), g.end(false))
	}
	return g, nil
}

// kill ends the server at once, as a crash would, and waits until it is gone.
func (g *guard) kill() error {
	if err := syscall.Kill(g.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill process %d: %w", g.pid, err)
	}
	return await(g.done, "the killed server")
}

// end stops the server and its guard; with keep, the server's folder stays.
func (g *guard) end(keep bool) error {
	if keep {
		// A failed write means that the shell has gone already.
		_, _ = io.WriteString(g.stdin, "keep\n")
	}
	_ = g.stdin.Close()
	select {
	case <-g.exited:
		return nil
	case <-time.After(stopGrace):
	}
	if g.pid > 0 { // 0 would mean this process's own group
		_ = syscall.Kill(g.pid, syscall.SIGKILL)
	}
	return await(g.exited, "the server's guard")
}

// stopGrace is how long a server may take to stop before it is killed.
const stopGrace = 10 * time.Second

func await(ended <-chan struct{}, what string) error {
	select {
	case <-ended:
		return nil
	case <-time.After(stopGrace):
		return fmt.Errorf("%s did not end within %s", what, stopGrace)
	}
}
