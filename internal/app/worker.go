package app

import (
	"context"
	"log/slog"

	"parley/internal/config"
	"parley/internal/lifecycle"
	"parley/internal/natsx"
	"parley/worker"
	"parley/worker/model"
	"parley/worker/pipeline"
)

// openModels loads what the models folder has.
func openModels(ctx context.Context, cfg *config.Config) (*model.Set, error) {
	return model.Open(ctx, cfg.Models, pipeline.Options{
		Library: cfg.ONNXLibrary, Threads: cfg.WorkerThreads,
		Keeper: pipeline.NewKeeper(int64(cfg.ModelsMB) << 20), OnUse: cfg.ModelsLoad == "use",
	})
}

func closeModels(s *model.Set) {
	if err := s.Close(); err != nil {
		slog.Warn("close the models", "error", err)
	}
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
	models, err := openModels(ctx, cfg)
	if err != nil {
		return err
	}
	defer closeModels(models)
	if err := bus.EnsureStreams(ctx); err != nil {
		return err
	}
	w, err := newWorker(cfg, bus, models.Handlers())
	if err != nil {
		return err
	}
	slog.Info("worker ready", "models", models.Names(), "nats", natsx.Redact(cfg.NATSURL))
	group := lifecycle.Group{Grace: cfg.Grace}
	group.Add("worker", w)
	return group.Run(ctx)
}
