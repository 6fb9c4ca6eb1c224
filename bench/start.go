package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// measureStart measures from the start of the binary until /readyz answers,
// models loaded, with a fresh data folder and with a used one; and its size.
func measureStart(ctx context.Context, o options, r *report) error {
	info, err := os.Stat(o.binary)
	if err != nil {
		return err
	}
	r.binary = info.Size()
	runs := pick(o, 7, 3)
	for range runs {
		fresh, again, resident, err := startTwice(ctx, o)
		if err != nil {
			return err
		}
		r.startFresh = append(r.startFresh, fresh)
		r.startAgain = append(r.startAgain, again)
		r.startMemory = append(r.startMemory, resident)
	}
	slices.Sort(r.startFresh)
	slices.Sort(r.startAgain)
	slices.Sort(r.startMemory)
	fmt.Printf("ready after %v (fresh), %v (again); %.1f MiB; binary %.1f MiB\n",
		r.startFresh[runs/2].Round(time.Millisecond), r.startAgain[runs/2].Round(time.Millisecond), mib(r.startMemory[runs/2]), mib(r.binary))
	return nil
}

func startTwice(ctx context.Context, o options) (fresh, again time.Duration, resident int64, err error) {
	data, err := os.MkdirTemp("", "parley-bench-")
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	for _, took := range []*time.Duration{&fresh, &again} {
		p, t, err := start(ctx, o, launch{data: data})
		if err != nil {
			return 0, 0, 0, err
		}
		*took = t
		resident = p.resident()
		if err := p.stop(); err != nil {
			return 0, 0, 0, err
		}
	}
	return fresh, again, resident, nil
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
