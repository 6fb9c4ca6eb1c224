package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"parley/internal/app"
	"parley/internal/config"
	"parley/internal/jobspec"
	"parley/worker"
)

// engineCommand makes bench the process that is measured: all of `parley
// serve` with a worker that has no model, and with profiles. It is not for
// users, so parley itself has no such mode.
const engineCommand = "engine"

// envProfiled turns on the profiles of blocking and mutexes, which cost time.
const envProfiled = "PARLEY_BENCH_PROFILED"

// envModels makes the engine use the models of the settings instead of the
// no-op worker.
const envModels = "PARLEY_BENCH_MODELS"

// runEngine takes pairs of --setting and value, and prints the address of its
// debug pages before anything else.
func runEngine(ctx context.Context, args []string) error {
	flags := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		flags[args[i][2:]] = args[i+1]
	}
	cfg, err := config.Load(flags, os.Getenv, "")
	if err != nil {
		return err
	}
	if os.Getenv(envProfiled) != "" {
		runtime.SetBlockProfileRate(10_000)
		runtime.SetMutexProfileFraction(10)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	debugging := &http.Server{Handler: debugPages(), ReadHeaderTimeout: time.Second}
	go func() {
		if err := debugging.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "profiles:", err)
		}
	}()
	defer func() { _ = debugging.Close() }()
	fmt.Println(listener.Addr())
	options := app.Options{Version: "bench", Handlers: []worker.Handler{worker.NewNoop("noop", noopDirections()), teller{}}}
	if os.Getenv(envModels) != "" {
		options.Handlers = nil
	}
	return app.RunAPI(ctx, cfg, app.Serve, options)
}

func noopDirections() []jobspec.Direction { return []jobspec.Direction{{Source: "en", Target: "es"}} }

func debugPages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/free", func(w http.ResponseWriter, _ *http.Request) {
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Fprintf(w, "%d %d %d\n", m.HeapAlloc, m.StackInuse, runtime.NumGoroutine())
	})
	return mux
}
