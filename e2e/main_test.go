package e2e

import (
	"os"
	"testing"

	"parley/e2e/process"
)

func TestMain(m *testing.M) { os.Exit(process.Main(m)) }
