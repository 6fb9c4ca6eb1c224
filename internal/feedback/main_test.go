package feedback_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m,
		// The servers that the tests share end with this process.
		goleak.IgnoreAnyFunction("parley/internal/testkit/private.startGuard.func1"),
		goleak.IgnoreAnyFunction("parley/internal/testkit/private.startGuard.func2"))
}
