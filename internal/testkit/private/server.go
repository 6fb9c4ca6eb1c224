package private

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Server is one private server process. Its URL stays the same over Kill and
// Restart. Methods may be called from several goroutines.
type Server struct {
	// URL is where clients connect, credentials included.
	URL string

	name  string
	spec  spec
	ready func(context.Context) error
	mu    sync.Mutex
	guard *guard
}

// startTimeout bounds how long a server may take until it answers.
const startTimeout = 60 * time.Second

// start runs the process and waits until ready says so.
func (s *Server) start(ctx context.Context) error {
	g, err := startGuard(s.spec)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		try, stop := context.WithTimeout(ctx, 2*time.Second)
		err = s.ready(try)
		stop()
		if err == nil {
			s.guard = g
			return nil
		}
		select {
		case <-poll.C:
		case <-g.done:
			return errors.Join(fmt.Errorf("%s ended while starting; its log says:\n%s", s.name, s.Log()), g.end(true))
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s does not answer: %w; its log says:\n%s", s.name, err, s.Log()), g.end(true))
		}
	}
}

// Pid is the server's process id, 0 when it does not run.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guard == nil {
		return 0
	}
	return s.guard.pid
}

// Dir is the server's folder, removed when it stops.
func (s *Server) Dir() string { return s.spec.dir }

// Kill ends the process by SIGKILL, as a crash would, and returns when it is
// gone. Its data stays. Killing a server that does not run does nothing.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guard == nil {
		return nil
	}
	err := errors.Join(s.guard.kill(), s.guard.end(true))
	s.guard = nil
	return err
}

// Restart starts the server again on the same port and data, after stopping it
// where it still runs. It returns when the server answers.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guard != nil {
		err := s.guard.end(true)
		s.guard = nil
		if err != nil {
			return err
		}
	}
	return s.start(ctx)
}

// Stop ends the server and removes its data. A second Stop does nothing.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.guard != nil {
		err = s.guard.end(false)
		s.guard = nil
	}
	return errors.Join(err, os.RemoveAll(s.spec.dir))
}

// Log gives the last 4 KiB of what the server printed.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.spec.log)
	if err != nil {
		return err.Error()
	}
	if len(text) > 4096 {
		text = text[len(text)-4096:]
	}
	return strings.TrimSpace(string(text))
}

// launch makes a server on a free port, with a few tries because another
// process may take the port between choosing and binding it.
func launch(ctx context.Context, make func(port int) (*Server, error)) (*Server, error) {
	var failures []error
	for range 3 {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s, err := make(port)
		if err != nil {
			return nil, err
		}
		if err = s.start(ctx); err == nil {
			return s, nil
		}
		failures = append(failures, err, s.Stop())
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failures...)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// newDir makes a server's folder below the temporary folder.
func newDir(name string) (string, error) {
	dir, err := os.MkdirTemp("", "parley-"+name+"-")
	if err != nil {
		return "", fmt.Errorf("make a folder for %s: %w", name, err)
	}
	return dir, nil
}

// Missing reports that a server's program is not on this machine.
type Missing struct {
	// Program is what was looked for, Advice how to get it.
	Program, Advice string
}

// Error names the program and how to get it.
func (m *Missing) Error() string { return fmt.Sprintf("%s was not found: %s", m.Program, m.Advice) }

// newest gives the last match of a pattern when its matches are ordered by the
// number in them, or "" for none.
func newest(pattern string) string {
	matches, err := filepath.Glob(pattern)
	if err != nil {
		return ""
	}
	best, bestNumber := "", -1
	for _, m := range matches {
		number := 0
		for _, part := range strings.Split(m, string(filepath.Separator)) {
			if n := leadingNumber(part); n > 0 {
				number = n
			}
		}
		if number > bestNumber {
			best, bestNumber = m, number
		}
	}
	return best
}

func leadingNumber(s string) int {
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}
