// Command worker measures the models of parley against other systems that run the same
// files: transformers.js, hugot and the Rust tokenizers.
//
//	worker [-quick] [-only NAMES] [-threads N] [-write FILE] [-profile DIR]
//
// In every round each system does the same work, one after the other, and the others
// idle; a figure is the median over the rounds, a ratio the median of the rounds' ratios.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"parley/bench/paper"
	"parley/internal/testkit"
	"parley/worker/onnx"
)

// options are the command line, and where things are.
type options struct {
	quick bool
	only  string
	write string
	// profile is a folder for CPU profiles of parley's part, "" for none.
	profile string
	threads int
	// root is the repository, cache holds what is made for the measurement, node the
	// scripts of transformers.js.
	root, cache, node string
	// binary is the parley whose memory is measured.
	binary string
}

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

// shared is a folder of the shared test models, "" where they are not there.
func (o options) shared(elem ...string) string {
	path := filepath.Join(append([]string{o.root, "..", "shared", "models"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := measure(ctx, os.Args[1:])
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
	root := testkit.Root()
	o := options{root: root, cache: filepath.Join(root, ".cache", "bench-worker"), node: filepath.Join(root, "bench", "worker", "js")}
	flags := flag.NewFlagSet("bench/worker", flag.ContinueOnError)
	flags.BoolVar(&o.quick, "quick", false, "fewer rounds and sizes, about six minutes in all; the figures are rough")
	flags.StringVar(&o.only, "only", "", "some measurements, joined by commas: "+strings.Join(names(), ", "))
	flags.StringVar(&o.write, "write", "", "write the results into this Markdown file, as a section of it; without it they are only printed")
	flags.StringVar(&o.profile, "profile", "", "keep a CPU profile of parley's part of each measurement in this folder")
	flags.IntVar(&o.threads, "threads", 2, "how many threads a run of a model may use")
	flags.StringVar(&o.binary, "parley", filepath.Join(root, "bin", "parley"), "the parley whose memory is measured")
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
	return o, os.MkdirAll(o.cache, 0o750)
}

// measurement is one part of the report.
type measurement struct {
	name, title string
	measure     func(ctx context.Context, o options, r *report) error
}

var measurements = []measurement{
	{"write", "a language model of a hundred million parameters", measureWriting},
	{"translate", "translations", measureTranslation},
	{"embed", "vectors of texts", measureEmbedding},
	{"tokenize", "tokenizers", measureTokenizers},
	{"mixed", "first tokens and cancelling under mixed load", measureMixed},
	{"draw", "pictures", measurePictures},
	{"memory", "memory of parley serve", measureMemory},
}

func names() []string {
	var all []string
	for _, m := range measurements {
		all = append(all, m.name)
	}
	return all
}

// measure measures what was asked for. What fails is told and does not keep the rest
// from being measured.
func measure(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if err := onnx.Start(""); err != nil {
		return err
	}
	r := &report{o: o, args: args, machine: paper.Machine(), commit: paper.Commit(o.root), started: time.Now(), load: paper.LoadAverage(), versions: map[string]string{}}
	fmt.Println(r.machine)
	var failures []error
	for _, m := range measurements {
		if !o.wants(m.name) {
			continue
		}
		begun := time.Now()
		fmt.Printf("\n==> %s\n", m.title)
		if err := profiled(o, m.name, func() error { return m.measure(ctx, o, r) }); err != nil {
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			failures = append(failures, fmt.Errorf("%s: %w", m.name, err))
			fmt.Fprintln(os.Stderr, "FAILED:", err)
		}
		fmt.Printf("%s took %s\n", m.name, time.Since(begun).Round(time.Second))
	}
	r.took, r.loadAfter = time.Since(r.started), paper.LoadAverage()
	if o.write != "" && len(failures) == 0 {
		if err := paper.WriteSection(o.write, "make bench-worker", r.markdown()); err != nil {
			return err
		}
		fmt.Println("\nwritten to", o.write)
	} else {
		fmt.Println("\n" + r.markdown())
	}
	return errors.Join(failures...)
}

// profiled keeps a profile of this process, which has parley's part alone: other systems
// run in processes of their own.
func profiled(o options, name string, work func() error) error {
	if o.profile == "" {
		return work()
	}
	if err := os.MkdirAll(o.profile, 0o750); err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(o.profile, name+".cpu.pb.gz")) //nolint:gosec // the command line names the folder
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(out); err != nil {
		return errors.Join(err, out.Close())
	}
	err = work()
	pprof.StopCPUProfile()
	return errors.Join(err, out.Close())
}
