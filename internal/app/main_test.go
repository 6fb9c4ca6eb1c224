package app

import (
	"os"
	"testing"

	"parley/internal/testkit"
)

// The keys of the private S3 server are in the environment, where the AWS library looks
// for them.
func TestMain(m *testing.M) {
	testkit.S3Environ()
	os.Exit(m.Run())
}
