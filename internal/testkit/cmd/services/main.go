// Command services runs a command beside one private PostgreSQL and one
// private Redis, which the tests of all packages then share:
//
//	services go test ./...
//
// Its exit status is the command's. The servers end with it, however it ends.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"parley/internal/testkit"
	"parley/internal/testkit/private"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: services COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "services: %v\n", err)
	}
	os.Exit(code)
}

func run(ctx context.Context, args []string) (code int, err error) {
	started := time.Now()
	kinds := []struct {
		name, variable string
		start          func(context.Context, string) (*private.Server, error)
	}{
		{"PostgreSQL", testkit.EnvPostgres, private.StartPostgres},
		{"Redis", testkit.EnvRedis, private.StartRedis},
	}
	environment := os.Environ()
	for _, kind := range kinds {
		server, startErr := kind.start(ctx, testkit.Root())
		if startErr != nil {
			return 1, fmt.Errorf("start a private %s: %w", kind.name, startErr)
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		environment = append(environment, kind.variable+"="+server.URL)
	}
	fmt.Fprintf(os.Stderr, "private PostgreSQL and Redis are up (%.1f s)\n", time.Since(started).Seconds())
	return command(ctx, args, environment)
}

// command runs the command to its end; when ctx ends first it is asked to stop
// and killed where it does not.
func command(ctx context.Context, args, environment []string) (code int, err error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = environment
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	if ctx.Err() != nil {
		return 130, fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode(), nil
	case err != nil:
		return 1, fmt.Errorf("run %s: %w", args[0], err)
	}
	return 0, nil
}
