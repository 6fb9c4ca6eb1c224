package indexing_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"parley/internal/natsx"
	"parley/worker"
	"parley/worker/model"
	"parley/worker/pipeline"
)

// workerAt makes this binary a worker, so that a test can kill one: the address of NATS,
// with modelAt and libraryAt.
const (
	workerAt  = "INDEXING_TEST_NATS"
	modelAt   = "INDEXING_TEST_MODEL"
	libraryAt = "INDEXING_TEST_LIBRARY"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if address := os.Getenv(workerAt); address != "" {
		if err := work(address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m,
		// The servers that the tests share end with this process.
		goleak.IgnoreAnyFunction("parley/internal/testkit/private.startGuard.func1"),
		goleak.IgnoreAnyFunction("parley/internal/testkit/private.startGuard.func2"),
		// testkit.PGVector's pool stays open for all tests.
		goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

func work(address string) error {
	ctx := context.Background()
	bus, err := natsx.Connect(ctx, address, natsx.Options{Name: "worker"})
	if err != nil {
		return err
	}
	models, err := model.Open(ctx, os.Getenv(modelAt), pipeline.Options{Library: os.Getenv(libraryAt)})
	if err != nil {
		return err
	}
	w, err := worker.New(worker.Config{ID: "killed", Bus: bus, Handlers: models.Handlers()})
	if err != nil {
		return err
	}
	return w.Run(ctx)
}
