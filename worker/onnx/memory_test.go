package onnx

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// anonymous is how many bytes of the process are in memory and in no file.
func anonymous(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	found := regexp.MustCompile(`RssAnon:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(t, found)
	kilobytes, err := strconv.Atoi(string(found[1]))
	require.NoError(t, err)
	return kilobytes << 10
}

// Blocks that were freed below one that is in use stay with the process until then.
func TestTrimGivesFreedBlocksBack(t *testing.T) {
	if musl, _ := filepath.Glob("/lib/ld-musl-*"); runtime.GOOS != "linux" || len(musl) > 0 {
		t.Skip("for glibc alone")
	}
	const size, count = 64 << 10, 1000
	blocks := make([]Memory, count)
	for i := range blocks {
		require.NoError(t, blocks[i].Reserve(size))
		floats := blocks[i].Float32()
		for j := range floats {
			floats[j] = 1
		}
	}
	defer blocks[count-1].Free()
	for i := range blocks[:count-1] {
		blocks[i].Free()
	}
	before := anonymous(t)
	trim()
	assert.Less(t, anonymous(t), before-count*size/2)
	assert.InDelta(t, 1, blocks[count-1].Float32()[0], 0)
}
