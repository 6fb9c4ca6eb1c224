// Command bench measures the speed of parley: rates of GraphQL over HTTP with
// real tokens, the way of a job to its push, what an idle subscription costs,
// translated tokens, start-up time and size.
//
//	bench [-quick] [-only NAMES] [-write FILE] [-profile DIR]
//
// It runs beside what it measures, on the same cores. Everything runs on a
// fresh data folder; a figure is the median of its runs after a warm-up.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"parley/bench/paper"
	"parley/internal/testkit"
)

// options are the command line.
type options struct {
	quick   bool
	only    string
	write   string
	profile string
	// binary is the parley that is measured.
	binary string
	root   string
}

// wants tells whether a measurement was asked for.
func (o options) wants(name string) bool {
	return o.only == "" || slices.Contains(strings.Split(o.only, ","), name)
}

// pick gives the full or the quick value.
func pick[T any](o options, full, quick T) T {
	if o.quick {
		return quick
	}
	return full
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if len(os.Args) > 1 && os.Args[1] == engineCommand {
		err = runEngine(ctx, os.Args[2:])
	} else {
		err = run(ctx, os.Args[1:])
	}
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	o := options{root: testkit.Root()}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.BoolVar(&o.quick, "quick", false, "shorter runs, under two minutes in all; the figures are rough")
	flags.StringVar(&o.only, "only", "", "some measurements, joined by commas: "+strings.Join(names(), ", "))
	flags.StringVar(&o.write, "write", "", "write the results to this Markdown file; without it they are only printed")
	flags.StringVar(&o.profile, "profile", "", "keep profiles of CPU, heap, blocking and mutexes in this folder")
	flags.StringVar(&o.binary, "parley", o.root+"/bin/parley", "the parley to measure")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	for _, name := range strings.Split(o.only, ",") {
		if name != "" && !slices.Contains(names(), name) {
			return o, fmt.Errorf("there is no measurement %q, only %s", name, strings.Join(names(), ", "))
		}
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is not understood", flags.Arg(0))
	}
	if _, err := os.Stat(o.binary); err != nil {
		return o, fmt.Errorf("there is no parley to measure, run `make build` first: %w", err)
	}
	if o.profile != "" {
		return o, os.MkdirAll(o.profile, 0o750)
	}
	return o, nil
}

// run measures what was asked for. What fails is told and does not keep the
// rest from being measured.
func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	r := newReport(o, args)
	fmt.Println(r.machine)
	var failures []error
	for _, m := range measurements {
		if !o.wants(m.name) {
			continue
		}
		fmt.Printf("\n==> %s\n", m.title)
		if err := m.measure(ctx, o, r); err != nil {
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			failures = append(failures, fmt.Errorf("%s: %w", m.name, err))
			fmt.Fprintln(os.Stderr, "FAILED:", err)
		}
	}
	r.took = time.Since(r.started)
	if o.write != "" && len(failures) == 0 {
		// What `make bench-worker` wrote there stays.
		if err := paper.WriteAround(o.write, "make bench-worker", r.markdown()); err != nil {
			return err
		}
		fmt.Println("\nwritten to", o.write)
	} else {
		fmt.Println("\n" + r.markdown())
	}
	return errors.Join(failures...)
}

// measurement is one part of the report.
type measurement struct {
	name, title string
	measure     func(ctx context.Context, o options, r *report) error
}

var measurements = []measurement{
	{"start", "start-up and size", measureStart},
	{"notes", "notes over HTTP, embedded", measureNotes},
	{"jobs", "no-op jobs from mutation to push, embedded", measureJobs},
	{"push", "pushes to thousands of subscribers", measurePush},
	{"idle", "idle subscriptions", measureIdle},
	{"tokens", "translated tokens", measureTokens},
	{"external", "notes and jobs on PostgreSQL, Redis and NATS", measureExternal},
	{"practice", "learners' errors and exercises on PostgreSQL", onPostgres(measurePractice)},
	{"dialogs", "dialogs on PostgreSQL", onPostgres(measureDialogs)},
	{"content", "content requests, and how soon something of them is seen", measureContent},
	{"feed", "home feeds on PostgreSQL", onPostgres(measureFeed, noModels)},
	{"stickers", "searches, feedback and analytics on PostgreSQL", measureStickers},
}

func names() []string {
	var all []string
	for _, m := range measurements {
		all = append(all, m.name)
	}
	return all
}
