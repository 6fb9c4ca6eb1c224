package embedding

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"parley/internal/jobspec"
)

// How long a vector is kept. It never gets old: what it is made of stands in its key.
const keepFor = 24 * time.Hour

// keyOf is where the vector of a text is kept. The text is somebody's and stands there as
// a hash only.
func keyOf(digest, normal string) string {
	sum := sha256.Sum256([]byte(normal))
	return "vector:" + digest + ":" + hex.EncodeToString(sum[:16])
}

// readKept reads a vector of the model that was kept.
func (m Model) readKept(data []byte) (Vector, bool) {
	values, err := jobspec.Vector(data).Values()
	if err != nil || len(values) != m.Dimensions {
		return Vector{}, false
	}
	return Vector{Model: m.Name, Digest: m.Digest, Values: values}, true
}
