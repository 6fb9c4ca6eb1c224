package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/bench/paper"
	"parley/worker/bundle"
	"parley/worker/pipeline"
	"parley/worker/pipeline/draw"
)

// pictureRow is pictures of one size; a unit is a picture.
type pictureRow struct {
	side, steps int
	series      series
}

// measurePictures draws with the small latent consistency model. transformers.js draws
// nothing of the kind, so that there is no other column.
func measurePictures(ctx context.Context, o options, r *report) (err error) {
	path := o.shared("random", "lcm-random")
	if path == "" {
		r.lacks("pictures: the shared test models are not here")
		return nil
	}
	b, err := bundle.Open(path)
	if err != nil {
		return err
	}
	painter, err := draw.Open(ctx, b, pipeline.Options{Threads: o.threads})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- painter.Run(running) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended, painter.Close())
	}()
	for _, side := range []int{128, 256} {
		row := &pictureRow{side: side, steps: 4, series: series{system: parley}}
		for round := -1; round < pick(o, 5, 3); round++ {
			begun, cpu := time.Now(), paper.OwnCPU()
			got := run{units: pick(o, 4, 2)}
			for i := range got.units {
				if _, err := painter.Draw(ctx, draw.Job{Prompt: "a cat", Width: side, Height: side, Steps: row.steps, Seed: uint64(i)}, nil); err != nil { //nolint:gosec // a small number
					return err
				}
			}
			got.took, got.cpu = time.Since(begun), paper.OwnCPU()-cpu
			if round >= 0 {
				row.series.runs = append(row.series.runs, got)
			}
		}
		r.pictures = append(r.pictures, row)
		fmt.Printf("%d x %d, %d steps: %.0f pictures a minute, CPU ms a picture %.0f\n", side, side, row.steps, 60*row.series.median(run.rate), row.series.median(run.each))
	}
	return nil
}
