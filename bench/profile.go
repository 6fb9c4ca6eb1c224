package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// profiling takes profiles of the engine while a measurement runs, where the
// options ask for it. What it gives ends the measurement.
func (o options) profiling(ctx context.Context, p *process, name string) (stop func()) {
	if o.profile == "" || p.debug == "" {
		return func() {}
	}
	name = strings.NewReplacer(" ", "-", ",", "", "/", "-").Replace(name)
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.keep(ctx, p, name+".cpu", "/debug/pprof/profile?seconds=5")
	}()
	return func() {
		<-done
		for _, kind := range []string{"allocs", "heap", "mutex", "block", "goroutine"} {
			o.keep(ctx, p, name+"."+kind, "/debug/pprof/"+kind)
		}
	}
}

func (o options) keep(ctx context.Context, p *process, name, path string) {
	data, err := p.get(ctx, path)
	if err == nil {
		err = os.WriteFile(filepath.Join(o.profile, name+".pb.gz"), data, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "no profile:", err)
	}
}
