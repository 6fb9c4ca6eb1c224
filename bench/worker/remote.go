package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// remote is a program of another system. It reads orders, a JSON object a line, and
// answers each with one line. It idles while another system is measured.
type remote struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// order is what a program is told. What "do" does not need is left out.
type order struct {
	// Do is "load", "generate", "embed" or "rust".
	Do string `json:"do"`
	// Task, Directory, Library, Threads and Spinning are for "load".
	Task      string `json:"task,omitempty"`
	Directory string `json:"dir,omitempty"`
	Library   string `json:"library,omitempty"`
	Threads   int    `json:"threads,omitempty"`
	Spinning  bool   `json:"spinning"`
	// Texts are what is read, Settings how is written, in the words of
	// generation_config.json.
	Texts    []string        `json:"texts,omitempty"`
	Settings json.RawMessage `json:"settings,omitempty"`
	// Batch is how many texts a caller gives at once, Callers how many there are.
	Batch   int `json:"batch,omitempty"`
	Callers int `json:"callers,omitempty"`
	// File is a tokenizer.json, once; IDs asks for the ids.
	File string `json:"file,omitempty"`
	IDs  bool   `json:"ids,omitempty"`
}

// answer is what a program gives; times are in seconds.
type answer struct {
	Seconds float64     `json:"seconds"`
	CPU     float64     `json:"cpu"`
	First   float64     `json:"first"`
	Inputs  [][]int64   `json:"inputs"`
	Outputs [][]int64   `json:"outputs"`
	Vectors [][]float32 `json:"vectors"`
	Version string      `json:"version"`
	Error   string      `json:"error"`
}

func (a *answer) run(units int) run {
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	return run{units: units, took: seconds(a.Seconds), cpu: seconds(a.CPU), first: seconds(a.First)}
}

// startRemote starts a program.
func startRemote(ctx context.Context, dir, name string, arguments ...string) (*remote, error) {
	r := &remote{cmd: exec.CommandContext(ctx, name, arguments...)}
	r.cmd.Dir = dir
	// What others print is of interest when something fails.
	log, err := os.CreateTemp("", "bench-worker-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	defer os.Remove(log.Name())
	r.cmd.Stderr = log
	// The Rust tokenizers would use all cores for a batch.
	r.cmd.Env = append(os.Environ(), "TOKENIZERS_PARALLELISM=false", "RAYON_NUM_THREADS=1")
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r.out = bufio.NewReaderSize(out, 1<<20)
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return r, nil
}

// do sends an order and waits for its answer.
func (r *remote) do(o order) (*answer, error) {
	line, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	if _, err := r.in.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("%s: %w", r.cmd.Path, err)
	}
	if line, err = r.out.ReadBytes('\n'); err != nil {
		return nil, fmt.Errorf("%s: no answer: %w", r.cmd.Path, err)
	}
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		return nil, fmt.Errorf("%s: %.200s: %w", r.cmd.Path, line, err)
	}
	if a.Error != "" {
		return nil, fmt.Errorf("%s: %s", r.cmd.Path, a.Error)
	}
	return &a, nil
}

// close ends the program.
func (r *remote) close() error {
	err := r.in.Close()
	var exit *exec.ExitError
	if waited := r.cmd.Wait(); waited != nil && !errors.As(waited, &exit) {
		err = errors.Join(err, waited)
	}
	return err
}
