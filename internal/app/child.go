package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nuid"

	"parley/internal/config"
	"parley/internal/natsx"
)

// child keeps a worker in a process of its own: what goes wrong in native code takes
// that process down alone, and another one is started.
type child struct {
	program string
	// cfg is what the process shall have.
	cfg config.Config
	// lost is told the name of a worker that died.
	lost func(ctx context.Context, worker string) error
}

// steady is how long a process has to live to be one that works: the next one is
// started without a long pause.
const steady = time.Minute

// newChild makes the child of a process with its settings, on the NATS at url. It gets
// no secret but that address: a worker needs no database.
func newChild(cfg *config.Config, url string, lost func(context.Context, string) error) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program for the worker's process: %w", err)
	}
	c := &child{program: program, cfg: *cfg, lost: lost}
	c.cfg.NATSURL, c.cfg.StopWithStdin = url, "1"
	c.cfg.DatabaseURL, c.cfg.RedisURL, c.cfg.MediaURL, c.cfg.SigningKey = "", "", "", ""
	return c, nil
}

// Run keeps a process until ctx ends, and then returns when it has stopped. One that
// dies is followed by another, after a pause that grows while they don't live long.
func (c *child) Run(ctx context.Context) error {
	pause := natsx.Backoff{First: time.Second, Most: time.Minute}
	for ctx.Err() == nil {
		id, began := "child-"+nuid.Next()[14:], time.Now()
		c.died(ctx, id, c.one(ctx, id))
		if time.Since(began) >= steady {
			pause.Reset()
		}
		pause.Wait(ctx)
	}
	return nil
}

// died tells of the end of a process, unless it was told to stop.
func (c *child) died(ctx context.Context, id string, why error) {
	if ctx.Err() != nil {
		return
	}
	slog.Error("the worker's process ended, another one is started", "worker", id, "error", why)
	if err := c.lost(ctx, id); err != nil && ctx.Err() == nil {
		slog.Warn("the work of a dead worker waits until it is found lost", "worker", id, "error", err)
	}
}

// one starts a process and returns when it has ended. When ctx ends it is told by the
// end of its input, which it also sees when this process is killed.
func (c *child) one(ctx context.Context, id string) error {
	cfg := c.cfg
	cfg.WorkerID = id
	cmd := exec.Command(c.program, "worker") //nolint:gosec // this program
	cmd.Env = append(foreign(os.Environ()), cfg.Environ()...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	slog.Info("the worker's process was started", "worker", id, "pid", cmd.Process.Pid)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return orExit(err)
	case <-ctx.Done():
	}
	return stopChild(cmd, input, ended, c.cfg.Grace*3/4)
}

// stopChild tells a process to stop and kills it when it does not.
func stopChild(cmd *exec.Cmd, input io.Closer, ended <-chan error, grace time.Duration) error {
	_ = input.Close()
	limit := time.NewTimer(grace)
	defer limit.Stop()
	select {
	case err := <-ended:
		return err
	case <-limit.C:
		slog.Warn("the worker's process does not stop, it is killed")
		_ = cmd.Process.Kill()
		return <-ended
	}
}

// orExit says that a process ended by itself, which is no success.
func orExit(err error) error {
	if err == nil {
		return errors.New("it ended although nobody stopped it")
	}
	return err
}

// foreign are the variables that are no settings.
func foreign(all []string) []string {
	own := []string{"PARLEY_CONFIG"}
	for _, s := range config.Settings() {
		own = append(own, s.Env)
	}
	return slices.DeleteFunc(slices.Clone(all), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(own, name)
	})
}
