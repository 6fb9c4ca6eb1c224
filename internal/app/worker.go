package app

import (
	"context"
	"log/slog"
	"os"
	"strings"

	"parley/internal/config"
	"parley/internal/lifecycle"
	"parley/internal/natsx"
	"parley/worker"
	"parley/worker/folder"
	"parley/worker/pipeline"
)

// openFolder opens the models folder with what is in it.
func openFolder(ctx context.Context, cfg *config.Config) (*folder.Folder, error) {
	c := folder.Config{
		Models: cfg.Models, From: cfg.ModelsFrom,
		Options: pipeline.Options{
			Library: cfg.ONNXLibrary, Threads: cfg.WorkerThreads,
			Keeper: pipeline.NewKeeper(int64(cfg.ModelsMB) << 20), OnUse: cfg.ModelsLoad == "use",
		},
	}
	if c.From == "" {
		// The token of HF_TOKEN is for the usual hub alone, as `parley models pull` has it.
		c.From, c.Token = os.Getenv("HF_ENDPOINT"), strings.TrimSpace(os.Getenv("HF_TOKEN"))
	}
	return folder.Open(ctx, c)
}

func closeFolder(f *folder.Folder) {
	if err := f.Close(); err != nil {
		slog.Warn("close the models", "error", err)
	}
}

// newWorker makes the worker of a process on its bus.
func newWorker(cfg *config.Config, bus *natsx.Bus, c worker.Config) (*worker.Worker, error) {
	c.Slots, c.Bus, c.AckWait, c.Grace = cfg.WorkerSlots, bus, cfg.AckWait, cfg.Grace/2
	return worker.New(c)
}

// addFolder puts a worker that serves the models folder into a group.
func addFolder(cfg *config.Config, bus *natsx.Bus, f *folder.Folder, group *lifecycle.Group) error {
	w, err := newWorker(cfg, bus, worker.Config{Folder: f.Describe})
	if err != nil {
		return err
	}
	if err := f.Attach(w); err != nil {
		return err
	}
	group.Add("models folder", f)
	group.Add("worker", w)
	return nil
}

// RunWorker runs a worker until ctx ends.
func RunWorker(ctx context.Context, cfg *config.Config) error {
	bus, _, err := openBus(ctx, cfg, "worker")
	if err != nil {
		return err
	}
	defer bus.Close()
	f, err := openFolder(ctx, cfg)
	if err != nil {
		return err
	}
	defer closeFolder(f)
	if err := bus.EnsureStreams(ctx); err != nil {
		return err
	}
	group := lifecycle.Group{Grace: cfg.Grace}
	if err := addFolder(cfg, bus, f, &group); err != nil {
		return err
	}
	releaseMemory()
	slog.Info("worker ready", "models", f.Names(), "nats", natsx.Redact(cfg.NATSURL))
	return group.Run(ctx)
}
