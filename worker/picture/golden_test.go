package picture

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func readGolden(t testing.TB, name string, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(readFile(t, name), into))
}

func readFile(t testing.TB, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, elem...)...))
	require.NoError(t, err)
	return data
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

func decodeFile(t testing.TB, elem ...string) *Picture {
	t.Helper()
	p, err := Decode(readFile(t, elem...), DecodeOptions{})
	require.NoError(t, err, "%s", elem)
	return p
}
