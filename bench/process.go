package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server that is measured, with a data folder of its own.
type process struct {
	cmd    *exec.Cmd
	addr   string
	debug  string
	log    bytes.Buffer
	data   string
	ended  chan error
	cancel context.CancelFunc
}

// launch says how a process is started.
type launch struct {
	// engine is bench's own server, with a no-op worker unless models is set.
	engine, models bool
	// demo fills it with the demo set.
	demo bool
	// folder is the models folder; empty means that of the repository.
	folder string
	// data is the data folder; empty means a fresh one, removed at the end.
	data string
	env  []string
}

// start starts the server and returns once /readyz answers, with the time that
// it took.
func start(ctx context.Context, o options, l launch) (*process, time.Duration, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, 0, err
	}
	p := &process{addr: port, ended: make(chan error, 1)}
	data := l.data
	if data == "" {
		if data, err = os.MkdirTemp("", "parley-bench-"); err != nil {
			return nil, 0, err
		}
		p.data = data
	}
	ctx, p.cancel = context.WithCancel(ctx)
	arguments := []string{"--listen", p.addr, "--data", data, "--models", cmp.Or(l.folder, filepath.Join(o.root, "models")), "--log-level", "warn", "--demo", map[bool]string{false: "off", true: "on"}[l.demo]}
	if l.engine {
		self, err := os.Executable()
		if err != nil {
			return nil, 0, err
		}
		p.cmd = exec.CommandContext(ctx, self, append([]string{engineCommand}, arguments...)...)
	} else {
		p.cmd = exec.CommandContext(ctx, o.binary, append([]string{"serve"}, arguments...)...)
	}
	p.cmd.Dir, p.cmd.Stderr = o.root, &p.log
	p.cmd.Env = append(withoutSettings(os.Environ()), l.env...)
	if o.profile != "" {
		p.cmd.Env = append(p.cmd.Env, envProfiled+"=1")
	}
	if l.models {
		p.cmd.Env = append(p.cmd.Env, envModels+"=1")
	}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 20 * time.Second
	took, err := p.run(ctx, l.engine)
	if err != nil {
		return nil, 0, errors.Join(err, p.stop())
	}
	return p, took, nil
}

// run starts the command and waits until it is ready.
func (p *process) run(ctx context.Context, engine bool) (time.Duration, error) {
	var out io.ReadCloser
	if engine {
		var err error
		if out, err = p.cmd.StdoutPipe(); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		p.ended <- err
		return 0, err
	}
	if engine {
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			return 0, fmt.Errorf("the server ended: %w: %s", p.cmd.Wait(), p.log.String())
		}
		p.debug = strings.TrimSpace(line)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	for {
		if p.ready(ctx) {
			return time.Since(began), nil
		}
		select {
		case err := <-p.ended:
			p.ended <- err
			return 0, fmt.Errorf("the server ended: %w: %s", err, p.log.String())
		case <-time.After(time.Millisecond):
		}
		if time.Since(began) > time.Minute {
			return 0, fmt.Errorf("the server is not ready after a minute: %s", p.log.String())
		}
	}
}

func (p *process) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// stop ends the server by SIGTERM and removes its data.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	p.cancel()
	err := <-p.ended
	p.ended <- nil
	if p.data != "" {
		err = errors.Join(err, os.RemoveAll(p.data))
	}
	var exit *exec.ExitError
	if errors.Is(err, context.Canceled) || errors.As(err, &exit) && exit.ExitCode() <= 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop the server: %w: %s", err, p.log.String())
	}
	return nil
}

// withoutSettings keeps a developer's settings out of the measurement.
func withoutSettings(env []string) []string {
	var kept []string
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "DATABASE_URL", "NATS_URL", "REDIS_URL", "MEDIA_URL", "AUTO_MIGRATE":
			continue
		}
		if strings.HasPrefix(name, "PARLEY_") {
			continue
		}
		kept = append(kept, v)
	}
	return kept
}

func freePort(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// get reads a page of the engine's debug server.
func (p *process) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.debug+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// cpu is the time that the process has spent on all cores, user and system.
func (p *process) cpu() time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// The name in brackets may hold spaces; utime and stime are fields 14 and 15.
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick
}

// tick is USER_HZ, which is 100 on every Linux that Go runs on.
const tick = time.Second / 100

// machineCPU is the time that all cores have worked, 0 where the system does
// not tell.
func machineCPU() time.Duration {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(data), "\n")
	var busy int64
	// cpu user nice system idle iowait irq softirq steal ...
	for i, field := range strings.Fields(first) {
		if i == 0 || i == 4 || i == 5 || i > 7 {
			continue
		}
		n, _ := strconv.ParseInt(field, 10, 64)
		busy += n
	}
	return time.Duration(busy) * tick
}

// resident is the process's memory in bytes.
func (p *process) resident() int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
