package querytext

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
	"unicode/utf8"

	"parley/internal/jobspec"
)

// How long a translation is kept. It never gets old: what it is made of stands in its key.
const keepFor = 24 * time.Hour

// keyOf is where a translation is kept. The text is somebody's and stands there as a hash
// only.
func keyOf(w way, normal string) string {
	sum := sha256.Sum256([]byte(normal))
	return "translation:" + w.model + ":" + w.source + ":" + w.target + ":" + hex.EncodeToString(sum[:16])
}

// readKept reads a translation that was kept.
func readKept(data []byte) (string, bool) {
	if len(data) == 0 || len(data) > jobspec.MaxQueryText || !utf8.Valid(data) {
		return "", false
	}
	return string(data), true
}
