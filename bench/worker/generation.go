package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"parley/bench/paper"
	"parley/worker/bundle"
	"parley/worker/pipeline"
	"parley/worker/pipeline/decoder"
	"parley/worker/tokenizer"
)

// generator is a system that writes texts behind or for others.
type generator interface {
	// generate writes for texts that are given at once. The tokens of what was written
	// are in outputs, without those that every output begins with.
	generate(ctx context.Context, texts []string, settings string) (outcome, error)
	close() error
}

// outcome is a run and what came out.
type outcome struct {
	run     run
	outputs [][]int64
}

// count sets the run's units to the tokens that were written.
func (o outcome) count() outcome {
	o.run.units = 0
	for _, ids := range o.outputs {
		o.run.units += len(ids)
	}
	return o
}

// ours is the engine of the worker, as its families use it: tokenizer, batches, decoder.
type ours struct {
	bundle    *bundle.Bundle
	tokenizer *tokenizer.Tokenizer
	model     decoder.Model
	engine    *pipeline.Engine
	stop      context.CancelFunc
	ended     chan error
	// prompted tells that outputs begin with their inputs.
	prompted bool
}

// openOurs loads a bundle, a causal model where prompted is set.
func openOurs(ctx context.Context, dir string, prompted bool, threads int) (o *ours, err error) {
	o = &ours{prompted: prompted, ended: make(chan error, 1)}
	if o.bundle, err = bundle.Open(dir); err != nil {
		return nil, err
	}
	if o.tokenizer, err = tokenizer.Open(dir); err != nil {
		return nil, err
	}
	if prompted {
		o.model, err = decoder.OpenCausal(o.bundle, threads)
	} else {
		o.model, err = decoder.OpenSeq2seq(o.bundle, threads)
	}
	if err != nil {
		return nil, err
	}
	o.engine = pipeline.NewEngine(pipeline.EngineConfig{
		Model: o.bundle.Name, Generator: pipeline.NewGenerator(o.model, pipeline.NewGate(1)), Rows: 32, Tokens: 64 << 10,
	})
	ctx, o.stop = context.WithCancel(ctx)
	go func() { o.ended <- o.engine.Run(ctx) }()
	return o, nil
}

func (o *ours) close() error {
	o.stop()
	return errors.Join(<-o.ended, o.model.Close())
}

func (o *ours) generate(ctx context.Context, texts []string, words string) (outcome, error) {
	settings, err := o.bundle.Generation.With(json.RawMessage(words))
	if err != nil {
		return outcome{}, err
	}
	out := outcome{outputs: make([][]int64, len(texts))}
	begun, cpu := time.Now(), paper.OwnCPU()
	requests := make([]*pipeline.Request, len(texts))
	for i, text := range texts {
		input := o.tokenizer.Encode(text)
		// The start token, or the prompt.
		skip := 1
		if o.prompted {
			skip = len(input)
		}
		requests[i] = &pipeline.Request{Input: input, Settings: settings, Done: func(all []pipeline.Output) {
			out.outputs[i] = all[0].Tokens[skip:]
			o.tokenizer.Decode(all[0].Tokens)
		}}
		if settings.NumBeams == 1 {
			requests[i].Wrote = func(int64) {
				if out.run.first == 0 {
					out.run.first = time.Since(begun)
				}
			}
		}
	}
	if err := o.engine.Generate(ctx, requests, false); err != nil {
		return outcome{}, err
	}
	out.run.took, out.run.cpu = time.Since(begun), paper.OwnCPU()-cpu
	if len(texts) > 1 {
		out.run.first = 0
	}
	return out.count(), nil
}

// theirs is transformers.js.
type theirs struct {
	*remote
	version  string
	prompted bool
	end, pad int64
}

// openTheirs loads a bundle in a process of its own.
func openTheirs(ctx context.Context, o options, dir string, prompted, spinning bool) (*theirs, error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return nil, err
	}
	t := &theirs{prompted: prompted, end: -1, pad: b.Generation.Pad}
	if len(b.Generation.EOS) > 0 {
		t.end = b.Generation.EOS[0]
	}
	if t.remote, err = startRemote(ctx, o.node, "node", "runner.mjs"); err != nil {
		return nil, err
	}
	task := "translate"
	if prompted {
		task = "write"
	}
	loaded, err := t.do(order{Do: "load", Task: task, Directory: dir, Threads: o.threads, Spinning: spinning})
	if err != nil {
		return nil, errors.Join(err, t.remote.close())
	}
	t.version = loaded.Version
	return t, nil
}

func (t *theirs) generate(_ context.Context, texts []string, settings string) (outcome, error) {
	a, err := t.do(order{Do: "generate", Texts: texts, Settings: json.RawMessage(settings)})
	if err != nil {
		return outcome{}, err
	}
	out := outcome{run: a.run(0)}
	for i, ids := range a.Outputs {
		skip := 1
		if t.prompted {
			skip = len(a.Inputs[i])
		}
		out.outputs = append(out.outputs, t.cut(ids[min(skip, len(ids)):]))
	}
	return out.count(), nil
}

// cut takes the padding away behind the end token.
func (t *theirs) cut(ids []int64) []int64 {
	for i, id := range ids {
		if id == t.end {
			return ids[:i+1]
		}
	}
	for len(ids) > 0 && ids[len(ids)-1] == t.pad {
		ids = ids[:len(ids)-1]
	}
	return ids
}
