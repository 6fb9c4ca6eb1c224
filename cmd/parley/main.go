// Command parley is the whole of parley in one binary: `parley serve` runs
// everything in one process; `parley api` and `parley worker` run as many
// processes as wanted on Postgres, NATS and Redis.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
)

// version is set by the linker.
var version = "unknown"

// errReported ends the program with status 1 where the output said why.
var errReported = errors.New("reported")

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	if os.Getenv("GOGC") == "" {
		// The live heap is small, so the collector would run all the time.
		debug.SetGCPercent(300)
	}
	err := command().ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case !errors.Is(err, errReported):
		fmt.Fprintln(os.Stderr, "parley: "+sentence(err))
	}
	return 1
}

// sentence gives an error on one line, whatever was joined or wrapped in it.
func sentence(err error) string {
	var parts []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(parts, line) {
			parts = append(parts, line)
		}
	}
	return strings.Join(parts, "; ")
}
