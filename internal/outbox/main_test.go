package outbox_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The shared PostgreSQL of the tests ends with this process.
		goleak.IgnoreAnyFunction("parley/internal/testkit/private.(*Server).watch"))
}
