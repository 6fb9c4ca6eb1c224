// Package noise gives random numbers that follow from a seed and a place alone: they
// need no state, so that work that was cut off goes on with the numbers that it would
// have had, and no number depends on what else was drawn.
//
// The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers:
// as easy as 1, 2, 3; SC 2011).
package noise

import "math"

// Source is the numbers of one seed. Streams of it are independent of each other.
type Source struct {
	Seed   uint64
	Stream uint32
}

// Uniform gives the number at a place, at least 0 and below 1, with 53 bits.
func (s Source) Uniform(place uint64) float64 {
	b := s.block(place)
	return float64((uint64(b[0])<<32|uint64(b[1]))>>11) * 0x1p-53
}

// Normal fills into with normally distributed numbers of mean 0 and variance 1 from a
// place, by the method of Box and Muller. The same place gives the same start whatever
// the length.
func (s Source) Normal(place uint32, into []float32) {
	for i := 0; i < len(into); i += 2 {
		b := s.block(uint64(place)<<32 | uint64(i/2))
		// The radius needs a number above 0.
		u := (float64(uint64(b[0])<<32|uint64(b[1])) + 1) * 0x1p-64
		angle := 2 * math.Pi * float64((uint64(b[2])<<32|uint64(b[3]))>>11) * 0x1p-53
		radius := math.Sqrt(-2 * math.Log(u))
		sin, cos := math.Sincos(angle)
		into[i] = float32(radius * cos)
		if i+1 < len(into) {
			into[i+1] = float32(radius * sin)
		}
	}
}

// block gives the numbers of a place; the counter holds the place and the stream.
func (s Source) block(place uint64) [4]uint32 {
	counter := [4]uint32{uint32(place), uint32(place >> 32), s.Stream, 0}
	return philox(counter, uint32(s.Seed), uint32(s.Seed>>32))
}

// philox is Philox4x32-10 of a counter under a key of two words.
func philox(c [4]uint32, key0, key1 uint32) [4]uint32 {
	for range 10 {
		p0, p1 := 0xD2511F53*uint64(c[0]), 0xCD9E8D57*uint64(c[2])
		c = [4]uint32{uint32(p1>>32) ^ c[1] ^ key0, uint32(p1), uint32(p0>>32) ^ c[3] ^ key1, uint32(p0)}
		key0 += 0x9E3779B9
		key1 += 0xBB67AE85
	}
	return c
}
