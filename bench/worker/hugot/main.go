// Command hugot embeds texts with github.com/knights-analytics/hugot, for the comparison
// of `make bench-worker`. It is a module of its own, so that parley depends on nothing of
// it. Built plainly it has hugot's Go backend, with the tag ORT ONNX Runtime.
//
// It reads a JSON object a line from its input and answers with one a line, as
// bench/worker/remote.go says.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	hugot "github.com/knights-analytics/hugot"
	"github.com/knights-analytics/hugot/backends"
	"github.com/knights-analytics/hugot/options"
	"github.com/knights-analytics/hugot/pipelines"
)

// order is what is asked for: to load a model, or to embed texts by a number of callers
// that give so many at once.
type order struct {
	Do        string   `json:"do"`
	Directory string   `json:"dir"`
	Library   string   `json:"library"`
	Threads   int      `json:"threads"`
	Texts     []string `json:"texts"`
	Batch     int      `json:"batch"`
	Callers   int      `json:"callers"`
}

// answer is what came out: wall and CPU time in seconds, and a vector for each text,
// null for one that was refused.
type answer struct {
	Seconds float64     `json:"seconds"`
	CPU     float64     `json:"cpu"`
	Vectors [][]float32 `json:"vectors,omitempty"`
	Refused string      `json:"refused,omitempty"`
	Version string      `json:"version,omitempty"`
	Error   string      `json:"error,omitempty"`
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	var e embedder
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var o order
		a, err := answer{}, json.Unmarshal(line, &o)
		if err == nil {
			a, err = e.do(context.Background(), o)
		}
		if err != nil {
			a.Error = err.Error()
		}
		if err := out.Encode(a); err != nil {
			return
		}
	}
}

type embedder struct {
	session  *hugot.Session
	pipeline *pipelines.FeatureExtractionPipeline
}

func (e *embedder) do(ctx context.Context, o order) (answer, error) {
	switch o.Do {
	case "load":
		return answer{Version: "0.7.6, " + backend}, e.load(ctx, o)
	case "embed":
		return e.embed(ctx, o)
	}
	return answer{}, fmt.Errorf("%q is not understood", o.Do)
}

func (e *embedder) load(ctx context.Context, o order) (err error) {
	// The settings that its README advises, and no threads that spin, as parley has it.
	settings := []options.WithOption{}
	if backend == "ORT" {
		settings = append(settings, options.WithOnnxLibraryPath(o.Library), options.WithIntraOpNumThreads(o.Threads),
			options.WithInterOpNumThreads(1), options.WithIntraOpSpinning(false), options.WithInterOpSpinning(false))
	}
	if e.session, err = newSession(ctx, settings...); err != nil {
		return err
	}
	e.pipeline, err = hugot.NewPipeline(e.session, hugot.FeatureExtractionConfig{
		ModelPath: o.Directory, Name: "embed", OnnxFilename: "model.onnx",
		Options: []backends.PipelineOption[*pipelines.FeatureExtractionPipeline]{pipelines.WithNormalization()},
	})
	return err
}

func (e *embedder) embed(ctx context.Context, o order) (answer, error) {
	if o.Batch < 1 || o.Callers < 1 || e.pipeline == nil {
		return answer{}, errors.New("nothing is loaded, or a number is missing")
	}
	a := answer{Vectors: make([][]float32, len(o.Texts))}
	begun, cpu := time.Now(), used()
	next := make(chan int)
	var wait sync.WaitGroup
	var mu sync.Mutex
	for range o.Callers {
		wait.Go(func() {
			for at := range next {
				end := min(at+o.Batch, len(o.Texts))
				got, err := e.pipeline.RunPipeline(ctx, o.Texts[at:end])
				mu.Lock()
				if err != nil {
					a.Refused = err.Error()
				} else {
					copy(a.Vectors[at:end], got.Embeddings)
				}
				mu.Unlock()
			}
		})
	}
	for at := 0; at < len(o.Texts); at += o.Batch {
		next <- at
	}
	close(next)
	wait.Wait()
	a.Seconds, a.CPU = time.Since(begun).Seconds(), (used() - cpu).Seconds()
	return a, nil
}

// used is the CPU time of the process.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
