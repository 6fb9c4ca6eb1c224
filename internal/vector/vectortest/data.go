package vectortest

import (
	"fmt"
	"math/rand/v2"

	"parley/internal/vector"
)

// Random makes vectors for tests, the same from the same seed.
type Random struct{ *rand.Rand }

// NewRandom makes a source.
func NewRandom(seed uint64) Random { return Random{rand.New(rand.NewPCG(seed, 7))} }

// Vector is one in any direction.
func (r Random) Vector(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// Near is one beside another; a spread of 1 leaves a cosine of about 0.7.
func (r Random) Near(center []float32, spread float64) []float32 {
	v, unit := make([]float32, len(center)), Unit(center)
	noise := Unit(r.Vector(len(center)))
	for i := range v {
		v[i] = unit[i] + float32(spread)*noise[i]
	}
	return v
}

// Rows are so many rows in some clusters, with ids that rise. Each belongs to
// one of 100 owners and is one of three kinds of thing.
func (r Random) Rows(count, n int) []vector.Row {
	centers := make([][]float32, 1+count/50)
	for i := range centers {
		centers[i] = r.Vector(n)
	}
	rows := make([]vector.Row, count)
	for i := range rows {
		rows[i] = vector.Row{
			ID:     fmt.Sprintf("row_%07d", i),
			Vector: r.Near(centers[r.IntN(len(centers))], 0.95),
			Labels: []string{fmt.Sprintf("owner:%d", r.IntN(100)), "kind:" + []string{"sticker", "note", "post"}[r.IntN(3)]},
		}
	}
	return rows
}
