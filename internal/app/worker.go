package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"parley/internal/config"
	"parley/internal/lifecycle"
	"parley/internal/natsx"
	"parley/worker"
	"parley/worker/bundle"
	"parley/worker/pipeline"
)

// openTranslators loads every bundle of the models folder that can be run.
// What can't be loaded is logged with the reason; the others work without it.
func openTranslators(ctx context.Context, cfg *config.Config) ([]*pipeline.Translator, error) {
	dirs, err := bundle.List(cfg.Models)
	if err != nil {
		return nil, fmt.Errorf("look for models: %w", err)
	}
	gate := pipeline.NewGate(1)
	var loaded []*pipeline.Translator
	var failures []error
	for _, dir := range dirs {
		t, err := openTranslator(ctx, cfg, dir, gate)
		if err != nil {
			slog.Error("a model can't be used", "folder", dir, "error", err)
			failures = append(failures, fmt.Errorf("%s: %w", filepath.Base(dir), err))
			continue
		}
		loaded = append(loaded, t)
	}
	if len(loaded) == 0 {
		return nil, errors.Join(append([]error{fmt.Errorf("there is no model in %s that can be used", cfg.Models)}, failures...)...)
	}
	pipeline.Link(loaded...)
	return loaded, nil
}

// openTranslator checks the digests before it trusts the files.
func openTranslator(ctx context.Context, cfg *config.Config, dir string, gate *pipeline.Gate) (*pipeline.Translator, error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return nil, err
	}
	if _, err := b.Check(); err != nil {
		return nil, err
	}
	return pipeline.Open(ctx, dir, pipeline.Options{Library: cfg.ONNXLibrary, Threads: cfg.WorkerThreads, Gate: gate})
}

// translating gives each model its handler.
func translating(translators []*pipeline.Translator) []worker.Handler {
	handlers := make([]worker.Handler, len(translators))
	for i, t := range translators {
		handlers[i] = worker.Translate{Translator: t}
	}
	return handlers
}

// newWorker makes the worker of a process on its bus.
func newWorker(cfg *config.Config, bus *natsx.Bus, handlers []worker.Handler) (*worker.Worker, error) {
	return worker.New(worker.Config{Slots: cfg.WorkerSlots, Bus: bus, Handlers: handlers, AckWait: cfg.AckWait, Grace: cfg.Grace / 2})
}

// RunWorker runs a worker until ctx ends.
func RunWorker(ctx context.Context, cfg *config.Config) error {
	bus, _, err := openBus(ctx, cfg, "worker")
	if err != nil {
		return err
	}
	defer bus.Close()
	translators, err := openTranslators(ctx, cfg)
	if err != nil {
		return err
	}
	defer closeTranslators(translators)
	if err := bus.EnsureStreams(ctx); err != nil {
		return err
	}
	w, err := newWorker(cfg, bus, translating(translators))
	if err != nil {
		return err
	}
	slog.Info("worker ready", "models", names(translators), "nats", natsx.Redact(cfg.NATSURL))
	group := lifecycle.Group{Grace: cfg.Grace}
	group.Add("worker", w)
	return group.Run(ctx)
}

func closeTranslators(all []*pipeline.Translator) {
	for _, t := range all {
		if err := t.Close(); err != nil {
			slog.Warn("close a model", "error", err)
		}
	}
}

func names(all []*pipeline.Translator) []string {
	list := make([]string, len(all))
	for i, t := range all {
		list[i] = t.Bundle().Name
	}
	return list
}
